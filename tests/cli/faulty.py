"""A command that ends in every way a command can; `test_main` runs it as `llbuild faulty HOW`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from llbuild.digest import Digest
from llbuild.errors import ExecError, LlbuildError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ERRORS = {
    "ours": LlbuildError("the frobnicator is empty", hint="fill it"),
    "exec": ExecError("exited with code 3", vertex=Digest("blake3:" + "0" * 64), exit_code=3),
    "usage": UsageError("--this and --that contradict each other"),
    "bug": ValueError("two\nlines"),
    "assertion": AssertionError(),
    "denied": PermissionError(13, "Permission denied", "/var/lib/llbuild"),
    "full": OSError(28, "No space left on device", "/state/a", None, "/state/b"),
    "memory": MemoryError(),
    "group": ExceptionGroup(
        "of tasks", [ExceptionGroup("inner", [OSError(28, "No space left on device", "/state/a")])]
    ),
    "group-bug": ExceptionGroup("of tasks", [KeyError("x")]),
}


def run(argv: Sequence[str]) -> int:
    match [word for word in argv if word != "--debug"]:
        case ["code"]:
            return 42
        case ["flood"]:
            while True:
                sys.stdout.write("y" * 70 + "\n")
        case ["print", text]:
            sys.stdout.write(f"{text}\n")
        case ["wait"]:
            _say_ready()
            while True:
                signal.pause()
        case ["wait-in-loop"]:
            import anyio

            anyio.run(_wait_forever)
        case [how]:
            raise _ERRORS[how]
    return 0


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


async def _wait_forever() -> None:
    import anyio

    try:
        _say_ready()
        await anyio.sleep_forever()
    finally:
        sys.stderr.write("cleaned up\n")
