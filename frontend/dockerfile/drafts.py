"""The graph while stages are still being read.

A vertex is named by a digest over everything below it, but which paths the build context is asked for is
known only when every stage has been read. So stages link drafts, and drafts become vertices at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...llb import ExecOp, FileOp, FileStep, MergeOp, Metadata, Mount, Output, SourceOp, add_vertex
from ...values import replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ...llb import Edge, FileAction
    from ...platforms import Platform

__all__ = ["Draft", "ExecDraft", "FileDraft", "MergeDraft", "SourceDraft", "finish"]

_ROOT = Mount(dest="/", input=0, output=0)


class SourceDraft:
    """Something from outside; `attrs` is asked at the end."""

    def __init__(
        self,
        *,
        identifier: str,
        attrs: Callable[[], dict[str, str]],
        platform: Platform | None,
        metadata: Metadata,
    ) -> None:
        self.identifier = identifier
        self.attrs = attrs
        self.platform = platform
        self.metadata = metadata
        self.output: Output | None = None

    def below(self) -> list[Draft]:
        return []

    def build(self) -> Output:
        op = SourceOp(identifier=self.identifier, attrs=tuple(sorted(self.attrs().items())))
        return add_vertex(op, platform=self.platform, metadata=self.metadata)


class ExecDraft:
    """A process. `mounts` hold their source drafts; `extra` mounts (secrets, ssh) come last and have none.

    make: the op, once its mounts are numbered.
    """

    def __init__(
        self,
        make: Callable[[tuple[Mount, ...]], ExecOp],
        root: Draft | None,
        *,
        mounts: list[tuple[Mount, Draft | None]],
        extra: list[Mount],
        platform: Platform,
        metadata: Metadata,
    ) -> None:
        self.make = make
        self.root = root
        self.mounts = mounts
        self.extra = extra
        self.platform = platform
        self.metadata = metadata
        self.output: Output | None = None

    def _sorted(self) -> list[tuple[Mount, Draft | None]]:
        root = (_ROOT, self.root)
        return sorted([root, *self.mounts], key=lambda item: item[0].dest) if self.mounts else [root]

    def below(self) -> list[Draft]:
        return [draft for _, draft in self._sorted() if draft is not None]

    def build(self) -> Output:
        inputs = _Inputs()
        mounts: list[Mount] = []
        outputs = 0
        for mount, draft in self._sorted():
            number = inputs.number(draft)
            index = -1
            if mount.output >= 0:
                index, outputs = outputs, outputs + 1
            numbered = (mount.input, mount.output) == (number, index)
            mounts.append(mount if numbered else replace(mount, input=number, output=index))
        op = self.make((*mounts, *self.extra))
        return add_vertex(op, inputs.outputs, platform=self.platform, metadata=self.metadata)


class FileDraft:
    """File actions, each with the draft it copies from."""

    def __init__(self, *, base: Draft | None, steps: list[tuple[FileAction, Draft | None]], metadata: Metadata) -> None:
        self.base = base
        self.steps = steps
        self.metadata = metadata
        self.output: Output | None = None

    def below(self) -> list[Draft]:
        """In the order BuildKit walks: the base, then the last action's source backwards."""
        sources = [draft for _, draft in reversed(self.steps)]
        return [draft for draft in (self.base, *sources) if draft is not None]

    def build(self) -> Output:
        inputs = _Inputs()
        base = inputs.number(self.base)
        numbers = [inputs.number(draft) for _, draft in self.steps]
        last = len(self.steps) - 1
        steps = tuple(
            FileStep(
                action=action,
                input=base if at == 0 else len(inputs.outputs) + at - 1,
                secondary_input=number,
                output=0 if at == last else -1,
            )
            for at, ((action, _), number) in enumerate(zip(self.steps, numbers, strict=True))
        )
        visit = [_output(draft) for draft in self.below()]
        return add_vertex(FileOp(steps=steps), inputs.outputs, metadata=self.metadata, visit=visit)


class MergeDraft:
    """Filesystems over each other."""

    def __init__(self, *, parts: list[Draft], metadata: Metadata) -> None:
        self.parts = parts
        self.metadata = metadata
        self.output: Output | None = None

    def below(self) -> list[Draft]:
        return self.parts

    def build(self) -> Output:
        inputs = [_output(part) for part in self.parts]
        return add_vertex(MergeOp(inputs=tuple(range(len(inputs)))), inputs, metadata=self.metadata)


Draft: TypeAlias = "SourceDraft | ExecDraft | FileDraft | MergeDraft"


def finish(root: Draft | None) -> Output | None:
    """Make vertices of everything below `root`, inputs first."""
    stack: list[Draft] = [] if root is None else [root]
    while stack:
        draft = stack[-1]
        if draft.output is not None:
            stack.pop()
            continue
        waiting = [item for item in draft.below() if item.output is None]
        if waiting:
            stack.extend(waiting)
            continue
        draft.output = draft.build()
        stack.pop()
    return None if root is None else root.output


def _output(draft: Draft) -> Output:
    assert draft.output is not None, "inputs are finished first"
    return draft.output


class _Inputs:
    """The inputs of a vertex under construction; equal edges are one input."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self._numbers: dict[Edge, int] = {}

    def number(self, draft: Draft | None) -> int:
        """The draft's place among the inputs; -1 for nothing."""
        if draft is None:
            return -1
        output = _output(draft)
        number = self._numbers.setdefault(output.edge, len(self.outputs))
        if number == len(self.outputs):
            self.outputs.append(output)
        return number
