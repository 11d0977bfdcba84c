"""Deleting folders of ours with whatever is in them: deep, unreadable, with names of any kind.

Own code and not shutil's, which loads three compression libraries and recurses. Works by folder
descriptors: no link is followed, no path gets too long.
"""

from __future__ import annotations

import os
import stat

__all__ = ["remove_tree"]

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_OPEN = 100  # folders below each other that are held open; deeper ones are moved up first


def remove_tree(path: str) -> None:
    """Delete what is at `path`, if anything. Raises OSError for what cannot be deleted."""
    try:
        os.rmdir(path)  # mostly it is empty already, or not there
        return
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
        return
    except OSError:
        pass
    parent, _, name = path.rpartition("/")
    holder = os.open(parent or "/", _FLAGS)
    try:
        top = _open(name, holder)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(name, dir_fd=holder)
    finally:
        os.close(holder)


def _empty(top: int) -> None:
    """Remove everything in an open folder."""
    while _sweep(top):
        pass


def _sweep(top: int) -> int:
    """Empty the folder down to a depth; what lies deeper is moved into it. Returns how many folders that were."""
    moved = 0
    stack = [("", top, _clear_files(top))]
    try:
        while stack:
            name, handle, folders = stack[-1]
            if folders:
                inner = folders.pop()
                if len(stack) >= _MAX_OPEN:
                    if os.geteuid() != 0:
                        os.chmod(inner, 0o700, dir_fd=handle)  # a folder that moves has its ".." rewritten
                    os.rename(inner, f"{moved}.{os.urandom(8).hex()}", src_dir_fd=handle, dst_dir_fd=top)
                    moved += 1
                    continue
                opened = _open(inner, handle)
                stack.append((inner, opened, _clear_files(opened)))
                continue
            stack.pop()
            if stack:
                os.close(handle)
                os.rmdir(name, dir_fd=stack[-1][1])
    finally:
        for _, handle, _ in stack[1:]:
            os.close(handle)
    return moved


def _clear_files(handle: int) -> list[str]:
    """Unlink what is no folder; returns the folders."""
    if os.geteuid() != 0:
        os.fchmod(handle, 0o700)  # root needs no permission
    folders = []
    with os.scandir(handle) as scan:
        for item in scan:
            if item.is_dir(follow_symlinks=False):
                folders.append(item.name)
            else:
                os.unlink(item.name, dir_fd=handle)
    return folders


def _open(name: str, parent: int) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=parent)
    except PermissionError:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            raise
        os.chmod(name, 0o700, dir_fd=parent)  # nobody else may enter here, so it cannot become a link meanwhile
        return os.open(name, _FLAGS, dir_fd=parent)
