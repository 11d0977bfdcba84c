"""The parameters of a target: arguments that make a difference to it, secrets, ssh agents, cache mounts.

Read off a finished compilation. Which arguments count is BuildKit's choice (dockerfile2llb/outline.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...llb import ExecOp
from ..subrequests import CacheMount, Needed, Outline, OutlineArg
from . import instructions as ins
from .words import expand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    from ...llb import Definition
    from ...span import Span
    from .compiler import Compilation
    from .stage import StageState

    _Item = TypeVar("_Item", OutlineArg, Needed, CacheMount)

__all__ = ["description_of", "read_outline"]


def read_outline(compilation: Compilation, definition: Definition) -> Outline:
    """definition: what the compilation came to, for no op is in it that does not matter to the target."""
    stage = compilation.target.stage
    secrets: dict[str, Needed] = {}
    agents: dict[str, Needed] = {}
    caches: dict[str, CacheMount] = {}
    namespace = compilation.build.options.cache_namespace + "/"
    for op, at in _processes(definition):
        for variable in op.secret_env:
            secrets.setdefault(variable.id, Needed(name=variable.id, required=not variable.optional, at=at))
        for mount in op.mounts:
            if mount.secret is not None:
                needed = Needed(name=mount.secret.id, required=not mount.secret.optional, at=at)
                secrets.setdefault(needed.name, needed)
            elif mount.ssh is not None:
                needed = Needed(name=mount.ssh.id or "default", required=not mount.ssh.optional, at=at)
                agents.setdefault(needed.name, needed)
            elif mount.cache is not None:
                name = mount.cache.id.removeprefix(namespace)
                caches.setdefault(name, CacheMount(id=name, at=at))
    return Outline(
        name=compilation.target.stage_name,
        description=description_of(stage.start, stage.name) if stage is not None else "",
        args=_in_order(_Arguments(compilation).of(compilation.target)),
        secrets=_in_order([*secrets.values()]),
        ssh=_in_order([*agents.values()]),
        cache=_in_order([*caches.values()]),
    )


def description_of(instruction: ins.Instruction, name: str) -> str:
    """What the comments above say of the name: `# NAME text`; "" when they say nothing."""
    start = name + " "
    comments = instruction.node.comments if name else ()
    return next((comment.removeprefix(start) for comment in comments if comment.startswith(start)), "")


def _processes(definition: Definition) -> Iterator[tuple[ExecOp, Span | None]]:
    said = definition.metadata_of()
    for vertex in definition.vertices:
        if isinstance(vertex.op, ExecOp):
            spans = said[vertex.digest].spans if vertex.digest in said else ()
            yield vertex.op, spans[0] if spans else None


def _in_order(items: list[_Item]) -> tuple[_Item, ...]:
    return tuple(sorted(items, key=lambda item: item.at.line if item.at is not None else 0))


class _Arguments:
    """Which arguments stages use, directly or in the default of another one."""

    def __init__(self, compilation: Compilation) -> None:
        self.build = compilation.build
        self.globals: dict[str, OutlineArg] = {}
        self.below: dict[str, set[str]] = {}  # which others the default of a global one names
        known = self.build.global_args.keys() - {
            arg.key.text for instruction in compilation.global_args for arg in instruction.args
        }
        for instruction in compilation.global_args:
            for arg in instruction.args:
                self._declare(instruction, arg, set(known))
                known |= {arg.key.text}

    def _declare(self, instruction: ins.Arg, arg: ins.ArgName, known: set[str]) -> None:
        name, values = arg.key.text, self.build.global_args
        self.globals[name] = _described(instruction, name, values.get(name, ""))
        named: set[str] = set()
        if arg.default is not None and name not in self.build.options.build_args:
            named = {*expand(arg.default.text, values, escape=self.build.expander.escape).found} & known
        before = self.below.get(name, set()) if name in named else set()
        self.below[name] = (named | before) - {name}

    def of(self, target: StageState) -> list[OutlineArg]:
        """Those of the target, then those of stages it is built on and reads; the first of a name counts."""
        found: dict[str, OutlineArg] = {}
        stack, seen = [target], {target}
        while stack:
            state = stack.pop()
            for name, arg in self._of_stage(state).items():
                found.setdefault(name, arg)
            below = [*([state.base] if state.base is not None else []), *state.reads]
            stack.extend(other for other in reversed(below) if other not in seen)
            seen.update(below)
        return [*found.values()]

    def _of_stage(self, state: StageState) -> dict[str, OutlineArg]:
        own: dict[str, OutlineArg] = {}
        used = self._in_from(state)
        for planned in state.planned:
            if not isinstance(planned.command, ins.Arg):
                continue
            for arg in planned.command.args:
                name = arg.key.text
                used.add(name)
                said = arg.default is not None or name in self.build.options.build_args
                if said or name not in self.build.global_args:
                    own[name] = _described(planned.command, name, state.args.get(name, ""))
        known = {**self.globals, **own}
        return {name: known[name] for name in self._closure(used) if name in known}

    def _in_from(self, state: StageState) -> set[str]:
        if state.stage is None:
            return set()
        start, expander = state.stage.start, self.build.expander
        words = [word for word in (start.base, start.platform) if word is not None]
        return {name for word in words for name in expander.expansion(word, self.build.global_args).found}

    def _closure(self, names: set[str]) -> set[str]:
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo.extend(self.below.get(name, ()))
        return found


def _described(instruction: ins.Arg, name: str, value: str) -> OutlineArg:
    return OutlineArg(name=name, value=value, description=description_of(instruction, name), at=instruction.at)
