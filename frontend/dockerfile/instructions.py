"""Instructions as typed values: shape checked, variables not yet filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...values import frozen

if TYPE_CHECKING:
    from typing import TypeAlias

    from ...llb import CdiDevice
    from ...span import Span
    from .arguments import Pair
    from .heredoc import Heredoc
    from .parser import Node
    from .source import Word

__all__ = [
    "Add",
    "Arg",
    "ArgName",
    "Cmd",
    "Command",
    "Copy",
    "Entrypoint",
    "Env",
    "Expose",
    "From",
    "Healthcheck",
    "Instruction",
    "Label",
    "Maintainer",
    "Onbuild",
    "Run",
    "Shell",
    "Stage",
    "Stopsignal",
    "User",
    "Volume",
    "Workdir",
]


@frozen
class Instruction:
    """What all of them have."""

    node: Node

    @property
    def at(self) -> Span:
        """The whole instruction, heredoc bodies included."""
        return self.node.line.at

    @property
    def text(self) -> str:
        """As written, continuations joined."""
        return self.node.text

    @property
    def name(self) -> str:
        return self.node.name


@frozen
class From(Instruction):
    base: Word
    stage_name: str = ""  # lower case
    platform: Word | None = None


@frozen
class ArgName:
    """One of an ARG's names; `default` None when it has none."""

    key: Word
    default: Word | None = None


@frozen
class Arg(Instruction):
    args: tuple[ArgName, ...]


@frozen
class Env(Instruction):
    pairs: tuple[Pair, ...]


@frozen
class Label(Instruction):
    pairs: tuple[Pair, ...]


@frozen
class _CommandLine(Instruction):
    """`words` are the argument list in exec form; in shell form one text, or nothing."""

    words: tuple[str, ...]
    shell: bool


@frozen
class Run(_CommandLine):
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[Word, ...] = ()
    network: Word | None = None
    security: Word | None = None
    devices: tuple[CdiDevice, ...] = ()


@frozen
class Cmd(_CommandLine):
    pass


@frozen
class Entrypoint(_CommandLine):
    pass


@frozen
class Copy(Instruction):
    sources: tuple[Word, ...]
    documents: tuple[Heredoc, ...]  # inline files, copied after the sources
    dest: Word
    origin: Word | None = None  # --from
    chown: Word | None = None
    chmod: Word | None = None
    link: Word | None = None  # the flag, when it is on
    parents: Word | None = None
    excludes: tuple[Word, ...] = ()


@frozen
class Add(Instruction):
    sources: tuple[Word, ...]
    documents: tuple[Heredoc, ...]
    dest: Word
    chown: Word | None = None
    chmod: Word | None = None
    link: Word | None = None
    excludes: tuple[Word, ...] = ()
    checksum: Word | None = None
    keep_git_dir: bool | None = None  # None: not said
    unpack: bool | None = None
    keep_git_dir_flag: Word | None = None
    unpack_flag: Word | None = None


@frozen
class Workdir(Instruction):
    path: Word


@frozen
class User(Instruction):
    user: Word


@frozen
class Expose(Instruction):
    ports: tuple[Word, ...]  # sorted by text, as BuildKit has it


@frozen
class Volume(Instruction):
    paths: tuple[Word, ...]


@frozen
class Stopsignal(Instruction):
    signal: Word


@frozen
class Shell(Instruction):
    words: tuple[str, ...]


@frozen
class Healthcheck(Instruction):
    """`test` begins with NONE, CMD or CMD-SHELL; durations in nanoseconds, 0 for "inherit"."""

    test: tuple[str, ...]
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@frozen
class Onbuild(Instruction):
    trigger: str  # the text to run in a child's build, heredocs included


@frozen
class Maintainer(Instruction):
    author: str


Command: TypeAlias = (
    "Add | Arg | Cmd | Copy | Entrypoint | Env | Expose | Healthcheck | Label | Maintainer | Onbuild | Run | Shell"
    " | Stopsignal | User | Volume | Workdir"
)


@frozen
class Stage:
    """A FROM and what follows it."""

    start: From
    commands: tuple[Command, ...]

    @property
    def name(self) -> str:
        return self.start.stage_name
