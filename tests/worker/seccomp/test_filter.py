"""The filter does what the profile says: run here, instruction by instruction, on calls of every number."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.worker.seccomp import ARCHITECTURES, FAKING_MACHINES, compile_filter, default_profile, filter_program
from llbuild.worker.seccomp.bpf import MAX_INSTRUCTIONS, Instruction, branch, encode, result
from llbuild.worker.seccomp.notify import compile_notify
from llbuild.worker.seccomp.profile import DEFAULT_CAPABILITIES, Check, Verdict
from llbuild.worker.seccomp.table import COLUMNS, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from llbuild.worker.seccomp.profile import Abi, Profile

ALLOW, KILL = 0x7FFF_0000, 0x8000_0000
EPERM, ENOSYS = 0x5_0000 | errno.EPERM, 0x5_0000 | errno.ENOSYS
PROGRAMS = {machine: compile_filter([default_profile(abi) for abi in abis]) for machine, abis in ARCHITECTURES.items()}


def outcome(program: Sequence[Instruction], audit: int, number: int, args: Sequence[int] = (), *, big: bool) -> int:
    """What the kernel would make of a call; as it, this knows loads, AND, jumps and results."""
    data = number.to_bytes(4, "big" if big else "little") + audit.to_bytes(4, "big" if big else "little") + bytes(8)
    for argument in [*args, *[0] * 6][:6]:
        data += argument.to_bytes(8, "big" if big else "little")
    at = accumulator = 0
    while True:
        code, jump_true, jump_false, value = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = int.from_bytes(data[value : value + 4], "big" if big else "little")
            case 0x54:
                accumulator &= value
            case 0x05:
                at += value
            case 0x06:
                return value
            case 0x15 | 0x25 | 0x35:
                compared = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}
                at += jump_true if compared[code] else jump_false
            case other:
                raise AssertionError(f"code {other:#x}")


def call(machine: str, name: str, *args: int, abi: int = 0) -> int:
    """The outcome of a call by name."""
    form = ARCHITECTURES[machine][abi]
    for line in TABLE.splitlines():
        found, *numbers = line.split() or [""]
        if found == name:
            number = numbers[COLUMNS.index(form.column)] if len(numbers) > 1 else numbers[0]
            return outcome(PROGRAMS[machine], form.audit, int(number), args, big=form.big_endian)
    raise AssertionError(name)


def expected(profile: Profile, number: int, args: Sequence[int]) -> int:
    found = profile.calls.get(number, Verdict.REFUSE if number <= profile.newest else Verdict.UNKNOWN)
    if isinstance(found, Check):
        inside = args[found.argument] & found.mask & 0xFFFF_FFFF in found.values
        found = Verdict.ALLOW if inside != found.unless else Verdict.REFUSE
    return {Verdict.ALLOW: ALLOW, Verdict.REFUSE: EPERM, Verdict.UNKNOWN: ENOSYS}[found]


FORMS = [(machine, abi) for machine, abis in ARCHITECTURES.items() for abi in abis]


@pytest.mark.parametrize(("machine", "abi"), FORMS, ids=[f"{machine}-{abi.column}" for machine, abi in FORMS])
def test_every_number_leads_to_what_the_profile_says(machine: str, abi: Abi) -> None:
    profile = default_profile(abi)
    numbers = [*range(600), *profile.calls, 0xF_0000, 0xF_0006, 0x4000_0000, 0x4000_0001, 0xFFFF_FFFF]
    for number in numbers:
        for args in ([0] * 6, [2**32 - 1] * 6):
            got = outcome(PROGRAMS[machine], abi.audit, number, args, big=abi.big_endian)
            assert got == expected(profile, number, args), number


@given(st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6), st.sampled_from(["clone", "personality", "socket"]))
def test_arguments_count_as_the_kernel_takes_them(args: list[int], name: str) -> None:
    low = args[0] & 0xFFFF_FFFF
    permitted = {
        "clone": low & 0x7E02_0000 == 0,
        "personality": low in {0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF},
        "socket": low not in {38, 40},
    }
    assert (call("x86_64", name, *args) == ALLOW) == permitted[name]


@pytest.mark.parametrize(
    ("name", "args", "want"),
    [
        ("read", (), ALLOW),
        ("execve", (), ALLOW),
        ("ptrace", (), ALLOW),
        ("chroot", (), ALLOW),  # a default capability permits it
        ("clone", (0x11,), ALLOW),  # a fork
        ("clone", (0x11 | 0x1000_0000,), EPERM),  # with a user namespace
        ("clone3", (), ENOSYS),
        ("socket", (1,), ALLOW),
        ("socket", (16,), ALLOW),
        ("socket", (40,), EPERM),
        ("socket", (40 | 1 << 32,), EPERM),  # what the kernel sees is 40
        ("personality", (0xFFFF_FFFF,), ALLOW),
        ("personality", (0x40_0000,), EPERM),
        ("mount", (), EPERM),
        ("unshare", (), EPERM),
        ("bpf", (), EPERM),
        ("process_vm_readv", (), ALLOW),
        ("open_by_handle_at", (), EPERM),
    ],
)
def test_a_step_may_call_what_a_docker_container_may(name: str, args: tuple[int, ...], want: int) -> None:
    assert call("x86_64", name, *args) == want
    assert call("aarch64", name, *args) == want


def test_programs_of_32_bits_are_held_to_the_same() -> None:
    for name, want in (("read", ALLOW), ("mount", EPERM), ("umount", EPERM), ("stime", EPERM), ("clone3", ENOSYS)):
        assert call("x86_64", name, abi=1) == want
    assert call("x86_64", "clone", 0x1000_0011, abi=1) == EPERM


def test_x32_fails_as_on_a_kernel_without_it() -> None:
    number_of_read_on_x32 = 0x4000_0000
    assert outcome(PROGRAMS["x86_64"], 0xC000_003E, number_of_read_on_x32, big=False) == ENOSYS


def test_other_ways_to_call_the_kernel_end_the_process() -> None:
    assert outcome(PROGRAMS["aarch64"], 0xC000_003E, 0, big=False) == KILL


def test_s390_has_the_flags_of_clone_in_its_second_argument() -> None:
    assert call("s390x", "clone", 2**64 - 1, 0x11) == ALLOW
    assert call("s390x", "clone", 0, 0x1000_0011) == EPERM


def test_capabilities_open_what_needs_them() -> None:
    (abi, _) = ARCHITECTURES["x86_64"]
    more = default_profile(abi, DEFAULT_CAPABILITIES | {"CAP_SYS_ADMIN"})
    mount, unshare, clone, clone3, kexec_load = 165, 272, 56, 435, 246
    assert [more.calls.get(number) for number in (mount, unshare, clone, clone3)] == [Verdict.ALLOW] * 4
    assert kexec_load not in more.calls


NOTIFY = 0x7FC0_0000
FAKED = {machine: msgpack.unpackb(compile_notify(machine), strict_map_key=False) for machine in FAKING_MACHINES}


def handed_over(machine: str, number: int, args: Sequence[int] = (), abi: int = 0) -> bool:
    data = FAKED[machine]["program"]
    program = [Instruction(*row) for row in struct.iter_unpack("=HBBI", data)]
    result = outcome(program, ARCHITECTURES[machine][abi].audit, number, args, big=False)
    assert result in (ALLOW, NOTIFY)
    return result == NOTIFY


@pytest.mark.parametrize("machine", FAKING_MACHINES)
def test_calls_about_ids_are_handed_over_and_no_others(machine: str) -> None:
    for abi, form in enumerate(ARCHITECTURES[machine]):
        calls = FAKED[machine]["calls"][form.audit]
        for number in range(600):
            if number not in calls:
                assert not handed_over(machine, number, (2**64 - 1,) * 6, abi)
            elif calls[number] not in ("open", "openat", "prctl", "unshare", "clone"):
                assert handed_over(machine, number, (0,) * 6, abi)
        names = set(calls.values())
        assert {"fchownat", "setresuid", "getgroups", "statx", "mkdirat", "openat2", "chroot"} <= names
        assert ("newfstatat" in names) == (abi == 0)  # the struct of 32-bit programs is another one
    assert ARCHITECTURES[machine][0].audit in FAKED[machine]["calls"]


def test_opening_is_handed_over_where_it_may_make_a_file() -> None:
    openat, open_, prctl, unshare = 257, 2, 157, 272
    assert not handed_over("x86_64", openat, (0, 0, os.O_RDWR | os.O_TRUNC))
    assert handed_over("x86_64", openat, (0, 0, os.O_CREAT))
    assert handed_over("x86_64", openat, (0, 0, 1 << 40 | os.O_CREAT))
    assert handed_over("x86_64", openat, (0, 0, os.O_TMPFILE))
    assert not handed_over("x86_64", openat, (os.O_CREAT, os.O_CREAT, os.O_DIRECTORY))
    assert handed_over("x86_64", open_, (0, os.O_CREAT))
    assert handed_over("x86_64", prctl, (29,))
    assert not handed_over("x86_64", prctl, (8,))
    assert handed_over("x86_64", unshare, (0x1000_0000,))
    assert not handed_over("x86_64", unshare, (0x400,))


def test_programs_are_small_and_every_path_is_short() -> None:
    for machine, program in PROGRAMS.items():
        assert len(program) < MAX_INSTRUCTIONS / 8, machine


def test_a_branch_reaches_farther_than_a_conditional_jump() -> None:
    program = [*branch("==", 1, [result(7)], [result(8)] * 300)]
    assert outcome([(0x20, 0, 0, 0), *program], 0, 1, big=False) == 7  # type: ignore[list-item]  # plain tuples do
    assert outcome([(0x20, 0, 0, 0), *program], 0, 2, big=False) == 8  # type: ignore[list-item]  # likewise


def test_the_program_is_kept_and_one_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    first = filter_program(str(tmp_path))
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == first
    assert filter_program(str(tmp_path)) == first
    kept.write_bytes(first[:-3])
    assert filter_program(str(tmp_path)) == first
    assert first == encode(PROGRAMS[os.uname().machine])


def test_without_a_folder_to_keep_it_in_it_is_made_all_the_same(tmp_path: Path) -> None:
    assert filter_program(str(tmp_path / "missing")) == filter_program(str(tmp_path))
