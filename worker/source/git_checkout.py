"""Commits as files on the disk: the folder that a layer becomes."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...blocking import run_blocking
from ...errors import SourceError
from ..snapshot import remove_tree
from .git_mirror import init_words

if TYPE_CHECKING:
    from .git_mirror import GitMirror

__all__ = ["check_out", "keep_git_dir", "move_folder", "set_times"]


async def check_out(mirror: GitMirror, commit: str, folder: str, index: str) -> None:
    """Put the files of a commit into an empty folder, 0644 or 0755 each. index: a file for git's own use.

    There is no .git afterwards, and an empty folder where a submodule belongs. Raises SourceError.
    """
    git = mirror.git.at(mirror.git.git_dir, work_tree=folder, index=index)
    await git.setting(core__bare="false", checkout__workers="0").run("read-tree", "--reset", "-u", f"{commit}^{{tree}}")


async def keep_git_dir(mirror: GitMirror, name: str, ref: str, folder: str) -> None:
    """Make the folder a repository of its own with this one commit, checked out and on no branch.

    name: the commit, or the tag object that points at it. ref: its full name there; "" for none. The files are
    written, too. Raises SourceError.
    """
    git = mirror.git.at(f"{folder}/.git", work_tree=folder)
    await git.run(*init_words("sha256" if len(name) == 64 else "sha1"), folder)
    # Through the file protocol, which copies; a clone of a local path would link files of ours into the layer.
    near = git.setting(protocol__file__allow="always")
    target = f"{name}:{ref}" if ref else name
    words = ("fetch", "--quiet", "--depth=1", "--no-tags", "--update-head-ok", "--no-auto-maintenance")
    await near.run(*words, "--", "file://" + mirror.git.git_dir, target)
    await git.run("checkout", "--quiet", "--detach", f"{name}^{{commit}}")
    # The same bytes wherever it is done: no inodes and times in the index, and packs that owe nothing to the mirror's.
    await git.run("read-tree", f"{name}^{{commit}}")
    await git.setting(pack__threads="1").run("repack", "-a", "-d", "-F", "-n", "--quiet")
    await git.run("remote", "add", "origin", mirror.git.shown)
    await run_blocking(_drop_traces, f"{folder}/.git")


def _drop_traces(git_dir: str) -> None:
    """What tells where and when the files were had."""
    for name in ("FETCH_HEAD", "logs"):
        path = f"{git_dir}/{name}"
        if os.path.lexists(path):
            remove_tree(path)


def move_folder(whole: str, subdir: str, into: str, shown: str) -> None:
    """Move what is in a folder of a checkout. Raises SourceError where the path is not made of folders."""
    path = whole
    for part in subdir.split("/"):
        path = f"{path}/{part}"
        try:
            found = os.lstat(path)
        except OSError:
            raise SourceError(f"{shown} has no folder {subdir!r}", ref=shown) from None
        if not stat.S_ISDIR(found.st_mode):  # a link might lead anywhere
            raise SourceError(f"{shown}: {subdir!r} leads through {part!r}, which is no folder", ref=shown)
    for name in os.listdir(path):
        os.rename(f"{path}/{name}", f"{into}/{name}")


def set_times(folder: str, seconds: int) -> None:
    """Give everything below the folder, and itself, this time."""
    times = (seconds * 10**9, seconds * 10**9)
    for path, _, files in os.walk(os.fsencode(folder), topdown=False):
        with os.scandir(path) as found:
            for entry in found:
                if not entry.is_dir(follow_symlinks=False):
                    os.utime(entry.path, ns=times, follow_symlinks=False)
        del files
        os.utime(path, ns=times)
