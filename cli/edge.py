"""The last stop of every exception: one clear line on stderr, and an exit code. Never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from ..errors import LlbuildError, UsageError, first_error
from .report import render_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

__all__ = ["conclude", "describe_os_error", "print_traceback"]

_HINTS = {
    errno.ENOSPC: "free some space, or keep the state elsewhere with --root DIR",
    errno.EDQUOT: "free some space, or keep the state elsewhere with --root DIR",
    errno.EROFS: "keep the state on a writable filesystem with --root DIR",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files (ulimit -n)",
}


def conclude(error: BaseException, *, arguments: Sequence[str], exit_code: int) -> int:
    """Say what ended the program and return its exit code.

    `exit_code` is for an interruption; `arguments` tell the command's name and whether --debug was asked for.
    """
    if isinstance(error, BrokenPipeError):
        _silence_output()
        return 141
    try:
        if "--debug" in arguments and not isinstance(error, UsageError):
            print_traceback(error)
        text, code = _verdict(error, arguments, exit_code)
        _settle_stdout()
        sys.stderr.write(text)
        sys.stderr.flush()
    except BrokenPipeError:
        _silence_output()
        return 141
    return code


def _settle_stdout() -> None:
    """What was printed before the end comes before its cause; where that is impossible, it is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence_output(sys.stdout)


def _verdict(error: BaseException, arguments: Sequence[str], exit_code: int) -> tuple[str, int]:
    cause = first_error(error) if isinstance(error, BaseExceptionGroup) else error
    match cause:
        case KeyboardInterrupt():
            return "canceled\n", exit_code
        case UsageError():
            return _usage(cause, arguments), 2
        case LlbuildError():
            return render_error(cause), 1
        case MemoryError():
            return "error: out of memory\n", 1
        case OSError():
            return describe_os_error(cause), 1
        case _:
            return _bug(error, cause, arguments), 1


def describe_os_error(error: OSError) -> str:
    """`error: PATH: what the system said`, and what to do about the common ones."""
    places = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    reason = error.strerror or str(error) or type(error).__name__
    hint = _HINTS.get(error.errno or 0, "")
    return render_error(LlbuildError(f"{' -> '.join(places)}: {reason}" if places else reason, hint=hint))


def _usage(error: UsageError, arguments: Sequence[str]) -> str:
    from .main import COMMANDS, split_command

    command, _ = split_command(arguments)
    program = f"llbuild {command}" if command in COMMANDS else "llbuild"
    hint = error.hint or f"run '{program} --help' for its flags"
    return f"{program}: error: {error.message}\nhint: {hint}\n"


def _bug(error: BaseException, cause: BaseException, arguments: Sequence[str]) -> str:
    headline = f"error: this is a bug in llbuild: {type(cause).__name__}: {_first_line(cause)}\n"
    if "--debug" in arguments:
        return headline
    saved = _save_traceback(error, arguments)
    where = f"the traceback is in {saved}" if saved else "run again with --debug to see the traceback"
    return f"{headline}hint: please report it; {where}\n"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or "(no message)"


def _save_traceback(error: BaseException, arguments: Sequence[str]) -> str:
    import tempfile
    import traceback

    from .. import __version__

    try:
        handle, path = tempfile.mkstemp(prefix="llbuild-bug-", suffix=".txt")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            command = next((word for word in arguments if not word.startswith("-")), "")
            # not the whole command line: build arguments may hold secrets
            file.write(f"llbuild {__version__}, Python {sys.version}, command: {command}\n\n")
            file.writelines(traceback.format_exception(error))
    except OSError:
        return ""
    return path


def print_traceback(error: BaseException) -> None:
    """For --debug."""
    import traceback

    sys.stderr.writelines(traceback.format_exception(error))


def _silence_output(*streams: TextIO) -> None:
    """Point stdout and stderr nowhere, or Python itself complains when it flushes them at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams or (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError):  # not a real file: nothing will be flushed to a pipe
            continue
    os.close(nowhere)
