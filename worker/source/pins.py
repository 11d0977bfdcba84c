"""What a build's sources are held to, as a lock file has it, and what those that nobody pinned turned out to be.

A source is pinned by its own text (a digest, a whole commit, a checksum), or by what it is held to here; else whoever
has it is asked. Everything that names a source passes through one `Pins` before anybody is asked, so that a build sees
one answer from its beginning to its end. Synchronous; no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import SourceError
from ...values import frozen, replace
from .identifier import parse_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...platforms import Platform
    from .resolved import ResolvedImage

__all__ = ["Pin", "Pins", "SourceKind", "SourceName"]

_REGISTRY = "docker-image://"

SourceKind = str  # one of "image", "git", "http"


@frozen(kw_only=False)
class SourceName:
    """What was asked for, and may be something else tomorrow. No passwords.

    `name`: a canonical reference or `oci-layout://PATH[:NAME]`; a repository's URL; a file's URL. `ref`: of a
    repository, as it was asked for; "" is its default branch. `platform`: that was asked of an image, where the name
    does not stand for an index, which has all of them: a store may have pulled but one. "" is any.
    """

    kind: SourceKind
    name: str
    ref: str = ""
    platform: str = ""

    def __str__(self) -> str:
        text = f"{self.name}#{self.ref}" if self.ref else self.name
        return f"{text} ({self.platform})" if self.platform else text


@frozen
class Pin:
    """What a source is.

    `digest`: of an image's manifest or index, of a file, or the commit without an
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
        for asked in (replace(name, platform=""), name):
            pin = self.used.get(asked) or self.held.get(asked)
            if pin is not None:
                self.used[asked] = pin
                return pin
        if self._only:
            shown = name if any(other.name == name.name for other in self.held) else replace(name, platform="")
            raise SourceError(
                f"{shown} is not in {self._file}, and nothing else may be used (--locked)",
                ref=str(name),
                hint="add it with `llbuild lock`, or build with --lock and without --locked",
            )
        return None

    def note(self, name: SourceName, pin: Pin) -> None:
        """What it turned out to be."""
        self.used[name] = pin

    def image(self, text: str, platform: Platform) -> str:
        """The identifier or reference with the digest that it is held to, where it has none of its own; else itself.

        Raises SourceError when it is none, or is not held and must be.
        """
        name = _image_name(text, platform)
        pin = None if name is None else self.find(name)
        if name is None or pin is None:
            return text
        scheme = _REGISTRY if text.startswith(_REGISTRY) else ""
        return f"{scheme}{name.name}@{pin.digest}"

    def note_image(self, text: str, image: ResolvedImage, platform: Platform) -> None:
        """What an image turned out to be, unless its identifier has said so."""
        name = _image_name(text, platform)
        if name is not None:
            is_index = image.target.digest != image.manifest.digest
            self.note(replace(name, platform="") if is_index else name, Pin(digest=image.digest))

    def explain(self, error: SourceError, name: SourceName | None) -> None:
        """Tell of an error about a source that it was held to something."""
        held = name is not None and (name in self.held or replace(name, platform="") in self.held)
        if held and not error.transient:
            error.hint = f"{error.hint}; {self.advice}" if error.hint else self.advice

    def explain_image(self, error: SourceError, text: str, platform: Platform) -> None:
        self.explain(error, _image_name(text, platform))


def _image_name(text: str, platform: Platform) -> SourceName | None:
    """What is to be pinned of an image; None where it has a digest."""
    image = parse_identifier(text)
    if image.digest is not None:
        return None
    return SourceName("image", str(image), platform=str(platform))
