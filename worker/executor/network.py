"""The network that the steps of one helper share: a namespace of their own, and a program that connects it.

pasta and slirp4netns turn the packets of a namespace into sockets of an ordinary process, so that no right over the
machine's network is needed. What listens on the machine's loopback is out of reach. One namespace for all steps: to
start the program takes longer than to start a step. It belongs to the helper's pid namespace and ends with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from .. import syscalls
from .failure import explained
from .mounts import QUIET, attach, filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .host import Host
    from .wire import Outcome

__all__ = ["NAMESPACE", "READY_FD", "StepNetwork", "bring_up_loopback"]

NAMESPACE = b"{namespace}"  # in the program's arguments: where it finds the namespace
READY_FD = 3  # the program may write a byte there when all is set up; one that ends well has set up, and gone on behind
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_LAST_WORDS_BYTES = 4096
_ALL_FDS = 1 << 16


class StepNetwork:
    """Made once by the helper, before it forks for the first step.

    `namespace` is a descriptor. `watch` and `forget` are the helper's: call a function when a descriptor is readable.
    """

    def __init__(
        self,
        program: list[bytes],
        host: Host,
        watch: Callable[[int, Callable[[], None]], None],
        forget: Callable[[int], None],
    ) -> None:
        self.namespace = _new_namespace()
        self._forget = forget
        self._outcome: Outcome | None = None
        self._waiting: list[Callable[[Outcome], None]] = []
        self._ready, ready = os.pipe()
        self._words, words = os.pipe()
        os.set_blocking(self._words, False)
        self._pid = os.fork()
        if self._pid == 0:
            _become(program, self.namespace, host, ready, words)
        os.close(ready)
        os.close(words)
        self._pidfd = os.pidfd_open(self._pid)
        watch(self._ready, self._hear)
        watch(self._pidfd, self._ended)

    def when_ready(self, tell: Callable[[Outcome], None]) -> None:
        """Tell how it went, once that is known: an outcome with an error, or without."""
        if self._outcome is None:
            self._waiting.append(tell)
        else:
            tell(self._outcome)

    def _hear(self) -> None:
        self._forget(self._ready)
        if os.read(self._ready, 1):
            self._settle({})
        os.close(self._ready)

    def _ended(self) -> None:
        """The program is gone; perhaps it went on in the background, as pasta does when all is set up."""
        self._forget(self._pidfd)
        os.close(self._pidfd)
        _, status = os.waitpid(self._pid, 0)
        if status == 0:
            self._settle({})
            return
        try:
            words = os.read(self._words, _LAST_WORDS_BYTES)
        except BlockingIOError:
            words = b""
        lines = [line for line in words.splitlines() if line.strip() and b"to syslog" not in line]
        self._settle({"error": os.fsdecode(lines[-1]) if lines else "no reason known"})

    def _settle(self, outcome: Outcome) -> None:
        if self._outcome is None:
            self._outcome = outcome
            for tell in self._waiting:
                tell(outcome)
            self._waiting = []


def bring_up_loopback() -> None:
    """netdevice(7): struct ifreq is the name in 16 bytes, then the flags."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def _new_namespace() -> int:
    """Made by a process that ends: in a user namespace, there is no way back into the machine's network."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _send_new_namespace(theirs)
    theirs.close()
    with ours:
        message, found, _, _ = socket.recv_fds(ours, _LAST_WORDS_BYTES, 1)
    os.waitpid(pid, 0)
    if not found:
        number = int(message or errno.EPERM)
        raise OSError(number, os.strerror(number))
    os.set_inheritable(found[0], False)  # noqa: FBT003
    return found[0]


def _send_new_namespace(client: socket.socket) -> NoReturn:
    try:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        bring_up_loopback()
        socket.send_fds(client, [b"0"], [os.open(b"/proc/self/ns/net", os.O_RDONLY)])
    except OSError as exc:
        client.send(b"%d" % (exc.errno or errno.EPERM))
    finally:
        os._exit(0)


def _become(program: list[bytes], namespace: int, host: Host, ready: int, words: int) -> NoReturn:
    """In a mount namespace where the network namespace is a file.

    pasta gives up the rights that it would need to open it below /proc.
    """
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount_setattr(syscalls.AT_FDCWD, b"/", propagation=syscalls.MS_SLAVE, recursive=True)
        attach(filesystem(b"tmpfs", ((b"mode", b"0755"),), QUIET), syscalls.AT_FDCWD, host.stage)
        place = host.stage + b"/network"
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        attach(syscalls.open_tree(b"", dir_fd=namespace), syscalls.AT_FDCWD, place)
        os.dup2(words, 2, inheritable=True)
        os.dup2(os.dup(ready), READY_FD, inheritable=True)  # by way of another: it may have that number already
        os.closerange(READY_FD + 1, _ALL_FDS)
        os.execve(program[0], [word.replace(NAMESPACE, place) for word in program], {})  # noqa: S606
    except OSError as exc:
        os.write(words, os.fsencode(explained("cannot make a network for steps", exc).message))
    finally:
        os._exit(1)
