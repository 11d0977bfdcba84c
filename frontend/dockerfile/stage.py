"""A stage while it is compiled, and the table of all stages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...llb import NetMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...platforms import Platform
    from ...span import Span
    from .contexts import NamedContext
    from .drafts import Draft
    from .expander import Expander
    from .imagedraft import ImageDraft
    from .instructions import Command, Stage

__all__ = ["Planned", "StageState", "StageTable"]


class Planned:
    """A command of a stage and the stages it reads, by position (None: the build context)."""

    __slots__ = ("command", "from_onbuild", "sources")

    def __init__(self, command: Command, sources: list[StageState | None], *, from_onbuild: bool = False) -> None:
        self.command = command
        self.sources = sources
        self.from_onbuild = from_onbuild


class StageState:
    """A stage, or an image that a COPY or a mount names and no stage is (`hidden`)."""

    def __init__(self, base_name: str, at: Span, *, stage: Stage | None = None) -> None:
        self.stage = stage
        self.hidden = stage is None
        self.base_name = base_name
        self.at = at
        self.name = ""  # as shown: "" is not shown at all
        self.base: StageState | None = None
        self.named_context: NamedContext | None = None
        self.planned: list[Planned] = []
        self.reads: dict[StageState, Command] = {}
        # The filesystem and what the next process sees.
        self.draft: Draft | None = None
        self.env: dict[str, str] = {}  # in order of last assignment
        self.strings: dict[str, str] = {}  # the same as K=V, by K
        self.strings_size = 0  # characters
        self._said: tuple[str, ...] | None = None
        self.cwd = "/"
        self.user = ""
        self.hostname = ""
        self.network = NetMode.SANDBOX
        self.state_platform: Platform | None = None
        self.platform: Platform | None = None
        self.image: ImageDraft | None = None
        # Which of its files, and which of the context's, are wanted; a stage on another shares that one's.
        self.paths: set[str] = set()
        self.context_paths: set[str] = set()
        self.args: dict[str, str] = {}  # ARGs in scope, by first declaration
        self.ignore_cache = False
        self.resolved = False
        self.dispatched = False
        self.onbuild_taken = False
        self.cmd_said = False
        self.workdir_said = False
        self.total = 0
        self.shown = 0

    @property
    def stage_name(self) -> str:
        return self.stage.name if self.stage is not None else ""

    def set_env(self, key: str, value: str) -> None:
        if self.env.pop(key, None) is not None:
            self.strings_size -= len(self.strings.pop(key))
        self.env[key] = value
        self.strings[key] = said = f"{key}={value}"
        self.strings_size += len(said)
        self._said = None

    def env_strings(self, expander: Expander, at: Span) -> tuple[str, ...]:
        """`K=V` in order of last assignment; made once for all the processes that see the same.

        What it costs: each process's vertex is digested with all of it, some four times as quick as expanding it.
        """
        if self._said is None:
            self._said = tuple(self.strings.values())
            expander.charge(8 * len(self._said), at)
        expander.charge((self.strings_size + len(self.cwd) + len(self.user)) // 4, at)
        return self._said

    def args_in_scope(self) -> list[str]:
        """`K=V` of every ARG, by first declaration."""
        return [self.strings.get(key) or f"{key}={value}" for key, value in self.args.items()]

    @property
    def weight(self) -> int:
        """About how much a stage built on this one takes over."""
        history = len(self.image.history) if self.image is not None else 0
        return 16 * (len(self.env) + len(self.args) + history)

    def inherit(self) -> None:
        """Take over what the base stage ends with."""
        base = self.base
        if base is None:
            return
        self.draft, self.env, self.strings = base.draft, dict(base.env), dict(base.strings)
        self.strings_size, self._said = base.strings_size, None
        self.cwd, self.user, self.hostname, self.network = base.cwd, base.user, base.hostname, base.network
        self.state_platform, self.platform = base.state_platform, base.platform
        if base.image is not None:
            self.image = base.image.copy()
            self.image.on_build = []
        self.paths = base.paths
        self.args = dict(base.args)
        self.workdir_said = base.workdir_said

    def label(self, text: str, platform: str = "") -> str:
        """The vertex name of the next step: `[build 2/5] RUN make`."""
        if self.total == 0:
            return text
        self.shown += 1
        width = int(1 + math.log10(self.total))
        parts = [part for part in (platform, self.name) if part]
        return "[" + " ".join([*parts, f"{self.shown:>{width}}/{self.total}"]) + "] " + text


class StageTable:
    """All stages in order, hidden ones after them; by name and by number."""

    def __init__(self) -> None:
        self.states: list[StageState] = []
        self._by_name: dict[str, StageState] = {}

    def add(self, state: StageState) -> None:
        """A stage whose base name is an earlier stage's is built on that."""
        self.states.append(state)
        state.base = self._by_name.get(state.base_name)
        if state.stage_name:
            self._by_name[state.stage_name] = state

    def find(self, name: str) -> StageState | None:
        return self._by_name.get(name.lower())

    def names(self) -> list[str]:
        return [state.name for state in self.states if state.name]

    def reachable(self, target: StageState) -> set[StageState]:
        found: set[StageState] = set()
        stack = [target]
        while stack:
            state = stack.pop()
            if state not in found:
                found.add(state)
                stack.extend(state.reads)
                if state.base is not None:
                    stack.append(state.base)
        return found

    def find_cycle(self) -> list[tuple[StageState, Command]]:
        """Stages that read each other in a ring, each with the command that reads the next; [] when there is none."""
        done: set[StageState] = set()
        for start in self.states:
            trail: dict[StageState, None] = {}  # in order, and quick to look in
            walks: list[Iterator[StageState]] = []
            if start not in done:
                trail, walks = {start: None}, [iter(start.reads)]
            while walks:
                following = next(walks[-1], None)
                if following is None:
                    done.add(trail.popitem()[0])
                    walks.pop()
                elif following in trail:
                    walk = [*trail]
                    ring = [*walk[walk.index(following) :], following]
                    return [(state, state.reads[ring[at + 1]]) for at, state in enumerate(ring[:-1])]
                elif following not in done:
                    trail[following] = None
                    walks.append(iter(following.reads))
        return []
