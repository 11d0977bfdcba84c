"""What a Dockerfile can be asked besides being built. Nothing is refused for not being built yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ..contract import MoreNeeded
from ..subrequests import LintResult, Target
from .buildfile import find_dockerfile
from .compiler import prepare
from .lint import Linter
from .options import read_options
from .outline import description_of, read_outline
from .parser import parse
from .reader import read_stages

if TYPE_CHECKING:
    from ..contract import Lookup, Request
    from ..subrequests import Outline

__all__ = ["lint_request", "outline_request", "targets_request"]

_ANYTHING: frozenset[str] = frozenset()


def lint_request(request: Request, lookup: Lookup) -> LintResult:
    """The findings of all stages, or of those that the target needs if the request names one.

    Raises LlbuildError for a file or an option that cannot be read; what is wrong in the file is part of the result.
    """
    lint = Linter()
    error: DockerfileError | None = None
    try:
        for compilation in prepare(request, lookup, lint, _ANYTHING, all_stages=not request.option("target")):
            compilation.finish()
        lint.conclude()
    except DockerfileError as found:
        error = found
    return LintResult(warnings=tuple(lint.found), error=error)


def outline_request(request: Request, lookup: Lookup) -> Outline:
    """The parameters of the target. Raises LlbuildError."""
    compilation, *_ = prepare(request, lookup, Linter(silent=True), _ANYTHING)
    return read_outline(compilation, compilation.finish().definition)


def targets_request(request: Request, lookup: Lookup) -> tuple[Target, ...]:
    """The stages, in order. Raises LlbuildError."""
    found = find_dockerfile(read_options(request), lookup)
    if found.data is None:
        raise MoreNeeded
    _, stages = read_stages(parse(found.data, found.path))
    return tuple(
        Target(
            name=stage.name,
            description=description_of(stage.start, stage.name),
            base=stage.start.base.text,
            platform=stage.start.platform.text if stage.start.platform is not None else "",
            default=stage is stages[-1],
            at=stage.start.at,
        )
        for stage in stages
    )
