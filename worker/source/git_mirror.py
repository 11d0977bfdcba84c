"""What of a remote repository is here: a bare one for each, with the objects that were ever fetched from it.

`git/<name>/` in the state folder, `locks/git-<name>` beside it; the name is a digest of the URL. A mirror is shared by
all builds of all processes, one of them in it at a time. Its only refs are `refs/llbuild/…`, one for each thing
fetched, so that the next fetch can say what is here. Nothing of the URL's password is written anywhere. Whoever
removes a mirror takes its lock; what is missing is fetched again.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ...blocking import run_blocking
from ...digest import blake3_digest
from ...errors import SourceError, StoreError
from .filelock import file_lock
from .git_errors import GitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .git_command import GitCommand
    from .resolved import Report

__all__ = ["GitMirror", "init_words", "mirror_lock", "open_mirror"]

_NO_SHALLOW = r"shallow capabilit|does not support (--depth|shallow)|dumb http transport does not support"
_NOT_ADVERTISED = r"not our ref|unadvertised object|couldn't find remote ref|Server does not allow request"
_PLAIN = ("--no-tags", "--no-auto-maintenance", "--no-recurse-submodules", "--no-write-fetch-head", "--force")


class GitMirror:
    """An open mirror; see `open_mirror`. `git` runs in it."""

    def __init__(self, git: GitCommand, remote: str) -> None:
        self.git = git
        self.name = os.path.basename(git.git_dir)  # of its folder
        self._remote = remote

    async def has(self, commit: str) -> bool:
        """Whether the commit (or a tag of it) is here, with all its files."""
        try:
            await self.git.run("cat-file", "-e", f"{commit}^{{commit}}")
        except GitError:
            return False
        return True

    async def bring(self, commit: str, ref: str, report: Report) -> None:
        """See that the commit is here. ref: the full name it was found under; else the commit, or "".

        Raises SourceError, `transient` where the remote has changed meanwhile.
        """
        if await self.has(commit):
            return
        if ref.startswith("refs/"):
            await self._fetch(f"{ref}:refs/llbuild/{blake3_digest(ref.encode()).short}", report)
            if await self.has(commit):
                return
        try:
            await self._fetch(f"{commit}:refs/llbuild/{commit}", report)
        except GitError as error:
            if not error.matches(_NOT_ADVERTISED):
                raise
            await self._fetch_all(report)
        if not await self.has(commit):
            raise SourceError(
                f"{self.git.shown} has no commit {commit}",
                ref=self.git.shown,
                hint="it may have been changed while it was fetched" if ref.startswith("refs/") else "",
                transient=ref.startswith("refs/"),
            )

    async def commit_of(self, name: str) -> str:
        """The commit that a tag points at, or the commit itself."""
        return (await self.git.run("rev-parse", "--verify", f"{name}^{{commit}}")).decode().strip()

    async def time_of(self, commit: str) -> int:
        """When it was committed, in seconds since 1970."""
        text = (await self.git.run("show", "-s", "--format=%ct", f"{commit}^{{commit}}")).decode().strip()
        if not text.isdecimal():
            raise SourceError(f"{self.git.shown}: the commit {commit} has no readable time", ref=self.git.shown)
        return int(text)

    async def _fetch(self, refspec: str, report: Report) -> None:
        """One thing, without its history."""
        words = ("fetch", "--progress", *_PLAIN)
        try:
            await self.git.run(*words, "--depth=1", "--", self._remote, refspec, report=report)
        except GitError as error:
            if not error.matches(_NO_SHALLOW):
                raise
            await self.git.run(*words, "--", self._remote, refspec, report=report)

    async def _fetch_all(self, report: Report) -> None:
        """For servers that give only what has a name: everything that has one, with all its history."""
        words = ["fetch", "--progress", *_PLAIN]
        if await run_blocking(os.path.exists, f"{self.git.git_dir}/shallow"):
            words.append("--unshallow")
        await self.git.run(
            *words,
            *("--", self._remote, "+refs/heads/*:refs/llbuild/heads/*", "+refs/tags/*:refs/llbuild/tags/*"),
            report=report,
        )


@asynccontextmanager
async def open_mirror(root: str, git: GitCommand, remote: str, object_format: str) -> AsyncIterator[GitMirror]:
    """The mirror of a remote, made where it is missing, and locked.

    root: the state folder. object_format: sha1 or sha256, as git names them. Raises SourceError and StoreError.
    """
    name = blake3_digest(f"{object_format} {remote}".encode()).hex[:32]
    async with file_lock(mirror_lock(root, name)):
        folder = f"{root}/git/{name}"
        if not await run_blocking(os.path.exists, f"{folder}/HEAD"):
            await run_blocking(_make_folder, folder)
            await git.at(folder).run(*init_words(object_format), "--bare", folder)
        # Locks of a git that was killed: nobody else is here now.
        await run_blocking(_remove, f"{folder}/shallow.lock", f"{folder}/packed-refs.lock")
        yield GitMirror(git.at(folder), remote)


def mirror_lock(root: str, name: str) -> str:
    """The file that whoever is in a mirror has locked."""
    return f"{root}/locks/git-{name}"


def init_words(object_format: str) -> tuple[str, ...]:
    """`git init`, of which older gits know no formats."""
    words = ("init", "--quiet", "--template=")
    return words if object_format == "sha1" else (*words, f"--object-format={object_format}")


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, 0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {path}: {error.strerror}") from None


def _remove(*paths: str) -> None:
    for path in paths:
        if os.path.lexists(path):
            os.unlink(path)
