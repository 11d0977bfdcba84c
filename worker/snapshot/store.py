"""Layer folders: `snapshots/<layer>/fs`, each a diff in overlayfs form.

Life of a layer: `begin` gives an active one, a private folder nobody else sees; its content is
written; `commit` renames it to its name, and from then on it never changes; or `discard` drops it.

    active = store.begin()
    …write below active.fs…
    layer = store.commit(active)

An active layer's folder is called tmp-<pid>-<start time>-<random>: `sweep` removes those whose
process is gone. In overlay form a deletion is a character device 0/0, and a folder that hides all
below it carries the attribute `trusted.overlay.opaque` (`user.overlay.opaque` where the kernel mounts
with `userxattr`, as in a user namespace).

Beside `fs`, a layer of an image may have `implied`, the paths of its folders that the image says nothing about,
separated by NUL, and `over-<stack>`: what makes up for them on top of that stack (see `implied.py`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NewType

from ...digest import blake3_bytes
from ...errors import NotFoundError, StoreError
from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .merged import MergedTree

__all__ = ["ActiveLayer", "LayerId", "LayerStore", "Snapshot"]

_ROOT_MODE = 0o755  # of a filesystem nobody made a root folder for
_SEARCHABLE = 0o711  # processes of other users must get through to what they may read
_PREFIX = "tmp-"
_OF_IMAGES = "sha256-"

LayerId = NewType("LayerId", str)  # "sha256-<diffID hex>" of an image's layers, "run-<random hex>" of made ones


@frozen(kw_only=False)
class Snapshot:
    """A filesystem state: layers, bottom first. None at all is scratch."""

    layers: tuple[LayerId, ...] = ()


@frozen(kw_only=False)
class ActiveLayer:
    """A layer being written. `fs` is its content, `work` overlayfs's own folder beside it."""

    key: str
    fs: str
    work: str


class LayerStore:
    """The layer folders below `<root>/snapshots`. Synchronous; safe for many threads and processes at once."""

    def __init__(self, root: str | os.PathLike[str], *, userxattr: bool) -> None:
        self._folder = f"{os.fspath(root)}/snapshots"
        self._process = (0, "")  # ours and what our active layers are called; a fork has another
        self.userxattr = userxattr
        self._implied: dict[LayerId, tuple[str, ...]] = {}  # of the layers of images that were asked for
        self._litter: dict[str, str] = {}  # under "": a folder of this process's, for what is to be deleted
        self._aside: list[str] = []  # places in it
        self._mended: dict[str, str] = {}  # places of folders that make up for these; "": none is needed

    def path(self, name: str) -> str:
        """Where the layer lies, with all that belongs to it."""
        return f"{self._folder}/{name}"

    def folder(self, layer: LayerId) -> str:
        """Where the layer's content is, if it is here."""
        return f"{self._folder}/{layer}/fs"

    def tree(self, layers: Sequence[LayerId]) -> MergedTree:
        """What layers that are all unpacked here show, bottom first."""
        from .merged import MergedTree  # with what reads files: not for who finds everything as it was

        return MergedTree(self.folders(layers), userxattr=self.userxattr)

    def folders(self, layers: Sequence[LayerId]) -> tuple[str, ...]:
        """The folders that show a stack of layers, all of which are here, bottom first. May be more than the layers."""
        folders: list[str] = []
        for layer in layers:
            folder = self.folder(layer)
            mended = self._mend(folders, layer) if layer.startswith(_OF_IMAGES) else ""
            folders += [folder, mended] if mended else [folder]
        return tuple(folders)

    def note_implied(self, active: ActiveLayer, paths: Collection[bytes]) -> None:
        """Keep with a layer which of its folders nothing is known of."""
        if paths:
            with open(f"{self._folder}/{active.key}/implied", "wb") as file:
                file.write(b"\0".join(sorted(paths)))

    def _mend(self, below: Sequence[str], layer: LayerId) -> str:
        """The folder that belongs above this layer on that stack; "" when none does."""
        implied = self._implied.get(layer)
        if implied is None:
            implied = self._implied[layer] = _read_implied(f"{self._folder}/{layer}/implied")
        if not implied or not below:
            return ""
        stack = blake3_bytes(b"\0".join(os.fsencode(folder.removeprefix(self._folder)) for folder in below)).hex()
        place = f"{self._folder}/{layer}/over-{stack}"
        known = self._mended.get(place)
        if known is None:
            known = self._mended[place] = self._made_over(place, below, layer, implied)
        return known

    def _made_over(self, place: str, below: Sequence[str], layer: LayerId, implied: Sequence[str]) -> str:
        """Make it, unless it is there. An empty one says that nothing is needed."""
        from .implied import mend

        if not os.path.isdir(place):
            active = self.begin(mounted=False)
            try:
                mend(below, self.folder(layer), implied, active.fs, userxattr=self.userxattr)
                os.rename(active.fs, place)
            except OSError as error:
                if not os.path.isdir(place):  # another process may have been faster
                    raise StoreError(f"cannot make a layer in {self._folder}: {error.strerror}") from None
            finally:
                self.discard(active)
        return place if os.listdir(place) else ""

    def has(self, layer: LayerId) -> bool:
        try:
            os.stat(f"{self._folder}/{layer}/fs")
        except OSError:
            return False
        return True

    def begin(self, *, mounted: bool = True) -> ActiveLayer:
        """A new, empty layer. Raises StoreError when the state folder cannot be written.

        mounted: whether overlayfs is going to write it, which needs the folder `work`. It costs as much as the
        rest together: what writes the folder itself does without.
        """
        key = self._new_key()
        path = f"{self._folder}/{key}"
        try:
            try:
                os.mkdir(path, 0o700)
            except FileNotFoundError:
                from .placement import make_spread_folder

                make_spread_folder(self._folder, _SEARCHABLE)
                os.mkdir(path, 0o700)
            os.mkdir(path + "/fs", _ROOT_MODE)
            os.chmod(path + "/fs", _ROOT_MODE)  # whatever the umask
            if mounted:
                os.mkdir(path + "/work", 0o700)
        except OSError as error:
            raise StoreError(f"cannot make a layer in {self._folder}: {error.strerror}") from None
        return ActiveLayer(key=key, fs=path + "/fs", work=path + "/work")

    def commit(self, active: ActiveLayer, layer: LayerId | None = None) -> LayerId:
        """The layer as it is now, under its name. A layer of that name that is there already stays."""
        name = layer or LayerId("run-" + os.urandom(16).hex())
        path = f"{self._folder}/{active.key}"
        try:
            self._set_aside(active.work)
            os.chmod(path, _SEARCHABLE)
            os.rename(path, f"{self._folder}/{name}")
        except OSError as error:
            self.discard(active)
            if layer is None or not self.has(layer):
                raise StoreError(f"cannot keep a layer in {self._folder}: {error.strerror}") from None
        return name

    def _set_aside(self, work: str) -> None:
        """What overlayfs left in its own folder is deleted by `tidy`.

        Nobody is to wait for that: where ext4 has no journal and `discard`, each folder that goes is a command to the
        disk; 9 of 11 ms that keeping a layer took on a busy one.
        """
        try:
            os.rmdir(work)  # nothing was mounted
        except FileNotFoundError:
            pass
        except OSError:
            # A folder of its own, or whoever makes the next layer would wait for the lock on the one it is made in
            place = f"{self._litter_folder()}/{os.urandom(8).hex()}"
            os.rename(work, place)
            self._aside.append(place)

    def _litter_folder(self) -> str:
        known = self._litter.get("")
        if known is None:
            new = f"{self._folder}/{self._new_key()}"
            os.mkdir(new, 0o700)
            known = self._litter.setdefault("", new)
            if known != new:  # another thread was faster
                os.rmdir(new)
        return known

    def tidy(self) -> None:
        """Delete what was set aside. What a process leaves that does not come to it, the next `sweep` does."""
        while True:
            try:
                place = self._aside.pop()
            except IndexError:  # asked for rather than looked up before: other threads tidy too
                return
            _remove(place)

    def close(self) -> None:
        """The same, for the last time."""
        self.tidy()
        litter = self._litter.pop("", "")
        if litter:
            _remove(litter)

    def discard(self, active: ActiveLayer) -> None:
        """Forget an active layer. Discarding twice, or after a commit, does nothing."""
        _remove(f"{self._folder}/{active.key}")

    def remove(self, layer: LayerId) -> None:
        """Delete a layer: first out of sight, then its files, so that no half of one is ever seen."""
        grave = self.bury(f"{self._folder}/{layer}")
        if not grave:
            raise NotFoundError(f"no layer {layer}")
        _remove(grave)

    def bury(self, path: str) -> str:
        """Move a folder of the state folder out of sight at once, to be deleted with `remove_tree` at leisure.

        Returns where it is now; should this process die, the next `sweep` deletes it. "" when it was not there.
        """
        os.makedirs(self._folder, _SEARCHABLE, exist_ok=True)
        grave = f"{self._folder}/{self._new_key()}"
        try:
            os.rename(path, grave)
        except FileNotFoundError:
            return ""
        except PermissionError:  # a folder that moves has its ".." rewritten, which takes the right to write it
            os.chmod(path, 0o700)
            os.rename(path, grave)
        return grave

    def names(self) -> tuple[list[LayerId], list[str]]:
        """The layers that are here, and the folders that processes left which are gone."""
        layers, leftovers = [], []
        try:
            with os.scandir(self._folder) as found:
                for entry in found:
                    if not entry.name.startswith(_PREFIX):
                        layers.append(LayerId(entry.name))
                    elif not _is_alive(entry.name):
                        leftovers.append(entry.name)
        except FileNotFoundError:
            pass
        return layers, leftovers

    def sweep(self) -> int:
        """Remove what processes that died left behind; returns how many layers that were."""
        _, leftovers = self.names()
        graves = [self.bury(f"{self._folder}/{name}") for name in leftovers]  # of two that sweep, one gets it
        for grave in filter(None, graves):
            _remove(grave)
        return len(leftovers)

    def _new_key(self) -> str:
        pid = os.getpid()
        known, prefix = self._process
        if known != pid:
            prefix = f"{_PREFIX}{pid}-{_start_time(pid)}-"
            self._process = (pid, prefix)
        return prefix + os.urandom(8).hex()


def _read_implied(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            return tuple(map(os.fsdecode, file.read().split(b"\0")))
    except FileNotFoundError:
        return ()


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), stat field 22); "" when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def _remove(path: str) -> None:
    from .removal import remove_tree  # who only asks what is there removes nothing

    remove_tree(path)


def _is_alive(name: str) -> bool:
    _, pid, started, *_ = [*name.split("-"), "", ""]
    return pid.isdecimal() and bool(started) and _start_time(int(pid)) == started
