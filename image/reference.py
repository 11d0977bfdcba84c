"""References: the names people give to images, `[domain/]path[:tag][@digest]`.

Grammar and normalisation are those of distribution's `reference` package, which docker, BuildKit and
containerd share: `busybox` is `docker.io/library/busybox:latest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import parse_digest
from ..errors import SourceError
from ..regexes import lazy_regex
from ..values import frozen

if TYPE_CHECKING:
    from ..digest import Digest

__all__ = ["Reference", "parse_reference"]

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"
_MAX_NAME = 255
_MAX_TEXT = 1024  # a name of 255, a tag of 128 and a sha512 digest fit twice

_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_DOMAIN = lazy_regex(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Fa-f0-9:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PATH = lazy_regex(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = lazy_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IDENTIFIER = lazy_regex(r"[a-f0-9]{64}")


@frozen
class Reference:
    """A normalised reference. Has a tag, a digest or both; a digest wins over a tag when it is resolved."""

    domain: str
    path: str
    tag: str = ""
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """The repository: `docker.io/library/busybox`."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        return self.name + self._suffix()

    def familiar(self) -> str:
        """The short form that people write: `busybox:latest`, `alice/tool@sha256:…`."""
        if self.domain != DEFAULT_DOMAIN:
            return str(self)
        path = self.path
        if path.startswith(_OFFICIAL) and "/" not in path[len(_OFFICIAL) :]:
            path = path[len(_OFFICIAL) :]
        return path + self._suffix()

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag


def parse_reference(text: str) -> Reference:
    """Read a reference as docker does; without tag and digest the tag is `latest`.

    Raises SourceError saying which part is wrong.
    """
    if not text:
        raise SourceError("expected an image reference, found nothing", ref=text)
    if len(text) > _MAX_TEXT:
        raise _invalid(text[:40] + "…", f"it is longer than {_MAX_TEXT} characters")
    if _IDENTIFIER.fullmatch(text):
        raise _invalid(text, "64 hex digits are an identifier, not a name", hint=f"write NAME@sha256:{text}")
    named, at, digest_text = text.partition("@")
    digest = _digest(text, digest_text) if at else None
    name, tag = _split_tag(named)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is not a tag: letters, digits, '_', '.', '-', at most 128, not first '.' or '-'")
    domain, path = _split_domain(name)
    _check_name(text, domain, path)
    if tag is None:
        tag = "" if digest else DEFAULT_TAG
    return Reference(domain=domain, path=path, tag=tag, digest=digest)


def _split_tag(named: str) -> tuple[str, str | None]:
    colon = named.rfind(":")
    if colon <= named.rfind("/"):  # no colon, or the one of a port
        return named, None
    return named[:colon], named[colon + 1 :]


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # What looks like no host is a path on Docker Hub; an upper-case letter cannot begin a path.
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    domain, path = (first, rest) if is_host else (DEFAULT_DOMAIN, name)
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    return domain, path


def _check_name(text: str, domain: str, path: str) -> None:
    if not _DOMAIN.fullmatch(domain):
        raise _invalid(text, f"{domain!r} is not a registry host")
    if not _PATH.fullmatch(path):
        if path != path.lower() and _PATH.fullmatch(path.lower()):
            lower = path.lower().removeprefix(_OFFICIAL)
            raise _invalid(text, "a repository name must be lower case", hint=f"write {lower}")
        raise _invalid(
            text, "expected [HOST/]NAME[:TAG][@DIGEST] with names of a-z, 0-9 and single '.', '_', '-' between"
        )
    if len(domain) + 1 + len(path) > _MAX_NAME:
        raise _invalid(text, f"its name is longer than {_MAX_NAME} characters")


def _digest(text: str, digest_text: str) -> Digest:
    try:
        digest = parse_digest(digest_text)
    except ValueError:
        digest = None
    if digest is None or digest.algorithm == "blake3":  # blake3 is llbuild's own; no registry knows it
        raise _invalid(text, f"{digest_text!r} is not a digest: expected sha256: and 64 lower-case hex digits")
    return digest


def _invalid(text: str, why: str, *, hint: str = "") -> SourceError:
    return SourceError(f"{text!r} is not an image reference: {why}", ref=text, hint=hint)
