"""Every error llbuild raises on purpose.

LlbuildError
├── DockerfileError(at)              the build file is wrong, and where
├── DefinitionError                  a serialized graph is malformed
├── ConfigError(at, source)          a config file or lock file is wrong, and where
├── UsageError                       the command line asks for the impossible (exit 2)
├── SourceError(ref, transient)      an image, context or URL cannot be had
│   └── LostLayerError(layer)        part of a stored result cannot be had any more
├── FrontendError                    a frontend plugin is missing or misbehaves
├── VertexError(vertex)              a vertex failed; the cause is chained
│   └── ExecError(exit_code)         its process exited non-zero
├── BuildError(errors)               several did, and the build went on as far as it could
├── SandboxError                     a process could not be started or confined
├── StoreError                       the state folder refuses
│   ├── NotFoundError
│   ├── ExistsError
│   ├── CorruptError(expected, actual)
│   └── DamagedError(path, inode)    state.db is not what SQLite or this llbuild wrote
└── ExportError                      a result cannot be written where it was wanted

Messages say what was expected and what was found; `hint`, where there is one, what to do.
A bug in llbuild raises AssertionError, never one of these. Only `cli/` prints them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from .digest import Digest
    from .span import Span

__all__ = [
    "BuildError",
    "BuildWarning",
    "ConfigError",
    "CorruptError",
    "DamagedError",
    "DefinitionError",
    "DockerfileError",
    "ExecError",
    "ExistsError",
    "ExportError",
    "FrontendError",
    "LlbuildError",
    "LostLayerError",
    "NotFoundError",
    "SandboxError",
    "SourceError",
    "StoreError",
    "UsageError",
    "VertexError",
    "causes",
    "first_error",
    "raise_first",
]


@frozen
class BuildWarning:
    """Something the author of a build file may want to change. No error, but told beside one.

    `at` is where, as whole lines; `focus` the words it is about, where they are known.
    """

    rule: str
    message: str
    at: Span | None = None
    url: str = ""  # what to read about the rule
    description: str = ""  # of the rule
    focus: Span | None = None


class LlbuildError(Exception):
    """Something a user or a caller can act on. `warnings`: what a frontend had noticed before it gave up."""

    warnings: tuple[BuildWarning, ...] = ()

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DockerfileError(LlbuildError):
    """The text is wrong; `at` is where, counted from 1. `other_lines` belong to it too, for programs that compare."""

    def __init__(self, message: str, *, at: Span, hint: str = "", other_lines: tuple[int, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.at = at
        self.other_lines = other_lines

    def __str__(self) -> str:
        return f"{self.at}: {self.message}"


class DefinitionError(LlbuildError):
    """A serialized definition is malformed or inconsistent."""


class ConfigError(LlbuildError):
    """A config file or lock file is wrong; `at` is where in `source`, its text."""

    def __init__(self, message: str, *, at: Span, source: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.at = at
        self.source = source

    def __str__(self) -> str:
        return f"{self.at}: {self.message}"


class UsageError(LlbuildError):
    """The arguments contradict each other or name something that cannot be."""


class SourceError(LlbuildError):
    """A source (image, context, archive, URL) cannot be had; `ref` names it.

    `transient`: it may go well the next time (no connection, a busy server); no sooner than in `retry_after_s`, if the
    server said when.
    """

    def __init__(
        self, message: str, *, ref: str, hint: str = "", transient: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.ref = ref
        self.transient = transient
        self.retry_after_s = retry_after_s


class LostLayerError(SourceError):
    """A layer of a stored result is not here and cannot be fetched: what made it must be done again."""

    def __init__(self, message: str, *, ref: str, layer: str, cause: SourceError | None = None) -> None:
        """cause: why it cannot be fetched, which may pass."""
        super().__init__(message, ref=ref)
        self.layer = layer
        if cause is not None:
            self.hint, self.transient, self.retry_after_s = cause.hint, cause.transient, cause.retry_after_s


class FrontendError(LlbuildError):
    """A frontend plugin cannot be found, loaded or trusted."""


class VertexError(LlbuildError):
    """A vertex failed; `__cause__` says why, `vertex` which one."""

    def __init__(self, message: str, *, vertex: Digest, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.vertex = vertex


class ExecError(VertexError):
    """A vertex's process ended with `exit_code` (128 + n when signal n ended it)."""

    def __init__(self, message: str, *, vertex: Digest, exit_code: int, hint: str = "") -> None:
        super().__init__(message, vertex=vertex, hint=hint)
        self.exit_code = exit_code


class BuildError(LlbuildError):
    """Several vertices failed, each for a reason of its own; `errors` in the order of the graph, inputs first."""

    def __init__(self, errors: Sequence[VertexError]) -> None:
        super().__init__(f"{len(errors)} steps failed")
        self.errors = tuple(errors)


class SandboxError(LlbuildError):
    """A process could not be started or confined on this machine."""


class StoreError(LlbuildError):
    """The state folder cannot be read or written."""


class NotFoundError(StoreError):
    """The store holds nothing under that name or digest."""


class ExistsError(StoreError):
    """Something else already holds that name."""


class CorruptError(StoreError):
    """Stored bytes are not what their address says."""

    def __init__(self, message: str, *, expected: str, actual: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.expected = expected
        self.actual = actual


class DamagedError(StoreError):
    """`state.db` is not what was written to it: the file at `path` with this inode number. It is a cache."""

    def __init__(self, message: str, *, path: str, inode: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.inode = inode


class ExportError(LlbuildError):
    """A result cannot be written where it was wanted."""


def first_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What stopped a group of tasks: a bug if there is one among them, else the first error of ours."""
    flat: list[BaseException] = []
    todo: list[BaseException] = [errors]
    while todo:
        error = todo.pop(0)
        if isinstance(error, BaseExceptionGroup):
            todo.extend(error.exceptions)
        else:
            flat.append(error)
    return next((error for error in flat if not isinstance(error, LlbuildError)), flat[0])


def causes(error: BaseException) -> list[LlbuildError]:
    """The error and what caused it, as far as they are ours; the last is where it began."""
    links: list[LlbuildError] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        if isinstance(link, LlbuildError):
            links.append(link)
        link = link.__cause__
    return links


def raise_first(errors: BaseExceptionGroup[BaseException]) -> NoReturn:
    """Raise what stopped a group of tasks as if there were no group: with the cause that it had."""
    error = first_error(errors)
    raise error from error.__cause__
