"""Folders behind cache mounts: one per id, kept between builds, shared by whoever names it.

They travel with an exported cache: `pack` makes a blob of one, and an imported one is unpacked when a step is about to
use it and finds its folder absent or empty. What is in a folder is never overwritten.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import LlbuildError, StoreError
from ..image import CacheMount, Descriptor
from ..llb import ExecOp, MountType
from ..values import frozen
from .cacheholds import cache_name
from .owners import meant, recall, remembering
from .snapshot import set_owner
from .uses import CACHE_MOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..llb import Mount, Vertex
    from .content import ContentStore
    from .forms import LayerForm
    from .snapshot import LayerStore
    from .source import ImageSource
    from .stacks import Report
    from .uses import UseRecords

__all__ = ["CacheMounts", "MountSeed", "PackedMount", "cache_folder", "cache_ids", "mount_id"]


@frozen
class MountSeed:
    """Contents for a folder that has none: where its blob can be fetched, and the folder's own metadata."""

    origin: str
    blob: Descriptor
    mount: CacheMount


@frozen
class PackedMount:
    """A folder as a blob in the content store; or the blob elsewhere (`seed`) that the folder would be filled from."""

    mount: CacheMount
    blob: Descriptor
    seed: MountSeed | None = None


def mount_id(mount: Mount) -> str:
    """What a cache mount is called; without an id of its own, by where it is mounted."""
    return mount.cache.id if mount.cache and mount.cache.id else mount.dest


def cache_ids(vertices: Iterable[Vertex]) -> list[str]:
    """The ids of all cache mounts that these steps use."""
    ids: dict[str, None] = {}
    for vertex in vertices:
        if isinstance(vertex.op, ExecOp):
            ids.update((mount_id(mount), None) for mount in vertex.op.mounts if mount.mount_type is MountType.CACHE)
    return list(ids)


def cache_folder(root: Path, mount: str) -> Path:
    """Where the folder of this id is, or would be."""
    return root / cache_name(mount)


class CacheMounts:
    """The folders below `root`. Belongs to one event loop; other processes may use the folders.

    Each is noted as used before anything looks at it or hands it out, so that nobody cleans it up meanwhile.
    """

    def __init__(
        self, root: Path, *, uses: UseRecords, layers: LayerStore, content: ContentStore, images: ImageSource
    ) -> None:
        self._root = root
        self._uses = uses
        self._layers = layers
        self._content = content
        self._images = images
        self._busy: dict[str, anyio.Lock] = {}
        self.seeds: dict[str, MountSeed] = {}  # by id

    async def prepare(self, mount: str, report: Report) -> str:
        """Unpack imported contents into a folder that has none; "", or in words why that failed.

        A cache that is cold is slower, not wrong.
        """
        async with self._busy.setdefault(mount, anyio.Lock()):
            seed = self.seeds.pop(mount, None)
            if seed is None or await run_blocking(self._filled, mount):
                return ""
            had = await run_blocking(self._content.has, seed.blob.digest)
            try:
                await self.fetch(seed, report)
                await run_blocking(self._unpack, seed)
            except LlbuildError as error:
                return f"the contents of cache mount {mount} cannot be imported: {error.message}"
            finally:
                if not had:  # nothing but this folder needs it
                    with anyio.CancelScope(shield=True):
                        await run_blocking(self._content.remove, seed.blob.digest)
        return ""

    def pack(self, mount: str, form: LayerForm) -> PackedMount | None:
        """The folder as it is now, as a blob; None when it is absent or empty.

        One that no step has used, and that an import would fill, is what was imported: it must not get lost on the way
        through a build that had nothing to run. Equal folders give equal blobs. Raises StoreError when it changes
        meanwhile, or cannot be read.
        """
        from .layer import pack_layer

        self._note_use(mount)
        if not self._filled(mount):
            seed = self.seeds.get(mount)
            return None if seed is None else PackedMount(mount=seed.mount, blob=seed.blob, seed=seed)
        folder = cache_folder(self._root, mount)
        with self._content.ingest(verify=False) as ingest:
            packed = pack_layer(str(folder), ingest.write, form.compression, form.level, overlay=False)
            ingest.commit(packed.digest)
        found = meant(folder.stat(), recall(str(folder)) if remembering() else None)
        blob = packed.blob
        described = CacheMount(
            id=mount, blob=packed.digest, mode=found.st_mode & 0o7777, uid=found.st_uid, gid=found.st_gid
        )
        return PackedMount(mount=described, blob=blob)

    async def fetch(self, seed: MountSeed, report: Report) -> None:
        """Bring imported contents into the content store. Raises SourceError."""
        await self._images.fetch_layer(seed.origin, seed.blob, report)

    def _note_use(self, mount: str) -> None:
        self._uses.note(CACHE_MOUNT, [(cache_folder(self._root, mount).name, mount)])

    def _filled(self, mount: str) -> bool:
        try:
            with os.scandir(cache_folder(self._root, mount)) as entries:
                return next(entries, None) is not None
        except FileNotFoundError:
            return False

    def _unpack(self, seed: MountSeed) -> None:
        from .layer import extract_layer

        self._note_use(seed.mount.id)
        folder = cache_folder(self._root, seed.mount.id)
        active = self._layers.begin(mounted=False)  # swept, should this process die
        try:
            with self._content.open(seed.blob.digest) as stream:
                extract_layer(stream, active.fs, userxattr=self._layers.userxattr)
            set_owner(active.fs, (seed.mount.uid, seed.mount.gid))
            os.chmod(active.fs, seed.mount.mode)
            self._root.mkdir(parents=True, exist_ok=True)
            os.rename(active.fs, folder)  # takes the place of an empty folder, never of one that holds something
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise StoreError(f"cannot write {folder}: {error.strerror}") from error
        finally:
            self._layers.discard(active)
