"""The kernel's side of calls that are handed over: taken, answered, and the memory of who made them.

Interface: seccomp_unotify(2), process_vm_readv(2), proc(5). Numbers and structures of linux/seccomp.h; the ioctls have
these numbers on every machine of `seccomp.notify.FAKING_MACHINES`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import struct

__all__ = ["CONTINUE", "Call", "Listener"]

_RECV, _SEND, _ID_VALID, _ADDFD, _SET_FLAGS = 0xC050_2100, 0xC018_2101, 0x4008_2102, 0x4018_2103, 0x4008_2104
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # id, pid, flags; struct seccomp_data: nr, arch, ip, args
_EMPTY = bytes(_NOTIFICATION.size)
_RESPONSE = struct.Struct("=QqiI")  # id, val, error, flags
_ADDED = struct.Struct("=QIIII")  # id, flags, srcfd, newfd, newfd_flags
_FLAG_CONTINUE = 1
_FD_SYNC_WAKE_UP = 1
_PAGE = 4096
_LONGEST_PATH = 4096
_FIRST_READ = 256  # most paths are shorter

CONTINUE = object()  # let the kernel do what the call says

_libc = ctypes.CDLL(None, use_errno=True)
_libc.process_vm_readv.restype = ctypes.c_ssize_t
_libc.process_vm_readv.argtypes = [
    *(ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
]


class _Span(ctypes.Structure):
    """struct iovec, readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Call:
    """One call that waits for its answer. `pid` is the calling thread's, here."""

    __slots__ = ("abi", "args", "id", "number", "pid")

    def __init__(self, taken: bytes | bytearray) -> None:
        self.id, self.pid, _, self.number, self.abi, _, *args = _NOTIFICATION.unpack(taken)
        self.args: list[int] = args


class Listener:
    """What a filter hands over, one call after the other."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._taken = bytearray(_EMPTY)
        self._buffer = ctypes.create_string_buffer(_LONGEST_PATH + _PAGE)
        self._ours, self._theirs = _Span(ctypes.addressof(self._buffer), 0), _Span(0, 0)
        self._spans = ctypes.addressof(self._ours), ctypes.addressof(self._theirs)
        # Linux 6.6: the caller and this process take turns on one CPU, which halves the time of a call.
        try:  # noqa: SIM105  contextlib is not loaded here
            fcntl.ioctl(fd, _SET_FLAGS, _FD_SYNC_WAKE_UP)
        except OSError:
            pass

    def take(self) -> Call | None:
        """Wait for the next; None when there is nobody left who could make one."""
        while True:
            self._taken[:] = _EMPTY
            try:
                fcntl.ioctl(self._fd, _RECV, self._taken)
            except OSError as exc:
                if exc.errno not in (errno.ENOENT, errno.EINTR):  # the caller was killed meanwhile
                    raise
                waiting = select.poll()
                waiting.register(self._fd, select.POLLIN)
                if any(event & select.POLLHUP for _, event in waiting.poll()):
                    return None
            else:
                return Call(self._taken)

    def answer(self, call: Call, result: object) -> None:
        """A result, as the call would have it (negative: minus an error number), or CONTINUE."""
        if result is CONTINUE:
            response = _RESPONSE.pack(call.id, 0, 0, _FLAG_CONTINUE)
        else:
            assert isinstance(result, int)
            response = _RESPONSE.pack(call.id, max(result, 0), min(result, 0), 0)
        try:
            fcntl.ioctl(self._fd, _SEND, response)
        except OSError as exc:
            if exc.errno != errno.ENOENT:  # killed, or a signal came first, and the call is made again
                raise

    def give(self, call: Call, fd: int, *, close_on_exec: bool) -> int:
        """Put a copy of an open file among the caller's; its number there."""
        request = _ADDED.pack(call.id, 0, fd, 0, os.O_CLOEXEC if close_on_exec else 0)
        number: int = fcntl.ioctl(self._fd, _ADDFD, bytearray(request))
        return number

    def waits(self, call: Call) -> bool:
        """Whether the caller is still there: what was read of it before is then not another process's."""
        try:
            fcntl.ioctl(self._fd, _ID_VALID, struct.pack("=Q", call.id))
        except OSError:
            return False
        return True

    def read(self, call: Call, address: int, size: int) -> bytes:
        """That much of the caller's memory. Raises OSError (EFAULT)."""
        data = self._read(call.pid, address, size)
        if len(data) != size:
            raise OSError(errno.EFAULT, "bad address")
        return data

    def read_path(self, call: Call, address: int) -> bytes:
        """A path in the caller's memory. Raises OSError (EFAULT, ENAMETOOLONG)."""
        path = b""
        size = _FIRST_READ
        while len(path) < _LONGEST_PATH:
            data = self._read(call.pid, address, min(size, _PAGE - address % _PAGE))
            end = data.find(b"\0")
            if end >= 0:
                return path + data[:end]
            path += data
            address += len(data)
            size = _PAGE
        raise OSError(errno.ENAMETOOLONG, "path too long")

    def write(self, call: Call, address: int, data: bytes) -> None:
        """Into the caller's memory and no other's, whoever has its number by now. Raises OSError (EFAULT)."""
        memory = os.open(
            b"%d/mem" % call.pid, os.O_WRONLY | os.O_CLOEXEC
        )  # the working folder is a /proc: steppaths.py
        try:
            if self.waits(call):
                os.pwrite(memory, data, address)
        except (OSError, OverflowError):
            raise OSError(errno.EFAULT, "bad address") from None
        finally:
            os.close(memory)

    def _read(self, pid: int, address: int, size: int) -> bytes:
        if size > len(self._buffer):
            raise OSError(errno.EFAULT, "too much")
        self._ours.length = self._theirs.length = size
        self._theirs.base = address
        count = _libc.process_vm_readv(pid, self._spans[0], 1, self._spans[1], 1, 0)
        if count <= 0:
            raise OSError(errno.EFAULT, "bad address")
        return ctypes.string_at(self._buffer, count)
