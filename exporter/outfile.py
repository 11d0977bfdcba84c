"""Files that appear whole at the end, or not at all; and what the operating system refuses, in words."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from ..errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["refusals", "replacing"]

_OPEN_FILES = "/proc/self/fd"


@contextlib.contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raise OSError as ExportError. A reader who has seen enough (a broken pipe) is no error of the export."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExportError(f"cannot write {what}: {error.strerror}", hint=_hint(error)) from error


def _hint(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "make its folder first"
    return "free some space on that disk" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""


@contextlib.contextmanager
def replacing(path: str) -> Iterator[int]:
    """A file descriptor to write `path` with; the file takes its place when the block ends without an error.

    What is there and no plain file (a pipe, a device) is written to directly. Raises ExportError.
    """
    with refusals(path):
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        if stat.S_ISDIR(mode):
            raise ExportError(f"cannot write {path}: it is a folder", hint="name a file")
        # realpath: a link to the file stays a link
        opened = _new_file(os.path.realpath(path)) if stat.S_ISREG(mode) else _existing(path)
        with opened as descriptor:
            yield descriptor


@contextlib.contextmanager
def _existing(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _new_file(path: str) -> Iterator[int]:
    folder = os.path.dirname(path)
    temporary = f"{folder}/.{os.path.basename(path)[:200]}-{os.urandom(4).hex()}"
    descriptor, is_named = _open_nameless(folder), False
    if descriptor is None:
        descriptor, is_named = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), True
    try:
        yield descriptor
        if not is_named:
            _name(descriptor, temporary)
            is_named = True
        os.rename(temporary, path)
        is_named = False
    finally:
        if is_named:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        os.close(descriptor)


def _open_nameless(folder: str) -> int | None:
    """A file that the kernel forgets when this process dies, however; None where there is no such thing."""
    if not os.path.isdir(_OPEN_FILES):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}:
            return None
        raise


def _name(descriptor: int, path: str) -> None:
    # open(2), O_TMPFILE: by its link in /proc, since linking the descriptor itself takes a capability.
    # os.link follows that link only when it is given a folder to start from.
    open_files = os.open(_OPEN_FILES, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(str(descriptor), path, src_dir_fd=open_files, follow_symlinks=True)
    finally:
        os.close(open_files)
