"""One compilation: what was asked, what is known, and what has been said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError, SourceError
from ...platforms import normalize_platform
from ..contract import NoSuchFile
from ..syntax import SYNTAX_ARGUMENT, asks_for_labs
from .expander import Expander
from .stage import StageTable

if TYPE_CHECKING:
    from ...patterns import IgnoreList
    from ...platforms import Platform
    from ...span import Span
    from ..contract import Lookup, ResolvedImage
    from .directives import Directives
    from .drafts import Draft
    from .lint import Linter
    from .options import Options
    from .stage import StageState

__all__ = ["Build"]

_PATTERN_COST = 200  # of making one ready to match, beside comparing a character


class Build:
    """Shared by everything that compiles one platform of one Dockerfile."""

    def __init__(
        self,
        options: Options,
        lookup: Lookup,
        *,
        directives: Directives,
        target: Platform | None,
        platforms: tuple[Platform, Platform],
        not_yet: frozenset[str],
    ) -> None:
        self.options = options
        self.lookup = lookup
        self.expander = Expander(directives.escape)
        line = directives.syntax.value if directives.syntax is not None else ""
        syntax = options.build_args.get(SYNTAX_ARGUMENT) or line
        self.labs = asks_for_labs(syntax)  # experimental features may be used
        self.explicit_target = target is not None  # the user asked for the platform
        wanted, self.build_platform = platforms
        self.target: Platform = wanted if target is None else target
        self.not_yet = not_yet
        self.stages = StageTable()
        self.global_args: dict[str, str] = {}
        self.epoch: int | None = None  # SOURCE_DATE_EPOCH, seconds
        self.lint: Linter
        self.waiting = False  # some lookup has not answered yet
        self.links = 0
        self.context: Draft
        self.excludes: tuple[str, ...] = ()  # its .dockerignore
        self.context_paths: set[str] = set()
        self._ignored: IgnoreList | None = None

    @property
    def created(self) -> str:
        """The time of history entries; "" leaves it to the exporter."""
        if self.epoch is None:
            return ""
        from datetime import UTC, datetime  # only with SOURCE_DATE_EPOCH

        return datetime.fromtimestamp(self.epoch, UTC).isoformat().replace("+00:00", "Z")

    @property
    def timestamp(self) -> int:
        """The time of files that the build makes, in nanoseconds; -1 leaves it as it is."""
        if self.epoch is None:
            return -1
        return (self.epoch * 10**9 + (1 << 63)) % (1 << 64) - (1 << 63)  # wraps as Go's does, beyond the year 2262

    @property
    def ignored(self) -> IgnoreList | None:
        """`excludes`, to be matched by lint; None when there are none or too many, or one is malformed: whoever reads
        the context will say so.
        """
        if self._ignored is None and self.excludes and self.lint.affords(_PATTERN_COST * len(self.excludes)):
            from ...patterns import IgnoreList

            try:
                self._ignored = IgnoreList(self.excludes)
            except ValueError:
                return None
        return self._ignored

    def demand(self, feature: str, at: Span) -> None:
        """Refuse what cannot be built yet, at its place."""
        if feature in self.not_yet:
            raise DockerfileError(f"{feature} is not supported yet", at=at)

    def image(self, ref: str, platform: Platform, at: Span) -> ResolvedImage | None:
        """None: not known yet, asked for."""
        try:
            found = self.lookup.image(ref, normalize_platform(platform))
        except SourceError as error:
            raise DockerfileError(error.message, at=at, hint=error.hint) from error
        self.waiting |= found is None
        return found

    def file(self, context: str, path: str) -> bytes | None:
        """b"" also when there is no such file; None: not known yet, asked for."""
        try:
            found = self.lookup.file(context, path)
        except NoSuchFile:
            return b""
        self.waiting |= found is None
        return found

    def platform_label(self, state: StageState, platform: Platform | None) -> str:
        """What stands before the stage's name when several platforms are built."""
        if not self.options.multi_platform or platform is None:
            return ""
        from .crossnames import platform_prefix

        return platform_prefix(platform, state.env)
