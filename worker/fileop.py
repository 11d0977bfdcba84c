"""File ops: copy, mkfile, mkdir, rm, symlink, written straight into a new layer. No mount, no process.

Semantics of BuildKit's (solver/llbsolver/file there). Every output is its base plus one layer. What an
action does is in fileop_copy.py and fileop_edit.py; here is what it works on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..llb import FileCopy
from .fileop_copy import run_copy
from .fileop_edit import run_edit
from .fileop_owner import find_owner, owner_of
from .snapshot import FolderTree, LayerWriter, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..llb import ChownOptions, FileOp, FileStep
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
        raise LlbuildError(f"{error.strerror or error}: {run.shown(error.filename)}") from error
    except BaseException:
        run.discard()
        raise


class _Stage:
    """The result of a step while it is being made: a base, and the layer growing on it."""

    def __init__(self, base: Snapshot, store: LayerStore) -> None:
        self.base = base
        self.active: ActiveLayer = store.begin(mounted=False)
        self.writer = LayerWriter(store.tree(base.layers), self.active.fs, userxattr=store.userxattr)
        self.committed: Snapshot | None = None


class _Run:
    """One file op under way: the stages its steps work on."""

    def __init__(self, op: FileOp, inputs: Sequence[Snapshot | FolderTree], store: LayerStore) -> None:
        self._op = op
        self._inputs = inputs
        self._store = store
        self._begun: list[_Stage] = []
        self._stages: list[_Stage] = []  # by step; a chain of steps shares one
        self._uses = _uses(op, len(inputs))

    def perform(self, number: int) -> None:
        step = self._op.steps[number]
        stage = self._stage(step)
        self._stages.append(stage)
        action = step.action
        owner = self._owner(owner_of(action), stage)
        if isinstance(action, FileCopy):
            run_copy(action, self._tree(step.secondary_input), stage.writer, owner)
        else:
            run_edit(action, stage.writer, owner)

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
        for stage in self._begun:
            if stage.committed is None:
                self._store.discard(stage.active)

    def shown(self, filename: object) -> str:
        """A file's name as the user knows it: without where the layer lies on this machine."""
        name = filename if isinstance(filename, str) else "while writing the layer"
        for stage in self._begun:
            if name.startswith(stage.active.fs):
                return name.removeprefix(stage.active.fs) or "/"
        return name

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
            return self._begin(self._finish(before))
        found = self._inputs[step.input] if step.input >= 0 else Snapshot()
        if isinstance(found, Snapshot):
            return self._begin(found)
        stage = self._begin(Snapshot())  # a client's folder to build on: copied whole
        run_copy(FileCopy(src="/", dest="/", dir_copy_contents=True, create_dest_path=True), found, stage.writer, None)
        return self._begin(self._finish(stage))

    def _begin(self, base: Snapshot) -> _Stage:
        stage = _Stage(base, self._store)
        self._begun.append(stage)
        return stage

    def _tree(self, number: int) -> Tree:
        """What a step reads: an input, or the result of a step before."""
        step = number - len(self._inputs)
        if step >= 0:
            stage = self._stages[step]
            if stage.committed is not None:
                return self._store.tree(stage.committed.layers)
            stage.writer.finish()  # the times of its folders are read now
            return stage.writer
        found: Snapshot | FolderTree = self._inputs[number] if number >= 0 else Snapshot()
        return self._store.tree(found.layers) if isinstance(found, Snapshot) else found

    def _owner(self, owner: ChownOptions | None, stage: _Stage) -> tuple[int, int] | None:
        return find_owner(owner, lambda number: stage.writer if number < 0 else self._tree(number))


def _uses(op: FileOp, inputs: int) -> list[int]:
    """How often the result of each step is read."""
    uses = [0] * len(op.steps)
    for step in op.steps:
        for number in (step.input, step.secondary_input):
            if number >= inputs:
                uses[number - inputs] += 1
    return uses
