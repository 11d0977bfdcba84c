"""What is on record of a build: the values that `History` keeps."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from ..digest import Digest
    from ..errors import BuildWarning
    from ..llb import Definition, SourceFile

__all__ = ["BuildDetails", "BuildRecord", "BuildStatus", "BuildSummary", "Outcome", "Step"]


class BuildStatus(Enum):
    """How a build ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class Outcome(Enum):
    """How a step ended. The numbers are stored."""

    CACHED = 1  # its stored result served
    EXECUTED = 2
    FAILED = 3
    CANCELED = 4  # stopped, or (never started) not reached, because another failed or the user stopped the build
    UNNEEDED = 5  # a result further up spared it: nobody looked for its own


@frozen(kw_only=False)
class ProcessUsage:
    """What a step's process took, with all that it started and waited for; memory: of the largest of them.

    Bytes are those that went to and from disks; 0 too where an older llbuild ran it.
    """

    user_s: float
    system_s: float
    max_rss_bytes: int
    read_bytes: int = 0
    written_bytes: int = 0


@frozen
class Step:
    """One step of a build: a vertex of its graph, or something beside it (asking a registry, exporting).

    `name` is empty for vertices, which have theirs in the definition. `started` is None for what never ran; of what was
    cached, `completed` is when that became known.
    """

    vertex: Digest
    outcome: Outcome
    name: str = ""
    started: float | None = None
    completed: float | None = None
    error: str = ""
    usage: ProcessUsage | None = None  # None: no process, or one that an older llbuild ran

    @property
    def duration_s(self) -> float:
        """0.0 for what never ran."""
        return 0.0 if self.started is None or self.completed is None else max(0.0, self.completed - self.started)


@frozen
class BuildSummary:
    """A build, without its steps. `id` 0: not recorded yet. `names` are full; `context` is a folder, "" for none.

    `result` is the digest of what was made, None for plain files and for what failed. `cached` counts the steps
    that stored results spared, `executed` those that ran.
    """

    id: int = 0
    started: float
    completed: float
    status: BuildStatus
    error: str = ""
    names: tuple[str, ...] = ()
    context: str = ""
    target: str = ""
    platform: str = ""
    result: Digest | None = None
    cached: int = 0
    executed: int = 0

    @property
    def duration_s(self) -> float:
        return max(0.0, self.completed - self.started)


@frozen
class BuildDetails:
    """What was asked of a build, on what machine, and what it said beside its log.

    `options` are the frontend's, as it was asked. `cpus` are those it could use, 0 where that is not known; `limit`
    is how many processes were allowed at once, 0 for as many as the machine bears. `report` is what was said of a
    failure, with its place and hint. `sources` are the build files of a build that has no definition to keep them.
    """

    frontend: str = ""
    options: tuple[tuple[str, str], ...] = ()
    version: str = ""  # of llbuild
    cpus: int = 0
    limit: int = 0
    warnings: tuple[BuildWarning, ...] = ()
    report: str = ""
    sources: tuple[SourceFile, ...] = ()


@frozen
class BuildRecord:
    """A build with everything known of it but its log."""

    summary: BuildSummary
    steps: tuple[Step, ...] = ()
    definitions: tuple[Definition, ...] = ()
    details: BuildDetails = BuildDetails()

    def sources(self) -> dict[str, SourceFile]:
        """The build files, by path."""
        kept = [*self.details.sources, *(source for one in self.definitions for source in one.sources)]
        return {source.path: source for source in kept}

    def outcomes(self) -> dict[Digest, Step]:
        """The steps by vertex."""
        return {step.vertex: step for step in self.steps}
