"""Starting the helper: a Python that loads neither site nor llbuild, only the helper's few modules."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgpack

from ...errors import SandboxError
from ..syscalls import MOUNT_ATTR_RDONLY, mount_setattr, open_tree
from .wire import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .wire import Settings

__all__ = ["HelperProcess", "start_helper"]

_CONTROL_FD, _SETTINGS_FD = 3, 4

# Packages are registered bare, without running their __init__: those import what the helper never needs.
_BOOT = """\
import sys
from types import ModuleType
def package(name, path):
    module = sys.modules[name] = ModuleType(name)
    module.__path__ = [path]
root = sys.argv[1]
package("llbuild", root)
package("llbuild.worker", root + "/worker")
package("llbuild.worker.executor", root + "/worker/executor")
sys.path.append(sys.argv[2])
from llbuild.worker.executor.helper import main
main(int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
"""


class HelperProcess:
    """The running helper, as its client holds it."""

    def __init__(self, *, pid: int, control: socket.socket, log: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)  # readable once it has ended
        self.control = control  # closing it ends the helper
        self.reaped = False
        self._log = log  # its stderr: silent unless it breaks

    def ending(self) -> str:
        """How it ended and its last words, once `pidfd` is readable."""
        if self.reaped:
            return "the executor was closed"
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is None:
            return "no reason known"
        # A process stands between this one and the helper; it ends with 128 + n when signal n ended the helper.
        signal = ended.si_status if ended.si_code != os.CLD_EXITED else ended.si_status - 128
        how = f"killed by signal {signal}" if signal > 0 else f"exit code {ended.si_status}"
        try:
            words = os.read(self._log, 1 << 16).decode(errors="replace").strip()
        except BlockingIOError:
            words = ""
        return f"{how}: {words.splitlines()[-1]}" if words else how

    def reap(self) -> None:
        """Let go of it, once `pidfd` is readable."""
        self.reaped = True
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        os.close(self._log)


def start_helper(
    folder: str,
    program: bytes,
    *,
    id_calls: bytes = b"",
    runtime: Sequence[str] = (),
    network: Sequence[str] = (),
    chroot: bool = False,
) -> HelperProcess:
    """Start the helper for one client; it keeps its few files in `folder`, on the layers' filesystem.

    program: the filter of what steps may call (`seccomp.filter_program`); empty: none.
    id_calls: which calls are answered for where there is one id (`seccomp.notify_program`).
    runtime: the OCI runtime that is to run steps, and its flags.
    network: what connects a network of the steps' own (`network_program`); none: they are in the machine's.
    chroot: steps have no namespaces; nothing needs the right to mount.
    Call it from the thread that will live as long as the client: the helper dies with that thread.
    """
    # The first descriptors that are opened here: so nothing else that is needed below has the number of one of theirs.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    settings: Settings = {
        "filter": program,
        "id_calls": id_calls,
        "runtime": [os.fsencode(word) for word in runtime],
        "chroot": chroot,
        "network": [os.fsencode(word) for word in network],
    }
    settings_reader = _pipe_holding(pack(settings))
    log, log_writer = os.pipe()
    interpreter = _interpreter() if chroot else _read_only_interpreter()
    package = str(Path(__file__).parents[2])
    libraries = str(Path(msgpack.__file__).parents[1])
    arguments = [package, libraries, str(_CONTROL_FD), folder, str(_SETTINGS_FD)]
    null = os.open(os.devnull, os.O_RDWR)
    try:
        pid = os.posix_spawn(
            f"/proc/self/fd/{interpreter}",
            # -X utf8: text the helper makes of paths, for messages, must not depend on the locale.
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, *arguments],
            {},  # nothing of the user's environment may be found in the memory of what runs as root of a step
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, log_writer, 2),
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), _CONTROL_FD),
                (os.POSIX_SPAWN_DUP2, settings_reader, _SETTINGS_FD),
            ],
        )
    except OSError as exc:
        ours.close()
        os.close(log)
        raise SandboxError(f"cannot start the sandbox helper with {sys.executable}: {exc.strerror}") from exc
    finally:
        theirs.close()
        for fd in (log_writer, interpreter, null, settings_reader):
            os.close(fd)
    ours.settimeout(0)
    os.set_blocking(log, False)
    return HelperProcess(pid=pid, control=ours, log=log)


def _pipe_holding(data: bytes) -> int:
    """Its reading end. `data` is smaller than a pipe's buffer: a seccomp filter has 32 KiB at most."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, data)
    os.close(writer)
    return reader


def _interpreter() -> int:
    return os.open(sys.executable, os.O_PATH | os.O_CLOEXEC)


def _read_only_interpreter() -> int:
    """Python's executable on a read-only mount nobody else has.

    A step whose command is /proc/self/exe, or a script that names it after "#!", runs the helper's executable in
    its own root and could open it for writing there: CVE-2019-5736. Through this mount it cannot be written.
    """
    try:
        tree = open_tree(sys.executable)
        mount_setattr(tree, attributes=MOUNT_ATTR_RDONLY)
    except OSError as exc:
        raise SandboxError(
            f"cannot prepare the sandbox: {os.strerror(exc.errno or 0)}",
            hint="llbuild must run as root or in a user namespace; in a container that permits neither mounts nor"
            " namespaces, --isolation=chroot runs steps with far less of a wall",
        ) from exc
    return tree
