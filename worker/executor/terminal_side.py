"""The step's end of a terminal: made inside, from its own /dev/pts, and handed out to the client."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import termios

from .. import syscalls
from .mounts import bind

__all__ = ["open_terminal"]

# asm-generic/ioctls.h. The first gives the slave of a master without a path that could be tampered with.
_TIOCGPTPEER, _TIOCSPTLCK = 0x5441, 0x40045431


def open_terminal(console: int, uid: int) -> None:
    """Make a terminal the controlling one and stdin, stdout, stderr; send its master side through `console`."""
    master = os.open(b"/dev/pts/ptmx", os.O_RDWR | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, b"\0\0\0\0")  # unlockpt(3)
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    os.fchown(slave, uid, -1)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number, inheritable=True)
    _show_as_console(slave)
    with socket.socket(fileno=os.dup(console)) as channel:
        channel.sendmsg([b"t"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [master]))])
        channel.recv(1)  # until the client has told its size, or is gone
    os.close(master)
    os.close(slave)


def _show_as_console(slave: int) -> None:
    """/dev/console is the terminal, as runc has it."""
    os.close(os.open(b"/dev/console", os.O_CREAT | os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC, 0o666))
    tree = bind(os.readlink(b"/proc/self/fd/%d" % slave))
    syscalls.move_mount(tree, b"/dev/console")
    os.close(tree)
