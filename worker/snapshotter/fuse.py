"""fuse-overlayfs: the program that is overlayfs outside of the kernel, one process per view.

It is mounted here, out of sight of everyone (fsmount(2) makes no entry in any mount namespace), and handed the
connection to serve; the step that gets the mount is the only one that ever sees it. When nobody has it any more the
program ends by itself; should llbuild be killed, so are the steps, and with them the last mount.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING

from ...errors import SandboxError
from .. import syscalls
from ..snapshot import MergedTree
from .contract import View
from .fusemarks import normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..snapshot import LayerId, LayerStore

__all__ = ["PROGRAM", "FuseSnapshotter"]

PROGRAM = "fuse-overlayfs"
_DEVICE = "/dev/fuse"
_END_TIMEOUT_S = 30.0  # what is not written yet is written then
_SAID_BYTES = 1 << 12


class FuseSnapshotter:
    """See `Snapshotter`."""

    name = PROGRAM

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers
        self._daemons: dict[int, subprocess.Popen[bytes]] = {}  # by the mount's descriptor

    def prepare(self, layers: Sequence[str], *, writable: bool) -> View:
        stack = tuple(layers)
        active, empty = self._layers.begin(), self._layers.begin(mounted=False)
        try:
            # It wants one lower folder at least; and what it has open it needs no name for.
            upper = (active.fs, active.work) if writable else None
            mount, daemon = _mount(stack or (empty.fs,), upper, folder=self._layers.path(""))
        except BaseException:
            self._layers.discard(active)
            raise
        finally:
            self._layers.discard(empty)
        self._daemons[mount] = daemon
        if writable:
            return View(layers=stack, active=active, mount=mount)
        self._layers.discard(active)
        return View(layers=stack, mount=mount)

    def commit(self, view: View) -> LayerId:
        active = view.active
        assert active is not None, "it was prepared for reading only"
        self._end(view)
        userxattr = self._layers.userxattr
        normalize(active.fs, MergedTree(view.layers, userxattr=userxattr), userxattr=userxattr)
        return self._layers.commit(active)

    def discard(self, view: View) -> None:
        self._end(view)
        if view.active is not None:
            self._layers.discard(view.active)

    def close(self) -> None:
        """Nothing is kept."""

    def _end(self, view: View) -> None:
        daemon = self._daemons.pop(view.mount, None)
        if daemon is None:
            return
        os.close(view.mount)
        try:
            daemon.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
            raise SandboxError(f"{PROGRAM} did not end", hint="run the build again") from None


def _mount(lowers: Sequence[str], upper: tuple[str, str] | None, *, folder: str) -> tuple[int, subprocess.Popen[bytes]]:
    """A detached mount and the process that serves it. Raises SandboxError.

    upper: where changes go, and a folder beside it for the program's own. folder: one that all the others are in.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise SandboxError(f"{PROGRAM} is not installed", hint="install it, or choose --snapshotter native")
    try:
        connection = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = "let llbuild open it, or choose --snapshotter native"
        raise SandboxError(f"cannot open {_DEVICE}: {error.strerror}", hint=hint) from None
    # Relative names, since the program takes a colon, a comma and a backslash for its own
    names = [os.path.relpath(place, folder) for place in reversed(lowers)]
    # Nothing is written later than it was: a file's time would be that of the writing
    options = f"writeback=0,lowerdir={':'.join(names)}"
    if upper:
        changes, work = (os.path.relpath(place, folder) for place in upper)
        options += f",upperdir={changes},workdir={work},volatile"
    words = [program, "-f", "-o", options, f"/dev/fd/{connection}"]
    mount = -1
    with tempfile.TemporaryFile() as said:
        try:
            mount = _attach(connection)
            daemon = subprocess.Popen(
                words, cwd=folder, pass_fds=[connection], env={}, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        except OSError as error:
            if mount >= 0:
                os.close(mount)
            raise SandboxError(f"cannot start {PROGRAM}: {error.strerror}") from error
        finally:
            os.close(connection)
        try:
            os.statvfs(mount)  # waits until the program has said that it is ready, or has given up
        except OSError as error:
            os.close(mount)
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
            said.seek(0)
            words_said = said.read(_SAID_BYTES).decode(errors="replace").strip() or str(error.strerror)
            raise SandboxError(f"{PROGRAM} cannot show the layers: {words_said}") from error
    return mount, daemon


def _attach(connection: int) -> int:
    """A mount of the filesystem that is served through the connection, mount.fuse3(8)."""
    context = syscalls.fsopen(b"fuse")
    try:
        values = ((b"source", PROGRAM.encode()), (b"fd", b"%d" % connection), (b"rootmode", b"40000"))
        for key, value in (*values, (b"user_id", b"0"), (b"group_id", b"0")):
            syscalls.fsconfig_string(context, key, value)
        for flag in (b"allow_other", b"default_permissions"):
            syscalls.fsconfig_flag(context, flag)
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context)
    finally:
        os.close(context)
