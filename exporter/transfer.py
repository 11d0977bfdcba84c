"""File contents moved by the kernel: reflinked, linked or copied, never through this process if it can be helped."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CorruptError, ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["copy_bytes", "place_file", "replacing", "write_all"]

_FICLONE = 0x40049409  # linux/fs.h; fcntl has no name for it before Python 3.12
_MAX_STEP = 1 << 30
# The kernel cannot do it between these two files; another way may work.
_OTHER_WAY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM, errno.ETXTBSY}


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def copy_bytes(source: int, target: int, size_bytes: int) -> None:
    """Append exactly `size_bytes` from the position of one file to the other, which may be a pipe.

    Raises CorruptError when the source is shorter.
    """
    ways: list[Callable[[int], int]] = [
        lambda count: os.copy_file_range(source, target, count),
        lambda count: os.sendfile(target, source, None, count),  # None: from its position
        lambda count: _read_write(source, target, count),
    ]
    remaining = size_bytes
    while remaining:
        try:
            done = ways[0](min(remaining, _MAX_STEP))
        except OSError as error:
            if error.errno not in _OTHER_WAY or len(ways) == 1:
                raise
            done = None
        if done == 0 and len(ways) == 1:
            found = f"{size_bytes - remaining} bytes"
            raise CorruptError(
                f"a blob is truncated: expected {size_bytes} bytes, found {found}",
                expected=f"{size_bytes} bytes",
                actual=found,
            )
        if not done:
            del ways[0]  # also at 0: some file systems answer copy_file_range so when they mean no
        else:
            remaining -= done


def _read_write(source: int, target: int, count: int) -> int:
    data = os.read(source, min(count, 1 << 20))
    write_all(target, data)
    return len(data)


def place_file(source: str, target: str, size_bytes: int) -> None:
    """Make `target` a file with the contents of `source`: a reflink, a hard link or a copy, whatever goes.

    Appears at once or not at all; a file of the right size that is there already stays.
    """
    with contextlib.suppress(FileNotFoundError):
        if os.stat(target).st_size == size_bytes:
            return
    temporary = f"{os.path.dirname(target)}/.{os.path.basename(target)}-{os.urandom(4).hex()}"
    try:
        with Path(source).open("rb") as blob:
            if not _reflink(blob.fileno(), temporary) and not _hard_link(source, temporary):
                with Path(temporary).open("wb") as file:
                    copy_bytes(blob.fileno(), file.fileno(), size_bytes)
                    os.fchmod(file.fileno(), 0o444)
        os.rename(temporary, target)
    finally:
        # rename() of two links to one file does nothing, so the temporary may still be there after a success
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _reflink(source: int, target: str) -> bool:
    with Path(target).open("xb") as file:
        try:
            fcntl.ioctl(file.fileno(), _FICLONE, source)
        except OSError:
            os.unlink(target)
            return False
        os.fchmod(file.fileno(), 0o444)
        return True


def _hard_link(source: str, target: str) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def replacing(path: str) -> Iterator[int]:
    """A file descriptor to write `path` with; the file appears whole at the end, or not at all.

    What is there and no plain file (a pipe, a device) is written to directly. What the operating system
    refuses is raised as ExportError.
    """
    try:
        with _replacing(path) as descriptor:
            yield descriptor
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}", hint=_hint(error)) from error


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[int]:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise ExportError(f"cannot write {path}: it is a folder", hint="name a file; for a folder add tar=false")
    if not stat.S_ISREG(mode):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    path = os.path.realpath(path)  # a link to the file stays a link
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)[:200]}-{os.urandom(4).hex()}"
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def _hint(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "make its folder first"
    return "free some space on that disk" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
