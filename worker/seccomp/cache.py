"""The compiled filter of this machine, kept in the state folder: compiling takes some ms, reading it next to none."""

from __future__ import annotations

import os
from contextlib import suppress

from ...errors import SandboxError

__all__ = ["filter_program"]

VERSION = 1  # goes up with every change of the table, the rules or the compiler


def filter_program(folder: str) -> bytes:
    """The default profile as struct sock_filter[]; kept in `folder`, where that can be written.

    The kernel's version has no part in it: the oldest one llbuild works on knows every condition of the profile.
    Raises SandboxError on an architecture the profile has no numbers for.
    """
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


def _keep(path: str, program: bytes) -> None:
    new = f"{path}.{os.getpid()}"
    with open(new, "wb") as file:  # noqa: PTH123
        file.write(program)
    os.replace(new, path)
