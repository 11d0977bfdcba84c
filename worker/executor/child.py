"""A step's first process, from fork to exec: what happens inside, in order.

It starts as a copy of the helper, as pid 1 of a new pid namespace. Until `execute` it is trusted code; nothing of
the image has run yet. Whatever fails is reported through a pipe that closes by itself on exec.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import traceback

from .. import syscalls
from . import process, terminal_side
from .failure import SetupError, explained
from .rootfs import RootFilesystem
from .wire import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .host import Host
    from .wire import Report, Step

__all__ = ["run_step"]

_NAMESPACES = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWCGROUP
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_REPORT_LIMIT = 60_000  # the pipe holds 64 KiB, and nobody reads before this process is gone


def run_step(step: Step, host: Host, stdio: tuple[int, int, int], report: int, console: int) -> NoReturn:
    """Set everything up and become the step's command. `console` is where a terminal goes, or -1."""
    outcome: Report = {}
    root = None
    try:
        root = RootFilesystem(step, host)
        _set_up(step, host, root, stdio, console)
    except SetupError as exc:
        outcome = {"error": exc.message, "hint": exc.hint}
    except OSError as exc:
        failure = explained("cannot set up the sandbox", exc)
        outcome = {"error": failure.message, "hint": failure.hint}
    except BaseException:  # noqa: BLE001  a bug: nothing may run on in what is still the helper's code
        outcome = {"error": "a bug in the sandbox's setup: " + traceback.format_exc()}
    if root is not None and root.mount_points.made:
        outcome["made"], outcome["copied"] = root.mount_points.made, root.mount_points.copied
    if outcome:
        message = pack(outcome)
        os.write(report, message if len(message) <= _REPORT_LIMIT else pack({"error": "too many mount points"}))
    if "error" in outcome:
        os._exit(1)
    try:
        process.execute(step)
    finally:
        os._exit(process.NOT_EXECUTABLE)


def _set_up(step: Step, host: Host, root: RootFilesystem, stdio: tuple[int, int, int], console: int) -> None:
    process.check_user(step, host)
    os.umask(0)
    os.setsid()
    # Once inside, an import would run code of the image with all privileges.
    sys.meta_path.clear()
    _isolate(own_network=step["own_network"])
    syscalls.sethostname(step["hostname"])
    root.prepare()
    root.enter()
    root.furnish()
    if console >= 0:
        terminal_side.open_terminal(console, step["uid"])
    else:
        for number, fd in enumerate(stdio):
            os.dup2(fd, number, inheritable=True)
    os.umask(0o022)
    process.make_cwd(step["cwd"], step["uid"], step["gid"])
    root.protect()
    root.mount_points.note_times()
    process.set_limits(step["rlimits"])
    if step["own_output"]:
        process.own_pipes(step["uid"], step["gid"])
    process.give_up_privileges(step, host)
    process.become_user(step, host)
    syscalls.close_range_on_exec(3)


def _isolate(*, own_network: bool) -> None:
    try:
        syscalls.unshare(_NAMESPACES | (syscalls.CLONE_NEWNET if own_network else 0))
        # Or mounts made here would spread to the machine, and its own to here (mount_namespaces(7)).
        syscalls.mount_setattr(syscalls.AT_FDCWD, b"/", propagation=syscalls.MS_PRIVATE, recursive=True)
    except OSError as exc:
        raise explained("cannot isolate the step", exc) from exc
    if own_network:
        _bring_up_loopback()
    try:  # noqa: SIM105  contextlib is not loaded here
        syscalls.join_session_keyring()  # the step must not find the keys of whoever runs llbuild
    except OSError:
        pass  # over the quota of keys: it gets the helper's own, just as empty


def _bring_up_loopback() -> None:
    """netdevice(7): struct ifreq is the name in 16 bytes, then the flags."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
