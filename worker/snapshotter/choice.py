"""Which snapshotter: the first that works where the state folder is, unless one is asked for.

Whether the kernel's works is tried out once for each kernel, in a child with a mount namespace of its own, and noted
in the state folder: `snapshotter`, a line of its name and of what it was found for.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ...smallfiles import write_aside
from ..snapshot import remove_tree
from .overlay import OverlaySnapshotter

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ..snapshot import LayerStore
    from .contract import Snapshotter, View

__all__ = ["NAMES", "choose", "open_snapshotter", "try_out"]

NAMES = ("overlay", "fuse-overlayfs", "native")  # in order of preference: the first is quickest
_NOTE = "snapshotter"
_FORM = 2  # to be changed when on the same machine another might be found to work
_SAID_BYTES = 1 << 12


def open_snapshotter(name: str, layers: LayerStore) -> Snapshotter:
    """The one of that name, for these layers."""
    if name == "native":
        from .native import NativeSnapshotter

        return NativeSnapshotter(layers)
    if name == "fuse-overlayfs":
        from .fuse import FuseSnapshotter

        return FuseSnapshotter(layers)
    assert name == "overlay", "checked where it was read"
    return OverlaySnapshotter(layers)


def choose(root: str) -> str:
    """The first that works in the state folder. Call it where mounts may be made: as root, or in a user namespace."""
    found_for = f"{_FORM} {os.uname().release} {os.geteuid()} {os.stat(root).st_dev}"
    note = f"{root}/{_NOTE}"
    with suppress(OSError), open(note, encoding="ascii", errors="replace") as file:
        name, _, rest = file.read().strip().partition(" ")
        if rest == found_for and name in NAMES:
            return name
    name = next((name for name in NAMES if not try_out(name, root)), NAMES[-1])
    with suppress(OSError):  # it is tried out again, then
        write_aside(note, f"{name} {found_for}\n".encode())
    return name


def try_out(name: str, root: str, before: Callable[[], object] = lambda: None) -> str:
    """Why this snapshotter does not work in that folder; "" if it does. It leaves nothing.

    before: what the child that tries is to do first, such as entering a user namespace.
    """
    trial = f"{root}/.llbuild-trial-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.mkdir(trial, 0o700)
    except OSError as error:
        return f"cannot make a folder in {root}: {error.strerror}"
    try:
        return _in_child(partial(_try, name, trial, before))
    finally:
        with suppress(OSError):
            remove_tree(trial)


def _try(name: str, trial: str, before: Callable[[], object]) -> None:
    """Raises what is wrong with it."""
    from pathlib import Path

    from ..snapshot import LayerStore

    before()
    layers = LayerStore(Path(trial), userxattr=os.geteuid() != 0)
    lower = layers.begin(mounted=False).fs
    os.mkdir(f"{lower}/there")
    snapshotter = open_snapshotter(name, layers)
    view = snapshotter.prepare([lower], writable=True)
    try:
        _write_in(view, trial)
    finally:
        snapshotter.discard(view)


def _write_in(view: View, trial: str) -> None:
    """Write something where the layers show. Raises OSError, SetupError."""
    if view.folder:
        os.mkdir(f"{view.folder}/new")
    elif view.mount >= 0:
        os.mkdir("new", dir_fd=view.mount)
    else:
        from ..executor.host import Host
        from ..executor.mounts import overlay
        from ..syscalls import AT_FDCWD, CLONE_NEWNS, MS_SLAVE, mount_setattr, unshare

        # Kernels before 6.8 show it in a mount namespace before it can be taken out of there
        unshare(CLONE_NEWNS)
        mount_setattr(AT_FDCWD, b"/", propagation=MS_SLAVE, recursive=True)
        assert view.active is not None
        stage, *lowers = map(os.fsencode, (trial, *view.layers))
        upper, work = map(os.fsencode, (view.active.fs, view.active.work))
        mount = overlay(lowers, upper, work, host=Host(stage, stage))
        os.mkdir("new", dir_fd=mount)
        os.close(mount)


def _in_child(work: Callable[[], object]) -> str:
    """What went wrong with it in a process of its own; "" for nothing. Mounts end with that."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _report(work, writer)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as report:
        said = report.read(_SAID_BYTES)
    _, status = os.waitpid(child, 0)
    return said or ("" if os.waitstatus_to_exitcode(status) == 0 else "the trial ended unexpectedly")


def _report(work: Callable[[], object], report: int) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    except Exception as exc:  # noqa: BLE001  whatever it is, it is what is wrong with this machine
        message = getattr(exc, "message", "") or str(exc)
        os.write(report, message.encode(errors="replace"))
    finally:
        os._exit(code)
