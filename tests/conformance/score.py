"""How many cases came out equal, by kind of case and by what was compared."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

__all__ = ["BARS", "Score", "Scoreboard"]

# percent of the cases that must be equal
BARS = {
    "ops": 98,
    "root": 98,
    "image": 99,
    "warnings": 95,
    "rejected": 100,
    "rejected there": 100,
    "syntax tree": 100,
    "words": 100,
}
_MOST_LISTED = 40


@dataclass(slots=True)
class Score:
    total: int = 0
    differing: list[tuple[str, str]] = field(default_factory=list)  # case, first difference

    @property
    def equal(self) -> int:
        return self.total - len(self.differing)

    @property
    def percent(self) -> float:
        return 100 * self.equal / self.total if self.total else 100.0


@dataclass(slots=True)
class Scoreboard:
    scores: dict[tuple[str, str], Score] = field(default_factory=lambda: defaultdict(Score))  # by (what, kind)

    def note(self, what: str, kind: str, case: str, difference: str) -> None:
        """One comparison; `difference` "" is none."""
        score = self.scores[what, kind]
        score.total += 1
        if difference:
            score.differing.append((case, difference))

    def overall(self, what: str) -> Score:
        parts = [score for (name, _), score in self.scores.items() if name == what]
        differing = [item for part in parts for item in part.differing]
        return Score(sum(part.total for part in parts), differing)

    def table(self) -> str:
        """A line for every kind of case and what was compared."""
        order = list(BARS)
        rows = [("compared", "cases", "equal", "total", "percent", "bar")]
        for what in sorted({what for what, _ in self.scores}, key=order.index):
            kinds = sorted(kind for name, kind in self.scores if name == what)
            parts = [(kind, self.scores[what, kind]) for kind in kinds]
            parts += [("all", self.overall(what))] if len(parts) > 1 else []
            for kind, score in parts:
                bar = f"{BARS[what]} %" if kind == parts[-1][0] else ""
                rows.append((what, kind, str(score.equal), str(score.total), f"{score.percent:.1f}", bar))
        widths = [max(len(row[at]) for row in rows) for at in range(6)]
        left = (0, 1)
        return "".join(
            "  ".join(
                cell.ljust(width) if at in left else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            + "\n"
            for row in rows
        )

    def shortfall(self, what: str) -> str:
        """What to say when the bar was missed; "" when it was not."""
        score = self.overall(what)
        if score.percent >= BARS[what]:
            return ""
        return f"{what}: {score.equal} of {score.total} equal, below {BARS[what]} %\n{self.differences(what)}"

    def differences(self, what: str) -> str:
        """The cases that differ, each with its first difference."""
        found = self.overall(what).differing
        lines = [f"  {case}: {difference}" for case, difference in found[:_MOST_LISTED]]
        more = len(found) - len(lines)
        return "\n".join(lines + ([f"  … and {more} more"] if more else []))
