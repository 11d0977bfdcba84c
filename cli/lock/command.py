"""`llbuild lock`: ask anew what the sources of a build are, and write it down. Nothing is built."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ...errors import LlbuildError, SourceError, UsageError
from ...image import parse_reference
from ...values import frozen
from ...worker.source import Pins
from ..compile_options import CompileOptions, add_compile_flags, read_compile_options
from ..compiling import Compiling, open_lookup, whole_input
from ..given import AgentSource, SecretSource, parse_secret, unique_agents
from ..job import BuildView
from ..parser import CommandParser, GlobalOptions, read_globals, start_log
from ..state import open_state
from .opening import Lock, lock_path, open_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from ...worker.source import Pin, SourceName

    Locked: TypeAlias = Mapping[SourceName, Pin]

__all__ = ["run"]

_SHORT = 12  # digits of a digest that people compare


@frozen
class LockOptions:
    """What is locked, and how."""

    globals: GlobalOptions
    compile: CompileOptions
    lock: str = ""
    only: tuple[str, ...] = ()
    check: bool = False
    prune: bool = False
    secrets: tuple[SecretSource, ...] = ()
    agents: tuple[AgentSource, ...] = ()


def run(argv: Sequence[str]) -> int:
    """`llbuild lock`. Exit code 1 also when --check finds that the file is not what it would be."""
    options = parse_options(argv, os.environ)
    start_log(options.globals)
    view = BuildView()
    try:
        lock, now = refresh(options, view)
    except UsageError:
        raise
    except LlbuildError as error:
        from ..failure import report_failure

        report_failure(error, view, debug=options.globals.debug)
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in changes(lock.held, now)))
    if options.check:
        there = os.path.exists(lock.path)
        same = there and now == lock.held
        words = "is up to date" if same else "is not up to date" if there else "is not there"
        print(f"{lock.path} {words}: {_count(now)}")
        return 0 if same else 1
    print(f"{lock.path}: {_count(now)}, {'written' if lock.save(now) else 'unchanged'}")
    return 0


def parse_options(argv: Sequence[str], environ: Mapping[str, str]) -> LockOptions:
    """Raises UsageError; SystemExit after --help."""
    parser = CommandParser(
        "lock",
        "Ask what the images, repositories and files of a build are now, and write that into the lock file, for builds"
        " with --lock and --locked. Nothing is built. What other builds have in the file stays.",
        usage="llbuild lock [flags] [CONTEXT]",
    )
    add_compile_flags(parser)
    parser.add_value("--lock", metavar="FILE", help="the lock file (default: CONTEXT/llbuild.lock)")
    parser.add_value(
        "--only", metavar="SOURCE", many=True, help="ask about this image, repository or URL; may be repeated"
    )
    parser.add_flag("--check", help="write nothing; exit with 1 when the file is not what it would be")
    parser.add_flag("--prune", help="drop what this build does not use")
    parser.add_value("--secret", metavar="SPEC", many=True, help="id=ID[,src=FILE|,env=NAME]: what logs in")
    parser.add_value("--ssh", metavar="SPEC", many=True, help="default|ID[=SOCKET|=KEY[,KEY]]: ssh agent")
    found = parser.parse(argv)
    if found.lock == "" or (found.lock and os.path.isdir(found.lock)):
        raise UsageError(f"--lock {found.lock!r}: expected a file, e.g. llbuild.lock")
    globals_ = read_globals(found, environ)
    return LockOptions(
        globals=globals_,
        compile=read_compile_options(found, environ, globals_.config.defaults),
        lock=found.lock or "",
        only=tuple(found.only or ()),
        check=found.check,
        prune=found.prune,
        secrets=tuple(map(parse_secret, found.secret or ())),
        agents=unique_agents(found.ssh or ()),
    )


def refresh(options: LockOptions, view: BuildView) -> tuple[Lock, Locked]:
    """The lock file as it is, and what it is to say. Raises LlbuildError."""
    from .resolving import resolve_online

    given = whole_input(options.compile, None, view)
    lock = open_lock(lock_path(options.lock, given.context), writes=not options.check)
    wanted = {name for name in lock.held if not options.only or _meant(name, options.only)}
    pins = Pins({name: pin for name, pin in lock.held.items() if name not in wanted}, file=lock.path)
    state = open_state(options.globals.root)
    lookup, prober = open_lookup(given, state, pins)
    compiling = Compiling(given, lookup, view, prober)
    resolve_online(compiling, state, options.globals.config, (options.secrets, options.agents))
    now = pins.used if options.prune else {**lock.held, **pins.used}
    _check_named(options.only, {**lock.held, **pins.used})
    return lock, now


def _meant(name: SourceName, texts: Iterable[str]) -> bool:
    return any(text in (str(name), name.name) or _canonical(text) == name.name for text in texts)


def _canonical(text: str) -> str:
    """An image as lock files name it; "" for what is none."""
    try:
        return str(parse_reference(text))
    except SourceError:
        return ""


def _check_named(texts: Iterable[str], there: Iterable[SourceName]) -> None:
    names = list(there)
    for text in texts:
        if not any(_meant(name, [text]) for name in names):
            known = ", ".join(sorted(map(str, names))) or "nothing that is not pinned already"
            raise UsageError(f"--only {text!r} is no source of this build", hint=f"it uses {known}")


def changes(before: Locked, now: Locked) -> list[str]:
    """What is new, another or gone, a line each, sorted."""
    lines = []
    for name in sorted({*before, *now}, key=str):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if new is None:
            lines.append(f"{name}: dropped")
        elif old is None:
            lines.append(f"{name}: {_short(new)}, new")
        elif old.digest != new.digest:
            lines.append(f"{name}: {_short(old)} -> {_short(new)}")
        else:
            lines.append(f"{name}: {_short(new)}, the same under another name or of another time")
    return lines


def _count(pins: Locked) -> str:
    return f"{len(pins)} source{'' if len(pins) == 1 else 's'}"


def _short(pin: Pin) -> str:
    algorithm, colon, digits = pin.digest.rpartition(":")
    return f"{algorithm}{colon}{digits[:_SHORT]}"
