"""What the checks report to: it knows which rules are wanted, and keeps what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import BuildWarning, DockerfileError
from ....values import frozen
from ..suggest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....span import Span
    from ..parser import Node
    from ..stage import StageState
    from .rules import Rule

__all__ = ["LintConfig", "Linter"]

MAX_FINDINGS = 5_000  # a file of a megabyte could have some hundred thousand
# Over a compilation, in comparisons of characters: about half a second. A hostile file must not take minutes.
MAX_LUXURY = 2_000_000


@frozen
class LintConfig:
    """Which rules are skipped, which experimental ones are wanted, and whether findings fail the build."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    experimental: frozenset[str] = frozenset()
    experimental_all: bool = False
    error: bool = False

    def wants(self, rule: Rule) -> bool:
        if rule.experimental:
            return self.experimental_all or rule.name in self.experimental
        return not self.skip_all and rule.name not in self.skip

    def merged(self, other: LintConfig) -> LintConfig:
        """What a comment above an instruction adds. Whether findings fail the build is the file's business."""
        return LintConfig(
            skip=self.skip | other.skip,
            skip_all=self.skip_all or other.skip_all,
            experimental=self.experimental | other.experimental,
            experimental_all=self.experimental_all or other.experimental_all,
            error=self.error,
        )


class Linter:
    """One file's findings, in the order of the checks.

    silent: nothing is kept. Of several platforms only the first one's build speaks: the others would repeat it.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.config = LintConfig()
        self.found: list[BuildWarning] = []
        self.said: dict[tuple[StageState, str], Span] = {}  # the last CMD, ENTRYPOINT and HEALTHCHECK of each stage
        self._luxury = MAX_LUXURY

    @property
    def full(self) -> bool:
        """Nothing more will be kept."""
        return self.silent or len(self.found) >= MAX_FINDINGS

    def affords(self, cost: int) -> bool:
        """Whether a suggestion or a comparison may still be made; if so, it is paid for."""
        if cost > self._luxury:
            return False
        self._luxury -= cost
        return True

    def nearest(self, word: str, known: Mapping[str, object]) -> str:
        """A known word that is nearly the same; "" without one."""
        return nearest(word, known) if self.affords(len(word) ** 2 * len(known)) else ""

    def note(self, rule: str, node: Node, *details: str, at: Span | None = None, focus: Span | None = None) -> None:
        """A rule fires at an instruction, whose comments may silence it. at: where, if it is another one's fault."""
        if not self.full:
            self._keep(rule, node.line.at if at is None else at, details, focus, node.comments)

    def report(self, rule: str, at: Span, *details: str, focus: Span | None = None) -> None:
        """A rule fires, and no comment above an instruction can silence it: BuildKit has those too."""
        if not self.full:
            self._keep(rule, at, details, focus, ())

    def _keep(
        self, name: str, at: Span, details: tuple[str, ...], focus: Span | None, comments: tuple[str, ...]
    ) -> None:
        from .rules import RULES

        rule, config = RULES[name], self.config
        if comments:
            from .config import inline_check

            config = config.merged(inline_check(comments))
        if config.wants(rule):
            self.found.append(
                BuildWarning(
                    rule=name,
                    message=rule.text.format(*details),
                    at=at,
                    url=rule.page,
                    description=rule.description,
                    focus=focus,
                )
            )

    def conclude(self) -> None:
        """Raises DockerfileError when there are findings and the file wants none (`check=error=true`)."""
        if not self.config.error or not self.found:
            return
        first = self.found[0]
        assert first.at is not None
        places = ", ".join(f"{found.rule} (line {found.at.line})" for found in self.found if found.at is not None)
        count = f"{len(self.found)} findings" if len(self.found) > 1 else "a finding"
        raise DockerfileError(
            f"lint has {count}, and this build is to fail on that (check=error=true): {places}",
            at=first.focus or first.at,
            hint="mend them, or skip a rule: # check=skip=RULE;error=true",
        )
