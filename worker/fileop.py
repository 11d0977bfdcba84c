"""File ops: copy, mkfile, mkdir, rm, symlink, written straight into a new layer. No mount, no process.

Semantics of BuildKit's (solver/llbsolver/file there). Every output is its base plus one layer.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..llb import ChownOptions, FileCopy, FileOp, FileRm, NamedUser
from .filemode import mode_change
from .fileop_edit import edit, make_folders, require_parent
from .identity import find_group, find_user
from .snapshot import CopySettings, FolderTree, LayerWriter, MergedTree, Snapshot, copy_picked, pick, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..llb import FileAction, FileStep
    from .snapshot import ActiveLayer, LayerStore, Picked, Tree

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
        raise LlbuildError(f"{run.shown(error.filename)}: {error.strerror}") from error
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
                edit(action, stage.writer, self._owner(_owner_of(action), stage))

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

    def shown(self, filename: object) -> str:
        """A path an operation failed on, as the build knows it."""
        path = os.fsdecode(filename) if isinstance(filename, str | bytes) else "a file"
        for stage in self._stages:
            if path.startswith(stage.active.fs):
                return path.removeprefix(stage.active.fs) or "/"
        return path

    def _finish(self, stage: _Stage) -> Snapshot:
        if stage.committed is None:
            stage.writer.finish()
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
            writer = self._stages[number - len(self._inputs)].writer
            writer.finish()
            return writer
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
        parent = dest if is_folder else dest.rpartition("/")[0]
        if action.create_dest_path:
            settings.made = make_folders(writer, parent, owner=owner or (0, 0), timestamp=action.timestamp)
        else:
            require_parent(writer, dest)
        for source in picked:
            if action.attempt_unpack and _unpack(tree, source, writer, dest, settings):
                continue
            target = dest
            there = writer.stat(dest)
            if there is not None and stat.S_ISDIR(there.st_mode):
                into = not (stat.S_ISDIR(source.stat.st_mode) and action.dir_copy_contents)
                target = f"{dest}/{source.name}".strip("/") if into else dest
            copy_picked(tree, source, writer, target, settings)


def _unpack(tree: Tree, source: Picked, writer: LayerWriter, dest: str, settings: CopySettings) -> bool:
    """Unpack the source into the folder `dest` if it is an archive; says whether it was."""
    if not stat.S_ISREG(source.stat.st_mode):
        return False
    from .layer import is_archive, unpack_archive

    parent, _, name = source.path.rpartition("/")
    with tree.directory(parent) as folder, os.fdopen(folder.open(name), "rb") as file:
        if not is_archive(file):
            return False
        file.seek(0)
        make_folders(writer, dest, owner=settings.owner or (0, 0), timestamp=settings.copy.timestamp)
        unpack_archive(file, writer, dest, owner=settings.owner)
    return True


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
