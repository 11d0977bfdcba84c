"""Emulators for programs of other architectures, known to the kernel for the steps of one helper and nobody else.

Since Linux 6.7 a user namespace has a binfmt_misc of its own (Documentation/admin-guide/binfmt-misc.rst). As an
ordinary user llbuild lives in one already. As root it makes one in which every id is itself, and an emulated step
enters it as its last act; there, device nodes cannot be made. The emulator is opened once, here ("F"): the step does
not see it.
"""

from __future__ import annotations

import os
import socket

from .. import syscalls
from .mounts import filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .host import Host

__all__ = ["Emulators"]

_EVERY_ID = b"0 0 4294967295"


class Emulators:
    """`namespace`: the user namespace in which they work, as a descriptor; -1: the helper's own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._filesystem = -1
        self._known: set[bytes] = set()
        self.namespace = -1

    def add(self, line: bytes) -> bool:
        """Register one, by a line as binfmt_misc takes it; False where the kernel does not permit that."""
        if line in self._known:
            return True
        try:
            if self._filesystem < 0:
                self._open()
            file = os.open(b"register", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._filesystem)
            try:
                os.write(file, line)
            finally:
                os.close(file)
        except OSError:
            return False
        self._known.add(line)
        return True

    def _open(self) -> None:
        if self._host.in_userns:
            self._filesystem = filesystem(b"binfmt_misc")
            return
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _be_in_a_new_namespace(theirs)
        theirs.close()
        try:
            with ours:
                _, (process, *_), _, _ = socket.recv_fds(ours, 1, 1)
                try:
                    for name in (b"uid_map", b"gid_map"):
                        file = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=process)
                        os.write(file, _EVERY_ID)
                        os.close(file)
                finally:
                    os.close(process)
                ours.send(b"m")
                _, found, _, _ = socket.recv_fds(ours, 1, 2)
        except ValueError:  # it ended, and sent none
            raise OSError(1, "no user namespace") from None
        finally:
            os.waitpid(pid, 0)
        if len(found) != 2:
            raise OSError(1, "no binfmt_misc in a user namespace")
        for fd in found:
            os.set_inheritable(fd, False)  # noqa: FBT003
        self.namespace, self._filesystem = found


def _be_in_a_new_namespace(client: socket.socket) -> NoReturn:
    """Send /proc/self, by which another may map ids; then the namespace and its binfmt_misc."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        socket.send_fds(client, [b"p"], [os.open(b"/proc/self", os.O_PATH | os.O_DIRECTORY)])
        if client.recv(1):
            namespace = os.open(b"/proc/self/ns/user", os.O_RDONLY)
            socket.send_fds(client, [b"n"], [namespace, filesystem(b"binfmt_misc")])
    finally:
        os._exit(0)
