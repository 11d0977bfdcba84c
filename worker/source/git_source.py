"""Git repositories: names become commits by asking the remote, commits become layers out of its mirror.

Only the one commit is fetched, without its history, and only once: the mirror keeps it.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from ...blocking import run_blocking
from ...errors import SourceError
from ...values import frozen, replace
from ..uses import GIT_CHECKOUT, GIT_MIRROR
from .git_access import login_settings, ssh_environment
from .git_checkout import check_out, keep_git_dir, move_folder, set_times
from .git_command import GitCommand
from .git_mirror import open_mirror
from .git_submodules import place_for, read_submodules
from .git_target import GitTarget, is_commit, parse_git
from .pins import Pin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ...llb import SourceOp
    from ..client import Client
    from .git_mirror import GitMirror
    from .git_submodules import Submodule
    from .newlayer import LayerMaker
    from .pins import Pins
    from .resolved import Report

__all__ = ["GitSource"]

_DEEPEST = 16  # submodules of submodules
_MOST = 1000  # of them in all


@frozen(kw_only=False)
class _Found:
    """What a remote has under a name. `object` is a commit, or the tag that points at `commit`."""

    object: str
    commit: str
    ref: str  # its full name there; the commit again where it was asked for by that


class GitSource:
    """For a whole build. Belongs to one event loop."""

    def __init__(self, root: str, maker: LayerMaker, client: Client, pins: Pins) -> None:
        """root: the state folder, where mirrors lie. pins: what names are held to."""
        self._root = root
        self._maker = maker
        self._client = client
        self._pins = pins
        self._busy: dict[object, anyio.Lock] = {}
        self._found: dict[tuple[str, str], _Found] = {}
        self._layers: dict[SourceOp, str] = {}
        self._mirrors: set[str] = set()  # used by this build
        self._submodules = 0

    async def resolve(self, op: SourceOp, report: Report) -> str:
        """What the source stands for now: `GitTarget.resolved`. Raises SourceError."""
        del report
        target = parse_git(op)
        found = await self._look(target)
        return target.resolved(found.object if target.keeps_git_dir else found.commit, found.ref)

    async def fetch(self, op: SourceOp, report: Report) -> str:
        """The layer with the files. Raises SourceError."""
        target = parse_git(op)
        found = await self._look(target)
        async with self._busy.setdefault(op, anyio.Lock()):
            layer = self._layers.get(op)
            if layer is None or not await run_blocking(self._maker.has, layer):
                layer = self._layers[op] = await self._checked_out(target, found, report)
        return layer

    async def time(self, op: SourceOp, report: Report) -> int:
        """When its commit was made, in seconds since 1970. Raises SourceError."""
        target = parse_git(op)
        found = await self._look(target)
        async with self._mirror(target, found) as mirror:
            await self._bring(mirror, target, found, report)
            return await mirror.time_of(found.object)

    async def _look(self, target: GitTarget) -> _Found:
        """Ask the remote what a name means; once a build, so that all of it sees the same."""
        if target.commit:
            return _Found(target.commit, target.commit, target.full_ref)
        question = (target.remote, target.ref)
        async with self._busy.setdefault(question, anyio.Lock()):
            found = self._found.get(question)
            if found is None:
                found = self._found[question] = await self._held_or_asked(target)
        if not (found.object.startswith(target.checksum) or found.commit.startswith(target.checksum)):
            raise SourceError(
                f"{target.shown}: {found.ref or 'HEAD'} is the commit {found.commit}, "
                f"which does not begin with the checksum {target.checksum}",
                ref=target.shown,
                hint="if it was meant to move, change the checksum",
            )
        return found

    async def _held_or_asked(self, target: GitTarget) -> _Found:
        pin = self._pins.find(target.source_name)
        if pin is not None:
            return _Found(pin.tag or pin.digest, pin.digest, pin.ref)
        found = await self._ask(target)
        tag = found.object if found.object != found.commit else ""
        self._pins.note(target.source_name, Pin(digest=found.commit, ref=found.ref, tag=tag))
        return found

    async def _ask(self, target: GitTarget) -> _Found:
        wanted = (target.ref, f"{target.ref}^{{}}") if target.ref else ("HEAD",)
        async with self._git(target) as git:
            told, default = _refs(await git.run("ls-remote", "--symref", "--", target.remote, *wanted))
        if target.ref in ("", "HEAD") and is_commit(told.get("HEAD", "")):
            return _Found(told["HEAD"], told["HEAD"], default)
        short = target.ref.removeprefix("refs/")
        for name in (f"refs/{short}", f"refs/heads/{target.ref}", f"refs/tags/{target.ref}"):
            if target.ref and is_commit(told.get(name, "")):
                return _Found(told[name], told.get(f"{name}^{{}}", told[name]), name)
        short_commit = len(target.ref) >= 7 and not target.ref.strip("0123456789abcdef")
        raise SourceError(
            f"{target.shown} has no branch or tag called {target.ref!r}" if target.ref else f"{target.shown} is empty",
            ref=target.shown,
            hint="a commit must be given whole, with all of its 40 digits" if short_commit else "",
        )

    async def _checked_out(self, target: GitTarget, found: _Found, report: Report) -> str:
        filling = self._maker.begin(work=True)
        active = await run_blocking(filling.__enter__)
        try:
            folder = active.fs
            if target.subdir:
                folder = f"{active.work}/tree"
                await run_blocking(os.mkdir, folder)
            await self._place(target, found, (folder, f"{active.work}/index"), report)
            if target.subdir:
                await run_blocking(move_folder, folder, target.subdir, active.fs, target.shown)
            if target.commit_times:
                async with self._mirror(target, found) as mirror:
                    seconds = await mirror.time_of(found.object)
                await run_blocking(set_times, active.fs, seconds)
            return await run_blocking(self._maker.keep, active, GIT_CHECKOUT, f"{target.shown}#{found.commit}")
        finally:
            with anyio.CancelScope(shield=True):
                await run_blocking(filling.__exit__, None, None, None)

    async def _place(
        self, target: GitTarget, found: _Found, places: tuple[str, str], report: Report, depth: int = 0
    ) -> None:
        """Write the files of a commit and its submodules. places: an empty folder, and a file for git's own use."""
        folder, index = places
        async with self._mirror(target, found) as mirror:
            await self._bring(mirror, target, found, report)
            commit = await mirror.commit_of(found.object)
            if target.keeps_git_dir:
                await keep_git_dir(mirror, found.object, found.ref if found.ref.startswith("refs/") else "", folder)
            else:
                await check_out(mirror, commit, folder, index)
            submodules = await read_submodules(mirror, commit, target.remote) if target.submodules else []
        if submodules and depth == _DEEPEST:
            raise SourceError(f"{target.shown}: submodules in submodules, {_DEEPEST} deep", ref=target.shown)
        for number, submodule in enumerate(submodules):
            self._submodules += 1
            if self._submodules > _MOST:
                raise SourceError(f"{target.shown}: more than {_MOST} submodules", ref=target.shown)
            place = await run_blocking(place_for, folder, submodule, target.shown)
            inner = _target_of(submodule, target)
            at = _Found(submodule.commit, submodule.commit, submodule.commit)
            await self._place(inner, at, (place, f"{index}.{number}"), report, depth + 1)
            if target.keeps_git_dir:
                await self._register(target, folder, submodule)

    async def _bring(self, mirror: GitMirror, target: GitTarget, found: _Found, report: Report) -> None:
        try:
            await mirror.bring(found.object, found.ref, report)
        except SourceError as error:
            self._pins.explain(error, target.source_name)
            raise

    async def _register(self, target: GitTarget, folder: str, submodule: Submodule) -> None:
        """Write into a .git that stays what `git submodule init` would."""
        git = GitCommand(shown=target.shown).at(f"{folder}/.git", work_tree=folder)
        section = f"submodule.{submodule.name}"
        await git.run("config", f"{section}.active", "true")
        await git.run("config", f"{section}.url", _target_of(submodule, target).shown)

    @asynccontextmanager
    async def _mirror(self, target: GitTarget, found: _Found) -> AsyncIterator[GitMirror]:
        object_format = "sha256" if len(found.object) == 64 else "sha1"
        async with (
            self._git(target) as git,
            open_mirror(self._root, git, target.remote, object_format) as mirror,
        ):
            if mirror.name not in self._mirrors:  # its use, once a build
                self._mirrors.add(mirror.name)
                await run_blocking(self._maker.uses.note, GIT_MIRROR, [(mirror.name, target.shown)])
            yield mirror

    @asynccontextmanager
    async def _git(self, target: GitTarget) -> AsyncIterator[GitCommand]:
        """git, as it may log in to the target, as long as the block lasts."""
        async with ssh_environment(target, self._client) as environment:
            secrets = await login_settings(target, self._client)
            yield GitCommand(shown=target.shown, secrets=secrets, environment=environment)


def _refs(listing: bytes) -> tuple[dict[str, str], str]:
    """Objects by name, and the branch that HEAD is; of ls-remote's lines `OBJECT<tab>NAME`, `ref: NAME<tab>HEAD`."""
    found: dict[str, str] = {}
    default = ""
    for line in listing.decode("utf-8", "surrogateescape").split("\n"):
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            default = value.removeprefix("ref: ") if name == "HEAD" else default
        else:
            found[name] = value
    return found, default


def _target_of(submodule: Submodule, parent: GitTarget) -> GitTarget:
    """A submodule's repository is logged in to as its parent's is, as far as the secrets are for it."""
    return replace(
        parent,
        remote=submodule.remote,
        ref=submodule.commit,
        subdir="",
        checksum="",
        by_commit=False,
        parent=parent.parent or parent.remote,
    )
