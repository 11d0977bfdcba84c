"""The compiled filter of this machine, kept in the state folder: compiling takes some ms, reading it next to none."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import SandboxError
from ...smallfiles import write_aside
from ..owners import remembering

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNCONFINED", "filter_program", "notify_program"]

UNCONFINED = "unconfined"

VERSION = 1  # goes up with every change of the table, the rules or the compiler
_ACTIONS = "/proc/sys/kernel/seccomp/actions_avail"
NOTIFY_VERSION = 2  # likewise, of notify.py


def filter_program(folder: str, profile: str = "") -> bytes:
    """A profile as struct sock_filter[]. `profile`: the path of a file; "": the default; UNCONFINED: none, so b"".

    The default's is kept in `folder`, where that can be written. The kernel's version has no part in it: the oldest
    one llbuild works on knows every condition of that profile.
    Raises SandboxError on an architecture there are no numbers for, and saying what is wrong in a file.
    """
    if profile:
        return b"" if profile == UNCONFINED else _compile_own(profile)
    machine = os.uname().machine
    return _kept(os.path.join(folder, f"seccomp-{VERSION}-{machine}"), lambda: _compile(machine), _is_program)


def notify_program(folder: str) -> bytes:
    """What `compile_notify` makes for this machine, likewise kept; b"" where ids are real, or it cannot be helped."""
    machine = os.uname().machine
    if not remembering():
        return b""
    with suppress(OSError), open(_ACTIONS, encoding="ascii") as file:
        if "user_notif" not in file.read().split():
            return b""

    def make() -> bytes:
        from .notify import FAKING_MACHINES, compile_notify

        return compile_notify(machine) if machine in FAKING_MACHINES else b""

    return _kept(os.path.join(folder, f"seccomp-ids-{NOTIFY_VERSION}-{machine}"), make, _is_msgpack)


def _kept(path: str, make: Callable[[], bytes], intact: Callable[[bytes], bool]) -> bytes:
    with suppress(OSError):
        with open(path, "rb") as file:
            found = file.read()
        if intact(found):
            return found
    made = make()
    with suppress(OSError):  # it is made again, then
        write_aside(path, made)
    return made


def _is_program(found: bytes) -> bool:
    return len(found) > 0 and len(found) % 8 == 0


def _is_msgpack(found: bytes) -> bool:
    import msgpack

    try:
        msgpack.unpackb(found, strict_map_key=False)
    except (ValueError, msgpack.UnpackException):
        return False
    return True


def _compile(machine: str) -> bytes:
    from .bpf import encode
    from .compiler import compile_filter
    from .profile import ARCHITECTURES, default_profile

    if machine not in ARCHITECTURES:
        raise SandboxError(
            f"system calls cannot be filtered on {machine}: the profile knows only {', '.join(sorted(ARCHITECTURES))}",
            hint="--security-opt seccomp=unconfined runs steps without a filter",
        )
    return encode(compile_filter([default_profile(abi) for abi in ARCHITECTURES[machine]]))


def _compile_own(path: str) -> bytes:
    from .bpf import MAX_INSTRUCTIONS, encode
    from .own import read_profile, this_machine
    from .rules import compile_own

    program = compile_own(read_profile(path, this_machine()))
    if len(program) > MAX_INSTRUCTIONS:
        raise SandboxError(
            f"the seccomp profile {path} makes a filter of {len(program)} instructions; Linux takes {MAX_INSTRUCTIONS}"
        )
    return encode(program)
