"""How processes are run and confined: the flags of every command that runs any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from .parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parser import CommandParser

__all__ = [
    "add_runtime_flag",
    "add_security_flag",
    "add_snapshotter_flag",
    "read_snapshotter",
    "snapshotter_name",
    "wants_seccomp",
]

SNAPSHOTTERS = ("overlay", "fuse-overlayfs", "native")  # the worker's, without loading it for a flag


def add_security_flag(parser: CommandParser) -> None:
    parser.add_value(
        "--security-opt", metavar="OPTION", many=True, help="seccomp=unconfined: do not filter system calls"
    )


def add_runtime_flag(parser: CommandParser) -> None:
    parser.add_value(
        "--oci-runtime", metavar="PROGRAM", help="run steps by runc or crun instead of the built-in sandbox"
    )


def add_snapshotter_flag(parser: CommandParser) -> None:
    parser.add_value(
        "--snapshotter",
        metavar="NAME",
        help=f"how layers become a filesystem: {', '.join(SNAPSHOTTERS)} (default: the first that works)",
    )


def snapshotter_name(text: str) -> str:
    """Raises ValueError for one that does not exist; "" and auto: the first that works."""
    if text in {"", "auto"}:
        return ""
    if text not in SNAPSHOTTERS:
        known = ", ".join(SNAPSHOTTERS)
        raise ValueError(f"unknown snapshotter {text!r}{suggestion(text, SNAPSHOTTERS)}; there are {known}, auto")
    return text


def read_snapshotter(flag: str | None, configured: str) -> str:
    """What the flag says, or else the config file. Raises UsageError."""
    try:
        return configured if flag is None else snapshotter_name(flag)
    except ValueError as error:
        raise UsageError(f"--snapshotter: {error}") from None


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
