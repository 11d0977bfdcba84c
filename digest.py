"""Content addresses: blake3 inside llbuild, sha256 wherever OCI sees them.

The one module that knows the blake3 library.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from blake3 import blake3

from .regexes import lazy_regex

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview  # collections.abc.Buffer is Python 3.12's

__all__ = [
    "Digest",
    "Hasher",
    "blake3_bytes",
    "blake3_digest",
    "digest_like",
    "new_blake3",
    "new_hasher",
    "parse_digest",
    "sha256_digest",
]

_FORM = lazy_regex(r"(?:blake3|sha256):[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Digest(str):
    """`algorithm:hex`, e.g. `sha256:` and 64 hex digits. Compares and hashes as its text.

    The constructor trusts its caller; text from outside goes through `parse_digest`.
    """

    __slots__ = ()

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """Twelve hex digits, for people."""
        return self.hex[:12]


class Hasher(Protocol):
    """What hashlib's and blake3's objects have in common."""

    def update(self, data: Buffer, /) -> object: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


def parse_digest(text: str) -> Digest:
    """Read `algorithm:hex` strictly.

    Raises ValueError on an unknown algorithm, a wrong length or upper case.
    Spec: OCI image-spec 1.1, descriptor.md, "Digests" (blake3 is ours, never written to an image).
    """
    if not _FORM.fullmatch(text):
        raise ValueError(f"expected algorithm:hex (sha256, sha512 or blake3), found {text[:100]!r}")
    return Digest(text)


def blake3_digest(data: Buffer) -> Digest:
    return Digest("blake3:" + blake3(data).hexdigest())


def blake3_bytes(data: Buffer) -> bytes:
    """The bare 32 bytes, for what only llbuild reads."""
    return blake3(data).digest()


def sha256_digest(data: Buffer) -> Digest:
    """Of a document; contents that may be long are better read in pieces: `new_hasher`."""
    return Digest("sha256:" + _document_sha256()(data).hexdigest())


def digest_like(digest: Digest, data: Buffer) -> Digest:
    """What `data` digests to by the algorithm of `digest` (sha256, sha512)."""
    if digest.algorithm == "sha256":
        return sha256_digest(data)
    hasher = new_hasher(digest.algorithm)
    hasher.update(data)
    return Digest(f"{digest.algorithm}:{hasher.hexdigest()}")


def new_hasher(algorithm: str) -> Hasher:
    """An incremental hasher of one of OCI's algorithms, by OpenSSL."""
    import hashlib

    return hashlib.new(algorithm)


def new_blake3() -> Hasher:
    """An incremental blake3 hasher, for contents that come in pieces."""
    return blake3()


@cache
def _document_sha256() -> Callable[[Buffer], Hasher]:
    """CPython's own: hashlib loads OpenSSL, four hundredths of a cached build, which digests two small documents."""
    for name in ("_sha2", "_sha256"):  # from Python 3.12 on; before
        try:
            own: Callable[[Buffer], Hasher] = import_module(name).sha256
        except ImportError:
            continue
        return own
    return import_module("hashlib").sha256  # type: ignore[no-any-return]  # a Python without its own
