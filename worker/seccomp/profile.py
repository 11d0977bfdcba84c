"""What is permitted to whom, read from the table: values that the compiler turns into a program."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ...values import frozen
from .table import COLUMNS, NEWEST, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_CAPABILITIES",
    "Abi",
    "Check",
    "Profile",
    "Verdict",
    "default_profile",
    "named_rules",
]


@frozen
class Abi:
    """One way to call the kernel: its number in linux/audit.h, and its column in the table."""

    audit: int
    column: str
    big_endian: bool = False


_X86_64 = Abi(audit=0xC000_003E, column="x86_64")
_X86 = Abi(audit=0x4000_0003, column="x86")
_AARCH64 = Abi(audit=0xC000_00B7, column="aarch64")
_ARM = Abi(audit=0x4000_0028, column="arm")

# By uname's name of the machine: what programs on it may use, the 32-bit forms included. x32, which shares x86-64's
# number in linux/audit.h, is not among them: its calls have numbers that look new, and fail as such.
ARCHITECTURES: Mapping[str, tuple[Abi, ...]] = {
    "x86_64": (_X86_64, _X86),
    "aarch64": (_AARCH64, _ARM),
    "riscv64": (Abi(audit=0xC000_00F3, column="aarch64"),),
    "loongarch64": (Abi(audit=0xC000_0102, column="aarch64"),),
    "ppc64le": (Abi(audit=0xC000_0015, column="ppc64"),),
    "s390x": (Abi(audit=0x8000_0016, column="s390x", big_endian=True),),
}

DEFAULT_CAPABILITIES = frozenset(
    f"CAP_{name}"
    for name in (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)


@frozen
class Check:
    """Permitted if the masked low half of an argument is one of `values`; with `unless`, if it is none of them.

    The low half only: all of these arguments are 32 bits to the kernel, which ignores what is above. A comparison
    of all 64 would let through what becomes a forbidden value afterwards.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFF_FFFF
    unless: bool = False


class Verdict(Enum):
    """What becomes of a call, when no argument has a say in it."""

    ALLOW = "allow"
    REFUSE = "refuse"  # EPERM
    UNKNOWN = "unknown"  # ENOSYS: the program tries another way


@frozen
class Profile:
    """What the calls of one ABI lead to, by number. What is not here is refused up to `newest`, and unknown above."""

    abi: Abi
    calls: Mapping[int, Verdict | Check]
    newest: int


_NEW_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET: linux/sched.h
_ADDR_NO_RANDOMIZE_ETC = (0x0, 0x8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF)  # PER_LINUX, PER_LINUX32, with UNAME26; a query
_AF_ALG, _AF_VSOCK = 38, 40  # the kernel's crypto interface; the hypervisor, which no network namespace confines


def default_profile(abi: Abi, capabilities: frozenset[str] = DEFAULT_CAPABILITIES) -> Profile:
    """Docker's default, for a process that has these capabilities."""
    calls: dict[int, Verdict | Check] = {}
    administrator = "CAP_SYS_ADMIN" in capabilities
    for condition, name, number in _rows(COLUMNS.index(abi.column)):
        if condition == "always" or capabilities.intersection(condition.split()):
            calls[number] = Verdict.ALLOW
        elif condition == "by its arguments":
            calls[number] = Verdict.ALLOW if administrator and name.startswith("clone") else _by_arguments(name, abi)
    return Profile(abi=abi, calls=calls, newest=NEWEST)


def named_rules(abi: Abi) -> tuple[list[str], dict[str, Check | None]]:
    """The default profile by name, for a process with the default capabilities: what is permitted always, and what by
    its arguments (None: never, and as if it did not exist)."""
    always, checks = [], dict[str, Check | None]()
    for condition, name, _ in _rows(None):
        if condition == "always" or DEFAULT_CAPABILITIES.intersection(condition.split()):
            always.append(name)
        elif condition == "by its arguments":
            found = _by_arguments(name, abi)
            checks[name] = found if isinstance(found, Check) else None
    return always, checks


def _by_arguments(name: str, abi: Abi) -> Verdict | Check:
    match name:
        case "clone":  # no namespaces of one's own; s390 has the first two arguments the other way round
            return Check(argument=1 if abi.column == "s390x" else 0, values=(0,), mask=_NEW_NAMESPACES)
        case "clone3":  # its flags are in memory, where a filter cannot look: so C libraries turn to clone
            return Verdict.UNKNOWN
        case "personality":
            return Check(argument=0, values=_ADDR_NO_RANDOMIZE_ETC)
        case "socket":
            return Check(argument=0, values=(_AF_ALG, _AF_VSOCK), unless=True)
        case other:
            raise AssertionError(f"no rule for {other}")


def _rows(column: int | None) -> Iterator[tuple[str, str, int]]:
    """Condition, name and number of each call there is in that column; None: of all, and the number is 0."""
    condition = ""
    for line in TABLE.split("\n"):
        if line.startswith("["):
            condition = line.strip("[]")
            continue
        name, *numbers = line.split() or [""]
        if name and column is None:
            yield condition, name, 0
        elif name and column is not None:
            number = numbers[column if len(numbers) > 1 else 0]
            if number != "-":
                yield condition, name, int(number)
