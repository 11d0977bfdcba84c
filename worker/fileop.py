"""File ops: copy, mkfile, mkdir, rm, symlink, written straight into a new layer. No mount, no process.

Semantics of BuildKit's (solver/llbsolver/file there). Every output is its base plus one layer.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..llb import ChownOptions, FileCopy, FileMkdir, FileMkfile, FileOp, FileRm, FileSymlink, NamedUser
from .filemode import mode_change
from .identity import find_group, find_user
from .snapshot import CopySettings, FolderTree, LayerWriter, MergedTree, Snapshot, copy_picked, pick, resolve, set_owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..llb import FileAction, FileStep
    from .snapshot import ActiveLayer, LayerStore, Tree

__all__ = ["run_file_op"]


def run_file_op(op: FileOp, inputs: Sequence[Snapshot | FolderTree], store: LayerStore) -> tuple[Snapshot, ...]:
    """Carry out the op; one snapshot per output, by index.

    inputs: what the vertex's inputs are. Raises LlbuildError; then nothing of it is kept.
    """
    run = _Run(op, inputs, store)
    try:
        for number in range(len(op.steps)):
            run.perform(number)
        return run.commit()
    except OSError as error:
        run.discard()
        raise LlbuildError(f"{error.strerror}: {error.filename or 'while copying'}") from error
    except BaseException:
        run.discard()
        raise


class _Stage:
    """The result of a step while it is being made: a base, and the layer growing on it."""

    def __init__(self, base: Snapshot, store: LayerStore) -> None:
        self.base = base
        self.active: ActiveLayer = store.begin()
        folders = [store.folder(layer) for layer in base.layers]
        tree = MergedTree(folders, userxattr=store.userxattr)
        self.writer = LayerWriter(tree, self.active.fs, userxattr=store.userxattr)
        self.committed: Snapshot | None = None


class _Run:
    """One file op under way: the stages its steps work on."""

    def __init__(self, op: FileOp, inputs: Sequence[Snapshot | FolderTree], store: LayerStore) -> None:
        self._op = op
        self._inputs = inputs
        self._store = store
        self._stages: list[_Stage] = []  # by step; a chain of steps shares one
        self._uses = _uses(op, len(inputs))

    def perform(self, number: int) -> None:
        step = self._op.steps[number]
        stage = self._stage(step)
        self._stages.append(stage)
        match step.action:
            case FileCopy() as action:
                self._copy(action, stage, self._tree(step.secondary_input))
            case action:
                _edit(action, stage.writer, self._owner(_owner_of(action), stage))

    def commit(self) -> tuple[Snapshot, ...]:
        outputs = {
            step.output: stage for step, stage in zip(self._op.steps, self._stages, strict=True) if step.output >= 0
        }
        results = tuple(
            self._finish(outputs[index]) if index in outputs else Snapshot()
            for index in range(max(outputs, default=-1) + 1)
        )
        self.discard()  # stages that no output shows
        return results

    def discard(self) -> None:
        for stage in self._stages:
            if stage.committed is None:
                self._store.discard(stage.active)

    def _finish(self, stage: _Stage) -> Snapshot:
        if stage.committed is None:
            layer = self._store.commit(stage.active)
            stage.committed = Snapshot((*stage.base.layers, layer))
        return stage.committed

    def _stage(self, step: FileStep) -> _Stage:
        """What the step works on: a new layer, or the one of the step before when nobody else needs that as it was."""
        number = step.input - len(self._inputs)
        if number >= 0:
            before = self._stages[number]
            if self._uses[number] == 1 and self._op.steps[number].output < 0 and before.committed is None:
                return before
            return _Stage(self._finish(before), self._store)
        return _Stage(self._base(step.input), self._store)

    def _base(self, number: int) -> Snapshot:
        if number < 0:
            return Snapshot()
        found = self._inputs[number]
        if isinstance(found, Snapshot):
            return found
        copy = FileCopy(src="/", dest="/", dir_copy_contents=True)
        stage = _Stage(Snapshot(), self._store)
        self._copy(copy, stage, found)
        return self._finish(stage)

    def _tree(self, number: int) -> Tree:
        if number >= len(self._inputs):
            return self._stages[number - len(self._inputs)].writer
        found: Snapshot | FolderTree = self._inputs[number] if number >= 0 else Snapshot()
        if isinstance(found, Snapshot):
            folders = [self._store.folder(layer) for layer in found.layers]
            return MergedTree(folders, userxattr=self._store.userxattr)
        return found

    def _owner(self, owner: ChownOptions | None, stage: _Stage) -> tuple[int, int] | None:
        """Ids of an owner; names are looked up in the input they say, or in what is worked on."""
        if owner is None:
            return None
        user, group = owner.user, owner.group
        uid, gid = 0, None
        if isinstance(user, NamedUser):
            _, uid, gid, _ = find_user(self._names(user, stage), user.name)
        elif user is not None:
            uid = gid = user
        if isinstance(group, NamedUser):
            gid = find_group(self._names(group, stage), group.name)
        elif group is not None:
            gid = group
        return uid, gid or 0

    def _names(self, named: NamedUser, stage: _Stage) -> Tree:
        return stage.writer if named.input < 0 else self._tree(named.input)

    def _copy(self, action: FileCopy, stage: _Stage, tree: Tree) -> None:
        writer = stage.writer
        owner = self._owner(action.owner, stage)
        settings = CopySettings(copy=action, owner=owner, mode=mode_change(action))
        picked = pick(tree, action)
        if not picked:
            return
        dest = resolve(writer, action.dest)
        is_folder = action.dest.endswith(("/", "/.")) or not dest
        if is_folder and action.create_dest_path:
            writer.make_folder(dest, owner=owner or (0, 0))
        elif action.create_dest_path and "/" in dest:
            _make_parents(writer, dest.rpartition("/")[0], owner or (0, 0))
        for source in picked:
            there = writer.stat(dest)
            inside = there is not None and stat.S_ISDIR(there.st_mode)
            source_is_folder = stat.S_ISDIR(source.stat.st_mode)
            if action.attempt_unpack and stat.S_ISREG(source.stat.st_mode) and _unpack(tree, source.path, writer, dest):
                continue
            target = dest
            if inside and not (source_is_folder and action.dir_copy_contents):
                target = f"{dest}/{source.name}" if dest else source.name
            copy_picked(tree, source, writer, target, settings)


def _uses(op: FileOp, inputs: int) -> list[int]:
    """How many steps read the result of each step."""
    uses = [0] * len(op.steps)
    for step in op.steps:
        for number in {step.input, step.secondary_input}:
            if number >= inputs:
                uses[number - inputs] += 1
    return uses


def _owner_of(action: FileAction) -> ChownOptions | None:
    return None if isinstance(action, FileRm) else action.owner


def _edit(action: FileAction, writer: LayerWriter, owner: tuple[int, int] | None) -> None:
    match action:
        case FileMkdir():
            _mkdir(action, writer, owner or (0, 0))
        case FileMkfile():
            place = writer.clear(resolve(writer, action.path))
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(action.data)
                set_owner(handle, owner or (0, 0))
                os.fchmod(handle, action.mode & 0o7777)
            _stamp(place, action.timestamp)
        case FileSymlink():
            place = writer.clear(resolve(writer, action.new_path, follow_last=False))
            os.symlink(action.old_path, place)
            set_owner(place, owner or (0, 0))
            _stamp(place, action.timestamp)
        case FileRm():
            _rm(action, writer)
        case FileCopy():
            raise AssertionError("copies are not edits")


def _mkdir(action: FileMkdir, writer: LayerWriter, owner: tuple[int, int]) -> None:
    path = resolve(writer, action.path)
    if writer.stat(path) is not None and action.make_parents:
        writer.make_folder(path)  # raises when it is no folder
        return
    if writer.stat(path) is not None:
        raise LlbuildError(f"cannot make the folder /{path}: it exists")
    made = _make_parents(writer, path, owner, mode=action.mode) if action.make_parents else []
    if not action.make_parents:
        writer.make_folder(path, mode=action.mode, owner=owner)
        made = [path]
    for folder in reversed(made):
        _stamp(writer.place(folder), action.timestamp)


def _make_parents(writer: LayerWriter, path: str, owner: tuple[int, int], *, mode: int = 0o755) -> list[str]:
    """The folder and whatever is missing above it; returns the new ones, topmost first."""
    made = []
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        folder = "/".join(parts[:count])
        if folder and writer.make_folder(folder, mode=mode, owner=owner):
            made.append(folder)
    return made


def _rm(action: FileRm, writer: LayerWriter) -> None:
    try:
        picked = pick(
            writer, FileCopy(src=action.path, dest="/", allow_wildcard=action.allow_wildcard, allow_empty_wildcard=True)
        )
    except LlbuildError:
        if action.allow_not_found:
            return
        raise
    for found in picked:
        if found.path:
            writer.remove(found.path)


def _unpack(tree: Tree, path: str, writer: LayerWriter, dest: str) -> bool:
    """Unpack the file into the folder `dest` if it is an archive; says whether it was."""
    from .layer import is_archive, unpack_archive

    parent, _, name = path.rpartition("/")
    with tree.directory(parent) as folder, os.fdopen(folder.open(name), "rb") as file:
        if not is_archive(file):
            return False
        file.seek(0)
        _make_parents(writer, dest, (0, 0))
        unpack_archive(file, writer, dest)
    return True


def _stamp(place: str, timestamp: int) -> None:
    if timestamp >= 0:
        os.utime(place, ns=(timestamp, timestamp), follow_symlinks=False)
