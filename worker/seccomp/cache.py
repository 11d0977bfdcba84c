"""The compiled filter of this machine, kept in the state folder: compiling takes some ms, reading it next to none."""

from __future__ import annotations

import os
from contextlib import suppress

from ...errors import SandboxError

__all__ = ["UNCONFINED", "filter_program"]

UNCONFINED = "unconfined"

VERSION = 1  # goes up with every change of the table, the rules or the compiler


def filter_program(folder: str, profile: str = "") -> bytes:
    """A profile as struct sock_filter[]. `profile`: the path of a file; "": the default; UNCONFINED: none, so b"".

    The default's is kept in `folder`, where that can be written. The kernel's version has no part in it: the oldest
    one llbuild works on knows every condition of that profile.
    Raises SandboxError on an architecture there are no numbers for, and saying what is wrong in a file.
    """
    if profile:
        return b"" if profile == UNCONFINED else _compile_own(profile)
    machine = os.uname().machine
    path = os.path.join(folder, f"seccomp-{VERSION}-{machine}")
    with suppress(OSError):
        with open(path, "rb") as file:  # noqa: PTH123  this runs before every build
            found = file.read()
        if found and len(found) % 8 == 0:
            return found
    program = _compile(machine)
    with suppress(OSError):  # it is compiled again, then
        _keep(path, program)
    return program


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


def _keep(path: str, program: bytes) -> None:
    new = f"{path}.{os.getpid()}"
    with open(new, "wb") as file:  # noqa: PTH123
        file.write(program)
    os.replace(new, path)
