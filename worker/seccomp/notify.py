"""Which system calls are not answered by the kernel where there is one id: those about users and owners.

The filter hands them to whoever listens (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)); it lets pass all others, and is
one beside the profile's: the kernel does what the stricter of the two says. What becomes of the calls is the sandbox's
(executor/idkeeper.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from .bpf import ALLOW, branch, encode, keep_bits, load, result
from .profile import ARCHITECTURES
from .table import COLUMNS, TABLE

if TYPE_CHECKING:
    from .bpf import Instruction
    from .profile import Abi

__all__ = ["FAKING_MACHINES", "compile_notify", "notify_calls"]

_USER_NOTIF = 0x7FC0_0000
_NUMBER_AT, _ABI_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_MAKES_FILE = 0x40_0040  # O_CREAT, __O_TMPFILE: asm-generic/fcntl.h, which all of these machines have
_PR_SET_TIMERSLACK = 29
_NEW_WORLD = 0x1002_0000  # CLONE_NEWUSER, CLONE_NEWNS: where ids or paths mean something else

FAKING_MACHINES = ("x86_64", "aarch64", "riscv64", "loongarch64")  # whose struct stat is known to the sandbox

_ALWAYS = (
    *("chown", "fchown", "lchown", "fchownat", "chroot"),
    *("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups"),
    *("getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups"),
    *("stat", "lstat", "fstat", "newfstatat", "statx"),
    *("creat", "openat2", "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"),
)
_IF_ARGUMENT = {  # argument, mask, and the value wanted; None: any but 0
    "open": (1, _MAKES_FILE, None),
    "openat": (2, _MAKES_FILE, None),
    "prctl": (0, 0xFFFF_FFFF, _PR_SET_TIMERSLACK),
    "unshare": (0, _NEW_WORLD, None),
    "clone": (0, _NEW_WORLD, None),
    "setns": (1, 0, 0),
}
_NATIVE_ONLY = {"stat", "lstat", "fstat", "newfstatat"}  # their struct is another one for 32-bit programs
_WIDE = "32"  # what 32-bit calls with ids of 32 bits have at the end


def notify_calls(abi: Abi, *, native: bool) -> dict[int, str]:
    """The calls of one ABI that are handed over: by number, under the name they have on 64-bit machines.

    On 32-bit x86, "getuid" is one with ids of 16 bits and "getuid32" what is meant; ids of 16 bits go by the same name.
    """
    wanted = {*_ALWAYS, *_IF_ARGUMENT}
    column = COLUMNS.index(abi.column)
    calls = {}
    for line in TABLE.split("\n"):
        name, *numbers = line.split() or [""]
        plain = name.removesuffix(_WIDE)
        if not numbers or plain not in wanted or (plain in _NATIVE_ONLY and not native):
            continue
        number = numbers[column if len(numbers) > 1 else 0]
        if number != "-":
            calls[int(number)] = plain
    return calls


def compile_notify(machine: str) -> bytes:
    """As msgpack: the program (struct sock_filter[]), and by the ABI's number in linux/audit.h what it hands over."""
    program = [result(ALLOW)]
    known = {}
    for abi in reversed(ARCHITECTURES[machine]):
        calls = notify_calls(abi, native=abi is ARCHITECTURES[machine][0])
        program = branch("==", abi.audit, [load(_NUMBER_AT), *_by_number(calls, abi)], program)
        known[abi.audit] = calls
    packed: bytes = msgpack.packb({"program": encode([load(_ABI_AT), *program]), "calls": known})
    return packed


def _by_number(calls: dict[int, str], abi: Abi) -> list[Instruction]:
    program = [result(ALLOW)]
    for number in sorted(calls, reverse=True):
        program = branch("==", number, _outcome(calls[number], abi), program)
    return program


def _outcome(name: str, abi: Abi) -> list[Instruction]:
    handed = [result(_USER_NOTIF)]
    if name not in _IF_ARGUMENT:
        return handed
    argument, mask, value = _IF_ARGUMENT[name]
    low_half = _ARGUMENTS_AT + 8 * argument + (4 if abi.big_endian else 0)
    passed = [result(ALLOW)]
    compared = branch("==", 0, passed, handed) if value is None else branch("==", value, handed, passed)
    return [load(low_half), keep_bits(mask), *compared]
