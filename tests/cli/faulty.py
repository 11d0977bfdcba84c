"""A command that ends in every way a command can; `test_main` runs it as `llbuild faulty HOW`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from llbuild.digest import Digest
from llbuild.errors import ExecError, LlbuildError, UsageError


def run(argv: Sequence[str]) -> int:
    match [word for word in argv if word != "--debug"]:
        case ["ours"]:
            raise LlbuildError("the frobnicator is empty", hint="fill it")
        case ["exec"]:
            raise ExecError("exited with code 3", vertex=Digest("blake3:" + "0" * 64), exit_code=3)
        case ["usage"]:
            raise UsageError("--this and --that contradict each other")
        case ["bug"]:
            raise ValueError("two\nlines")
        case ["assertion"]:
            raise AssertionError
        case ["denied"]:
            raise PermissionError(13, "Permission denied", "/var/lib/llbuild")
        case ["full"]:
            raise OSError(28, "No space left on device", "/state/a", None, "/state/b")
        case ["code"]:
            return 42
        case ["flood"]:
            while True:
                print("y" * 70)
        case ["print", text]:
            print(text)
        case ["wait"]:
            print("ready", flush=True)
            while True:
                signal.pause()
        case ["wait-in-loop"]:
            import anyio

            anyio.run(_wait_forever)
    return 0


async def _wait_forever() -> None:
    import anyio

    try:
        print("ready", flush=True)
        await anyio.sleep_forever()
    finally:
        print("cleaned up", file=sys.stderr, flush=True)
