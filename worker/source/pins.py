"""What a build's sources are held to, as a lock file has it, and what those that nobody pinned turned out to be.

A source is pinned by its own text (a digest, a whole commit, a checksum), or by what it is held to here; else whoever
has it is asked. Everything that names a source passes through one `Pins` before anybody is asked, so that a build sees
one answer from its beginning to its end. Synchronous; no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import SourceError
from ...values import frozen
from .identifier import parse_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Pin", "Pins", "SourceKind", "SourceName"]

_REGISTRY = "docker-image://"

SourceKind = str  # one of "image", "git", "http"


@frozen(kw_only=False)
class SourceName:
    """What was asked for, and may be something else tomorrow. No passwords.

    `name`: a canonical reference or `oci-layout://PATH[:NAME]`; a repository's URL; a file's URL. `ref`: of a
    repository, as it was asked for; "" is its default branch.
    """

    kind: SourceKind
    name: str
    ref: str = ""

    def __str__(self) -> str:
        return f"{self.name}#{self.ref}" if self.ref else self.name


@frozen
class Pin:
    """What a source is.

    `digest`: of an image's manifest or index (all platforms have the same), of a file, or the commit without an
    algorithm. Of a repository: `ref`, the full name that the commit was found under, and `tag`, the object of an
    annotated tag; both stay in a kept `.git`. Of a file: `filename`, where its server decided that, and `modified_s`,
    when the server said it was from, in seconds since 1970: files are as old as that.
    """

    digest: str
    ref: str = ""
    tag: str = ""
    filename: str = ""
    modified_s: int | None = None


class Pins:
    """Of one build. `used`: what was asked for, and what it is; `held`: what it must be."""

    def __init__(self, held: Mapping[SourceName, Pin] | None = None, *, file: str = "", only: bool = False) -> None:
        """file: the lock file, for messages. only: refuse what is not held."""
        self.held = dict(held or {})
        self.used: dict[SourceName, Pin] = {}
        self._file = file
        self._only = only

    @property
    def advice(self) -> str:
        """What to do about a source that is no more what it is held to."""
        return f"{self._file} holds it to what it was; `llbuild lock` asks what it is now"

    def find(self, name: SourceName) -> Pin | None:
        """What the source is; None when that must be asked. Raises SourceError when it may not be."""
        pin = self.used.get(name)
        if pin is not None:
            return pin
        pin = self.held.get(name)
        if pin is not None:
            self.used[name] = pin
        elif self._only:
            raise SourceError(
                f"{name} is not in {self._file}, and nothing else may be used (--locked)",
                ref=str(name),
                hint="add it with `llbuild lock`, or build with --lock and without --locked",
            )
        return pin

    def note(self, name: SourceName, pin: Pin) -> None:
        """What it turned out to be."""
        self.used[name] = pin

    def image(self, text: str) -> str:
        """The identifier or reference with the digest that it is held to, where it has none of its own; else itself.

        Raises SourceError when it is none, or is not held and must be.
        """
        name = _image_name(text)
        pin = None if name is None else self.find(name)
        if name is None or pin is None:
            return text
        scheme = _REGISTRY if text.startswith(_REGISTRY) else ""
        return f"{scheme}{name.name}@{pin.digest}"

    def note_image(self, text: str, digest: str) -> None:
        """What an image turned out to be, unless its identifier has said so."""
        name = _image_name(text)
        if name is not None:
            self.note(name, Pin(digest=digest))

    def explain(self, error: SourceError, name: SourceName | None) -> None:
        """Tell of an error about a source that it was held to something."""
        if name is not None and name in self.held and not error.transient:
            error.hint = f"{error.hint}; {self.advice}" if error.hint else self.advice

    def explain_image(self, error: SourceError, text: str) -> None:
        self.explain(error, _image_name(text))


def _image_name(text: str) -> SourceName | None:
    """What is to be pinned of an image; None where it has a digest."""
    image = parse_identifier(text)
    if image.digest is not None:
        return None
    return SourceName("image", str(image))
