"""`--security-opt`: how processes are confined, for every command that runs any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parser import CommandParser

__all__ = ["add_runtime_flag", "add_security_flag", "wants_seccomp"]


def add_security_flag(parser: CommandParser) -> None:
    parser.add_value(
        "--security-opt", metavar="OPTION", many=True, help="seccomp=unconfined: do not filter system calls"
    )


def add_runtime_flag(parser: CommandParser) -> None:
    parser.add_value(
        "--oci-runtime", metavar="PROGRAM", help="run steps by runc or crun instead of the built-in sandbox"
    )


def wants_seccomp(texts: Sequence[str] | None) -> bool:
    """Whether system calls are to be filtered; of several options the last counts. Raises UsageError."""
    wanted = True
    for text in texts or ():
        name, _, value = text.partition("=")
        if name != "seccomp" or value not in {"unconfined", "builtin"}:
            hint = "only Docker's default profile is there, which holds without being asked for"
            raise UsageError(f"--security-opt {text!r}: expected seccomp=unconfined", hint=hint)
        wanted = value == "builtin"
    return wanted
