"""Emulators of this machine for programs of other architectures: which there are, and how the kernel is told of one.

A registration is a line of binfmt_misc: how a program of that architecture begins, and who runs it. The beginnings are
those of ELF(5): class, byte order, type (a program, or one that can lie anywhere) and machine.
"""

from __future__ import annotations

import os
import shutil
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from ..platforms import Platform

__all__ = ["Emulator", "find_emulator", "is_registered", "registration", "runs_here"]

_PLACES = "/usr/local/bin:/usr/bin:/bin:/usr/libexec/qemu-binfmt"
_REGISTERED = "/proc/sys/fs/binfmt_misc"
_NATIVE_TOO = {"amd64": ("386",), "arm64": ("arm",)}  # 32-bit programs, if the processor and the kernel have the mode
_LONGEST_PATH = 127  # of a path with "F", BINPRM_BUF_SIZE of older kernels
_PT_INTERP = 3


@frozen
class _Machine:
    """qemu's name, bits of a word, and EM_* of linux/elf-em.h."""

    qemu: str
    bits: int
    number: int
    big_endian: bool = False


_MACHINES = {
    "386": _Machine(qemu="i386", bits=32, number=3),
    "amd64": _Machine(qemu="x86_64", bits=64, number=62),
    "arm": _Machine(qemu="arm", bits=32, number=40),
    "arm64": _Machine(qemu="aarch64", bits=64, number=183),
    "loong64": _Machine(qemu="loongarch64", bits=64, number=258),
    "mips64": _Machine(qemu="mips64", bits=64, number=8, big_endian=True),
    "mips64le": _Machine(qemu="mips64el", bits=64, number=8),
    "ppc64le": _Machine(qemu="ppc64le", bits=64, number=21),
    "riscv64": _Machine(qemu="riscv64", bits=64, number=243),
    "s390x": _Machine(qemu="s390x", bits=64, number=22, big_endian=True),
}


@frozen
class Emulator:
    """A program that runs those of `architecture`; `line`: its registration."""

    architecture: str
    path: str
    line: str


def runs_here(platform: Platform, host: Platform) -> bool:
    """Whether programs for the platform need no emulator on this machine."""
    native = (host.architecture, *_NATIVE_TOO.get(host.architecture, ()))
    return platform.os != host.os or platform.architecture in native


def is_registered(architecture: str) -> bool:
    """Whether the machine's own binfmt_misc has an emulator under the name that Debian and others give it."""
    machine = _MACHINES.get(architecture)
    name = f"qemu-{machine.qemu if machine else architecture}"
    return any(os.path.exists(f"{_REGISTERED}/{entry}") for entry in (name, f"{name}-static"))


@lru_cache
def find_emulator(architecture: str) -> Emulator | None:
    """A static qemu for it, on PATH: whatever a step's root holds, that one can start there."""
    machine = _MACHINES.get(architecture)
    if machine is None:
        return None
    for name in (f"qemu-{machine.qemu}-static", f"qemu-{machine.qemu}"):
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")
        if path is not None:
            path = os.path.realpath(path)
            if _is_static(path) and ":" not in path and len(os.fsencode(path)) <= _LONGEST_PATH:
                return Emulator(architecture=architecture, path=path, line=registration(architecture, path))
    return None


def registration(architecture: str, path: str) -> str:
    """The line. Flags: the program keeps its name (P), is opened by the kernel (O), with the rights that its own bits
    give (C), by an emulator that is opened when this is registered (F). P needs qemu 6.0 or later."""
    machine = _MACHINES[architecture]
    order = ">" if machine.big_endian else "<"
    start = b"\x7fELF" + bytes([1 if machine.bits == 32 else 2, 2 if machine.big_endian else 1, 1, 0])
    magic = start + bytes(8) + struct.pack(f"{order}HH", 2, machine.number)
    mask = b"\xff" * 7 + b"\0" + b"\xff" * 8 + struct.pack(f"{order}HH", 0xFFFE, 0xFFFF)
    return f":llbuild-{architecture}:M::{_escaped(magic)}:{_escaped(mask)}:{path}:POCF"


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def _is_static(path: str) -> bool:
    """Whether it is a 64- or 32-bit ELF program that asks for no dynamic loader."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if len(head) < 52 or head[:4] != b"\x7fELF":
                return False
            wide, order = head[4] == 2, ">" if head[5] == 2 else "<"
            (start,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head, 32 if wide else 28)
            size, count = struct.unpack_from(f"{order}HH", head, 54 if wide else 42)
            for number in range(count):
                file.seek(start + number * size)
                if struct.unpack(f"{order}I", file.read(4))[0] == _PT_INTERP:
                    return False
    except (OSError, struct.error):
        return False
    return True
