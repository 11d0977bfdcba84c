"""Cache mounts in use: who has which folder, waiting for it, and what is in it at first.

A cache is a folder `cache-mounts/<name>`, and where several steps must have it for themselves at the same time further
ones, `<name>.1`, `<name>.2`. Its name is made of the mount's id and, where it begins with contents, of what these are:
a cache that begins with other contents, or that somebody else owns, is another one. As in BuildKit.

- shared: the first folder that nobody has for himself, together with everybody who shares it;
- private: the first folder that nobody has; used again later, so that caches stay warm;
- locked: the first folder, and if somebody has it, wait.

Whoever has a folder holds a lock on its byte in one file (fcntl(2), OFD locks), which ends with the process, however
that ends. Steps take what they wait for in the order of names, so that no two of them wait for each other.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from ..blocking import run_blocking, wait_longer
from ..bytelocks import READ, WRITE, lock_byte, open_lock_file, place_of
from ..errors import LlbuildError, StoreError
from ..llb import CacheSharing, FileCopy
from ..values import frozen
from .snapshot import Copying, CopySettings, LayerWriter, MergedTree, Picked, resolve
from .uses import CACHE_MOUNT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from .snapshot import LayerStore
    from .uses import UseRecords

__all__ = ["CacheHolds", "CacheUse", "FirstContents", "cache_name"]

_MODE = 0o755  # of one that begins empty
_MOST_FOLDERS = 1000  # of one cache; more steps than that do not run at once


@frozen
class FirstContents:
    """What a new cache begins with: a file or folder of a tree."""

    tree: MergedTree
    path: str


@frozen
class CacheUse:
    """One step's use of one cache. `name`: see `cache_name`; `id`: as a definition says it."""

    name: str
    id: str
    sharing: CacheSharing = CacheSharing.SHARED
    first: FirstContents | None = None  # None: it begins empty

    @property
    def title(self) -> str:
        """What people call it: the Dockerfile frontend puts a namespace, mostly none, and a slash before that."""
        return self.id.removeprefix("/")


def cache_name(mount_id: str, contents: str = "") -> str:
    """The folder of a cache. contents: identifies what it begins with; "" for nothing."""
    text = f"{mount_id}\0{contents}" if contents else mount_id
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class CacheHolds:
    """The caches of a state folder, as one process uses them."""

    def __init__(self, folder: Path, locks: Path, *, layers: LayerStore, uses: UseRecords) -> None:
        """folder: of the caches. locks: the file to lock in, made when the first cache is used.

        Each folder is noted as used before it is handed out, so that nobody cleans it up meanwhile.
        """
        self.root = folder
        self.uses = uses
        self._folder = os.fspath(folder)
        self._locks = locks
        self._layers = layers
        self._unwanted: frozenset[str] = frozenset()  # ids of caches whose contents are not to be used
        self._cleared: set[str] = set()  # folders, by this build

    def empty_first(self, ids: Iterable[str]) -> None:
        """Whoever uses a cache of these ids first finds it new, unless somebody else is using it at that moment."""
        self._unwanted = frozenset(ids)

    @asynccontextmanager
    async def hold(
        self, uses: Iterable[CacheUse], waiting: Callable[[CacheUse], None]
    ) -> AsyncIterator[Mapping[str, str]]:
        """Have these caches while the block runs: where each one's file or folder is, by its name.

        waiting: told of each that somebody else has, and that is waited for.
        Raises StoreError, and LlbuildError when the contents to begin with are not there.
        """
        wanted: dict[str, CacheUse] = {}
        for use in uses:  # one step that uses a cache twice has it once: the stricter way
            known = wanted.get(use.name)
            if known is None or use.sharing.value > known.sharing.value:
                wanted[use.name] = use
        async with AsyncExitStack() as stack:
            held: dict[str, str] = {}
            for name in sorted(wanted):
                lock, path = await self._take(wanted[name], waiting)
                stack.callback(os.close, lock)
                await self._make(wanted[name], path)
                held[name] = path
            yield held

    async def _take(self, use: CacheUse, waiting: Callable[[CacheUse], None]) -> tuple[int, str]:
        """A lock on one of the cache's folders, as an open file, and the folder."""
        lock = await run_blocking(self._open_locks)
        kind = READ if use.sharing is CacheSharing.SHARED else WRITE
        last = 1 if use.sharing is CacheSharing.LOCKED else _MOST_FOLDERS
        waited_s = 0.0
        try:
            while True:
                for number in range(last):
                    folder = f"{use.name}.{number}" if number else use.name
                    if _lock(lock, folder, kind):
                        if use.id in self._unwanted and folder not in self._cleared:
                            await self._clear(lock, folder, kind)
                        await run_blocking(self.uses.note, CACHE_MOUNT, [(folder, use.id)])
                        return lock, f"{self._folder}/{folder}"
                if not waited_s:
                    waiting(use)
                waited_s = await wait_longer(waited_s)
        except BaseException:
            os.close(lock)
            raise

    async def _clear(self, lock: int, folder: str, kind: int) -> None:
        self._cleared.add(folder)
        if _lock(lock, folder, WRITE):  # alone
            await run_blocking(self._remove, f"{self._folder}/{folder}")
            _lock(lock, folder, kind)

    def _remove(self, path: str) -> None:
        """First out of sight, then its files."""
        grave = self._layers.begin(mounted=False)
        try:
            os.rename(path, f"{grave.fs}/cache")
        except FileNotFoundError:
            pass
        finally:
            self._layers.discard(grave)

    async def _make(self, use: CacheUse, path: str) -> None:
        """See that it is there, with its first contents. Of several who come to a new one at once, one makes it."""
        if await run_blocking(os.path.lexists, path):
            return
        maker = await run_blocking(self._open_locks)
        try:
            waited_s = 0.0
            while not _lock(maker, f"making {path}", WRITE):
                waited_s = await wait_longer(waited_s)
            await run_blocking(self._fill, use, path)
        finally:
            os.close(maker)

    def _fill(self, use: CacheUse, path: str) -> None:
        if os.path.lexists(path):
            return
        try:
            os.makedirs(self._folder, exist_ok=True)
            if use.first is None:
                os.mkdir(path, _MODE)
                os.chmod(path, _MODE)  # whatever the umask
                return
            active = self._layers.begin(mounted=False)  # swept, should this process die
            try:
                self._copy(use.first, active.fs)
                os.rename(f"{active.fs}/first", path)
            finally:
                self._layers.discard(active)
        except OSError as error:
            raise StoreError(f"cannot make the cache mount {use.title!r}: {error.strerror}") from None

    def _copy(self, first: FirstContents, folder: str) -> None:
        place = resolve(first.tree, first.path.strip("/"))
        found = first.tree.stat(place)
        if found is None:
            raise LlbuildError(
                f"a cache mount is to begin with {first.path!r}, which is not there", hint="check its from= and source="
            )
        writer = LayerWriter(MergedTree([], userxattr=self._layers.userxattr), folder, userxattr=self._layers.userxattr)
        settings = CopySettings(copy=FileCopy(src=place, dest="first"))
        Copying(first.tree, writer, settings).add_picked(Picked(place, "", found), "first")
        writer.finish()

    def _open_locks(self) -> int:
        return open_lock_file(self._locks)


def _lock(file: int, name: str, kind: int) -> bool:
    """Lock the byte of that name; False when somebody else has it. Other locks of the same open file stay."""
    return lock_byte(file, place_of(sha256(name.encode()).digest()), kind)
