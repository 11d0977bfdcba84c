"""Content addresses: blake3 inside llbuild, sha256 wherever OCI sees them.

The one module that knows the blake3 library.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Protocol

from blake3 import blake3

if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview  # collections.abc.Buffer is Python 3.12's

__all__ = ["Digest", "Hasher", "blake3_bytes", "blake3_digest", "new_blake3", "parse_digest", "sha256_digest"]

_FORM = re.compile(r"(?:blake3|sha256):[0-9a-f]{64}|sha512:[0-9a-f]{128}")


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
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def new_blake3() -> Hasher:
    """An incremental blake3 hasher, for contents that come in pieces."""
    return blake3()
