"""One thing that takes room in a state folder, as `llbuild du` lists it and rules choose from it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Entry", "EntryType", "Totals", "totals_of"]


class EntryType(Enum):
    """BuildKit's record types, where it has them."""

    REGULAR = "regular"  # a layer made here, unpacked
    IMAGE_LAYER = "image.layer"  # a layer that came with an image, unpacked
    BLOB = "blob"  # a packed layer, a manifest, a config
    IMAGE = "image"  # a name of an image; what it needs are blobs
    CACHE_MOUNT = "exec.cachemount"
    LOCAL_SOURCE = "source.local"  # what the files of a build context digest to
    GIT_MIRROR = "source.git"  # what of a remote repository is here; git's own form
    GIT_CHECKOUT = "source.git.checkout"  # the files of a commit, a layer
    HTTP_FILE = "source.http"  # a file that was downloaded, a layer
    RECEIPT = "export.receipt"  # what an archive was written from
    INTERNAL = "internal"  # of the store itself
    LEFTOVER = "leftover"  # what a process that was killed left half-made


@frozen
class Entry:
    """Sizes are what the disk gives up when it goes: blocks, not lengths. Times are seconds since 1970, 0 for unknown.

    `in_use`: a build under way may need it. `images`: those in the store that need it. `shared`: an image, or a file
    outside the state folder, has the same bytes. `parents`: ids of the layers right below. `depth`: how many lie below.
    `permanent`: what a state folder cannot be without. `place`: its path; `inode`, where a path may be taken again by
    something else.
    """

    type: EntryType
    id: str
    size_bytes: int
    place: str = ""
    inode: int = 0
    description: str = ""
    created: float = 0.0
    last_used: float = 0.0
    uses: int = 0
    in_use: bool = False
    images: frozenset[str] = frozenset()
    shared: bool = False
    linked: bool = False  # a file outside has its blocks too: removing it frees nothing
    permanent: bool = False
    parents: tuple[str, ...] = ()
    depth: int = 0

    @property
    def reclaimable(self) -> bool:
        """Whether `llbuild prune` would remove it."""
        return not (self.in_use or self.images or self.permanent) and self.type not in NEEDS_ALL

    @property
    def mutable(self) -> bool:
        """Whether it changes after it was made."""
        return self.type in {EntryType.CACHE_MOUNT, EntryType.GIT_MIRROR, EntryType.INTERNAL}

    @property
    def unpacked(self) -> bool:
        """Whether it is a layer, as a folder."""
        return self.type in _LAYERS

    @property
    def frees_bytes(self) -> int:
        return 0 if self.linked else self.size_bytes

    @property
    def short_id(self) -> str:
        """For tables: twelve digits of what is named by many."""
        head, dash, digits = self.id.partition("-" if self.id.startswith(("run-", "sha256-")) else ":")
        known = head in {"run", "sha256", "sha512"} and len(digits) >= _LONG_DIGITS
        return f"{head}{dash}{digits[:12]}" if known else self.id


_LAYERS = frozenset({EntryType.REGULAR, EntryType.IMAGE_LAYER, EntryType.GIT_CHECKOUT, EntryType.HTTP_FILE})
NEEDS_ALL = frozenset({EntryType.IMAGE, EntryType.INTERNAL})
_LONG_DIGITS = 32


class Totals(NamedTuple):
    """Bytes. `shared` and `private` make up `total`; `reclaimable` is what `llbuild prune` would free."""

    total: int
    shared: int
    private: int
    reclaimable: int


def totals_of(entries: Iterable[Entry]) -> Totals:
    """Their sums."""
    total = shared = reclaimable = 0
    for entry in entries:
        total += entry.size_bytes
        shared += entry.size_bytes if entry.shared else 0
        reclaimable += entry.frees_bytes if entry.reclaimable else 0
    return Totals(total, shared, total - shared, reclaimable)
