"""The content store: blobs by digest and images by name, as an OCI image layout that other tools can read.

`<root>/content/` holds `oci-layout`, `index.json` (images that are all here) and `blobs/sha256/`;
besides, `sources.json`, an index of the same form of the images that were resolved at a registry and
whose layers are fetched only when something reads them, and `ingest/`, where blobs grow.

Life of a blob: `ingest()` opens a file that nobody sees, `write` adds to it, and `commit` makes it
visible under its digest at once; leaving the `with` block without a commit drops it:

    with store.ingest() as blob:
        blob.write(data)
        digest, size_bytes = blob.commit(expected=digest)

A process that dies leaves its file in `ingest/`, and the next `sweep()` removes it. Nothing is
synced to the disk: after a power failure a torn blob is found by its size or digest, and is garbage.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from ..digest import Digest, digest_like, new_hasher, sha256_digest
from ..errors import CorruptError, NotFoundError, StoreError
from ..image import MAX_DOCUMENT_BYTES, Layout, named
from ..smallfiles import boot_id
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import BinaryIO, Self

    from ..image import Descriptor

__all__ = ["ContentStore", "Ingest", "StoredBlob", "StoredImage"]

_CHUNK_BYTES = 1 << 20
_ALGORITHMS = ("sha256", "sha512")


@frozen(kw_only=False)
class StoredBlob:
    digest: Digest
    size_bytes: int


@frozen(kw_only=False)
class StoredImage:
    """`descriptor` is of a manifest or an index, and bears no names."""

    name: str
    descriptor: Descriptor


class ContentStore:
    """Synchronous, and safe for many processes at once. Opening one touches nothing."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self.folder = f"{self.root}/content"
        self._layout = Layout(self.folder)
        self._sources = Layout(self.folder, index_name="sources.json")
        self._boot = ""  # of this run of the machine, once somebody asks

    def path(self, digest: Digest) -> str:
        """Where the blob is, or would be."""
        return self._layout.blob_path(digest)

    def has(self, digest: Digest, size_bytes: int | None = None) -> bool:
        """Whether the blob is here; with `size_bytes`, whether it is here as a whole."""
        try:
            found = os.stat(self.path(digest)).st_size
        except (FileNotFoundError, NotADirectoryError):
            return False
        return size_bytes is None or found == size_bytes

    def stamp(self, blob: Descriptor) -> str:
        """What the blob's file looks like: the same stamp, the same bytes. "" when it is not here as a whole.

        Whoever writes to a file moves its ctime; and a power failure, after which a file may hold anything, ends
        the run of the machine, which is part of the stamp. See `stamps.same_bytes` for what else moves a ctime.
        """
        try:
            found = os.stat(self.path(blob.digest))
        except (FileNotFoundError, NotADirectoryError):
            return ""
        if found.st_size != blob.size_bytes:
            return ""
        if not self._boot:
            self._boot = boot_id() or "unknown"
        return f"{self._boot} {found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_nlink}"

    def verify(self, digest: Digest) -> bool:
        """Whether the blob is here and its bytes are those of the digest. Reads all of it."""
        hasher = new_hasher(digest.algorithm)
        try:
            with self.open(digest) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    hasher.update(chunk)
        except (NotFoundError, OSError):
            return False
        return hasher.hexdigest() == digest.hex

    def open(self, digest: Digest) -> BinaryIO:
        """The blob's bytes, not verified: for layers, whose reader checks the diff id. Raises NotFoundError."""
        try:
            return open(self.path(digest), "rb")
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"the content store has no blob {digest}") from None
        except OSError as error:
            raise StoreError(f"cannot read {self.path(digest)}: {error.strerror}") from error

    def read(self, digest: Digest, *, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
        """A config or a manifest, verified. Raises NotFoundError and CorruptError."""
        with self.open(digest) as file:
            data = file.read(limit + 1)
        actual = digest_like(digest, data)
        if actual != digest:
            raise _corrupt(digest, actual)
        return data

    def write(self, data: bytes, digest: Digest | None = None) -> StoredBlob:
        """Keep a small blob; nothing is written when it is here already, unharmed. `digest`: its sha256, if known."""
        blob = StoredBlob(digest or sha256_digest(data), len(data))
        with contextlib.suppress(OSError), open(self.path(blob.digest), "rb") as file:
            if file.read(len(data) + 1) == data:
                return blob
        with self.ingest(verify=False) as ingest:
            ingest.write(data)
            return ingest.commit(blob.digest)

    def ingest(self, *, verify: bool = True, algorithm: str = "sha256") -> Ingest:
        """Begin a blob. `verify=False`: the writer computes the digest itself, and `commit` believes it.

        Raises StoreError when the folder cannot be written.
        """
        with _refusals(self.folder):
            self._layout.create()
            if algorithm != "sha256":
                os.makedirs(f"{self.folder}/blobs/{algorithm}", exist_ok=True)
            return Ingest(self, algorithm=algorithm, verify=verify)

    def remove(self, digest: Digest) -> bool:
        """Drop a blob; False when it was not here. The caller knows that nothing needs it."""
        try:
            os.unlink(self.path(digest))
        except FileNotFoundError:
            return False
        return True

    def blobs(self) -> Iterator[tuple[Digest, os.stat_result]]:
        """Every blob that is here."""
        for algorithm in _ALGORITHMS:
            try:
                with os.scandir(f"{self.folder}/blobs/{algorithm}") as found:
                    for entry in found:
                        with contextlib.suppress(FileNotFoundError):
                            yield Digest(f"{algorithm}:{entry.name}"), entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue

    def half_written(self) -> list[str]:
        """The files that dead processes left half-written."""
        try:
            with os.scandir(f"{self.folder}/ingest") as found:
                return [entry.path for entry in found if _is_unlocked(entry.path)]
        except FileNotFoundError:
            return []

    def locked(self) -> AbstractContextManager[None]:
        """While this is held, nobody names an image. Raises StoreError."""
        with _refusals(self.folder):
            self._layout.create()
            return self._layout.locked()

    def bury(self, digest: Digest, inode: int) -> str:
        """Move a blob out of sight at once, unless another file has taken its place by now.

        Returns where it is now; should this process die, the next `sweep` deletes it. "" when it stays.
        """
        grave = f"{self.folder}/ingest/{os.getpid()}-{os.urandom(6).hex()}"
        try:
            os.makedirs(f"{self.folder}/ingest", exist_ok=True)
            os.rename(self.path(digest), grave)
            if os.stat(grave).st_ino == inode:
                return grave
            os.rename(grave, self.path(digest))
        except FileNotFoundError:
            return ""
        return ""

    def sweep(self) -> int:
        """Remove what dead processes left half-written; how many files. Never those of a live one."""
        removed = 0
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{self.folder}/ingest") as found:
            removed = sum(_remove_unlocked(entry.path) for entry in found)
        return removed

    def images(self) -> tuple[StoredImage, ...]:
        """The images kept under a name, sorted by it."""
        found = {entry.best_name: entry.descriptor for entry in self._layout.entries() if entry.best_name}
        return tuple(StoredImage(name, named(found[name], name="", ref_name="")) for name in sorted(found))

    def image(self, name: str) -> Descriptor | None:
        """What is kept under a full name, e.g. `docker.io/library/busybox:latest`."""
        return _find(self._layout, name)

    def put_image(self, name: str, descriptor: Descriptor) -> None:
        """Name an image; its blobs are here already. Writes nothing when the name says so already."""
        # The full name is the OCI name too: a tag alone could not tell two repositories apart.
        with _refusals(self.folder):
            self._layout.put(named(descriptor, name=name, ref_name=name))

    def remove_image(self, name: str) -> bool:
        """Forget a name, not the blobs; False when it was unknown."""
        with _refusals(self.folder):
            return self._layout.remove(name)

    def sources(self) -> tuple[StoredImage, ...]:
        """What registries last said about names."""
        return tuple(StoredImage(entry.best_name, entry.descriptor) for entry in self._sources.entries())

    def remove_source(self, name: str) -> bool:
        """Forget what a registry said; False when it was unknown."""
        with _refusals(self.folder):
            return self._sources.remove(name)

    def source(self, name: str) -> Descriptor | None:
        """What a registry last said about a name."""
        return _find(self._sources, name)

    def put_source(self, name: str, descriptor: Descriptor) -> None:
        """Remember what a registry said about a name."""
        with _refusals(self.folder):
            self._sources.put(named(descriptor, name=name, ref_name=name))


class Ingest:
    """One blob in the making; see the module's docstring."""

    def __init__(self, store: ContentStore, *, algorithm: str, verify: bool) -> None:
        self.size_bytes = 0
        self._store = store
        self._algorithm = algorithm
        self._hasher = new_hasher(algorithm) if verify else None
        self._path, self._file = _open_ingest(f"{store.folder}/ingest")

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Add all of `data`. Raises StoreError when the disk refuses."""
        view = memoryview(data).cast("B")
        size = len(view)
        if self._hasher is not None:
            self._hasher.update(view)
        with _refusals(self._store.folder):
            while view:
                view = view[os.write(self._file, view) :]
        self.size_bytes += size
        return size

    def commit(self, expected: Digest | None = None) -> StoredBlob:
        """Make the blob visible. Raises CorruptError, and keeps nothing, when it is not what was expected."""
        if self._hasher is None:
            assert expected is not None, "a writer that is believed must say the digest"
            digest = expected
        else:
            digest = Digest(f"{self._algorithm}:{self._hasher.hexdigest()}")
            if expected is not None and expected != digest:
                self.abort()
                raise _corrupt(expected, digest)
        with _refusals(self._store.folder):
            os.fchmod(self._file, 0o444)
            os.rename(self._path, self._store.path(digest))
        self._close()
        return StoredBlob(digest, self.size_bytes)

    def abort(self) -> None:
        """Drop what was written; nothing after a commit."""
        if self._file >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1


@contextlib.contextmanager
def _refusals(folder: str) -> Iterator[None]:
    """What the operating system refuses, as StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder}: {error.strerror}", hint="check its owner and the space on its disk"
        ) from error


def _open_ingest(folder: str) -> tuple[str, int]:
    """A new file, locked until it is closed: by the lock sweep() sees that its writer lives."""
    while True:
        path = f"{folder}/{os.getpid()}-{os.urandom(6).hex()}"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            continue
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return path, file
        os.close(file)  # a sweep came between the opening and the lock


def _find(layout: Layout, name: str) -> Descriptor | None:
    for entry in layout.entries():
        if entry.best_name == name:
            return named(entry.descriptor, name="", ref_name="")
    return None


def _remove_unlocked(path: str) -> bool:
    """Delete a file in the making whose writer is gone."""
    with _locked_file(path) as locked:
        if locked:
            os.unlink(path)
        return locked


def _is_unlocked(path: str) -> bool:
    with _locked_file(path) as locked:
        return locked


@contextlib.contextmanager
def _locked_file(path: str) -> Iterator[bool]:
    """Holds the lock of a file in the making; False when its writer does, or it is gone."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = os.fstat(file).st_nlink > 0
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(file)


def _corrupt(expected: Digest, actual: str) -> CorruptError:
    return CorruptError(
        f"blob {expected.short} is corrupt: expected {expected}, found {actual}", expected=expected, actual=actual
    )
