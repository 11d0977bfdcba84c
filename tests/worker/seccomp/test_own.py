"""Profiles of one's own: what Docker's JSON says is what the filter does, and what is wrong in it is named."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.errors import SandboxError
from llbuild.tests.worker.seccomp.test_filter import ALLOW, ENOSYS, EPERM, KILL, outcome
from llbuild.worker.oci.config import seccomp_config
from llbuild.worker.seccomp import ARCHITECTURES, UNCONFINED, filter_program
from llbuild.worker.seccomp.own import Machine, parse_profile
from llbuild.worker.seccomp.rules import OPERATORS, compile_own

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X86 = Machine("x86_64", (6, 1))
READ, SOCKET, KEYCTL, NEWEST = 0, 41, 250, 471
X86_64, X86_32 = (abi.audit for abi in ARCHITECTURES["x86_64"])


def profile(*syscalls: dict[str, Any], default: str = "SCMP_ACT_ERRNO", **more: Any) -> bytes:
    return json.dumps({"defaultAction": default, "syscalls": syscalls, **more}).encode()


def result(data: bytes, number: int, *args: int, machine: Machine = X86, audit: int = X86_64) -> int:
    big = machine.name == "s390x"
    return outcome(compile_own(parse_profile(data, machine)), audit, number, args, big=big)


def allow(*names: str, **more: Any) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ALLOW", **more}


def test_what_no_rule_names_is_the_default_and_newer_calls_do_not_exist() -> None:
    data = profile(allow("read", "keyctl"))
    assert result(data, READ) == result(data, KEYCTL) == ALLOW
    assert result(data, SOCKET) == EPERM
    assert result(data, NEWEST + 1) == ENOSYS
    assert result(profile(default="SCMP_ACT_ALLOW"), NEWEST + 1) == ALLOW
    assert result(profile(default="SCMP_ACT_KILL_PROCESS"), READ) == KILL
    assert result(profile(default="SCMP_ACT_ERRNO", defaultErrnoRet=5), READ) == 0x5_0000 | 5


@pytest.mark.parametrize(
    ("action", "want"),
    [
        ("SCMP_ACT_KILL", 0),
        ("SCMP_ACT_KILL_THREAD", 0),
        ("SCMP_ACT_KILL_PROCESS", KILL),
        ("SCMP_ACT_TRAP", 0x3_0000),
        ("SCMP_ACT_LOG", 0x7FFC_0000),
        ("SCMP_ACT_TRACE", 0x7FF0_0001),
        ("SCMP_ACT_ERRNO", EPERM),
    ],
)
def test_actions_are_what_the_kernel_calls_them(action: str, want: int) -> None:
    assert result(profile({"name": "read", "action": action}, default="SCMP_ACT_ALLOW"), READ) == want


_WORDS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 3), st.integers(2**32 - 2, 2**32 + 2))
_HOLDS: dict[str, Callable[[int, int, int], bool]] = {
    "NE": lambda found, value, _: found != value,
    "LT": lambda found, value, _: found < value,
    "LE": lambda found, value, _: found <= value,
    "EQ": lambda found, value, _: found == value,
    "GE": lambda found, value, _: found >= value,
    "GT": lambda found, value, _: found > value,
    "MASKED_EQ": lambda found, value, second: found & value == second,
}


@given(
    st.lists(st.tuples(st.sampled_from(OPERATORS), _WORDS, _WORDS), min_size=1, max_size=6),
    st.lists(_WORDS, min_size=6, max_size=6),
    st.sampled_from(["x86_64", "s390x"]),
)
def test_all_comparisons_of_a_rule_count_in_64_bits(
    comparisons: list[tuple[str, int, int]], args: list[int], name: str
) -> None:
    items = [
        {"index": index, "op": f"SCMP_CMP_{operator}", "value": value, "valueTwo": second}
        for index, (operator, value, second) in enumerate(comparisons)
    ]
    holds = all(_HOLDS[op](args[index], value, second) for index, (op, value, second) in enumerate(comparisons))
    machine = Machine(name, (6, 1))
    audit = ARCHITECTURES[name][0].audit
    number = {"x86_64": 0, "s390x": 3}[name]
    got = result(profile(allow("read", args=items)), number, *args, machine=machine, audit=audit)
    assert got == (ALLOW if holds else EPERM)


def test_the_first_rule_that_fits_counts_and_one_without_conditions_counts_always() -> None:
    first = {"index": 0, "op": "SCMP_CMP_EQ", "value": 1}
    second = {"index": 0, "op": "SCMP_CMP_EQ", "value": 2}
    both = profile(allow("socket", args=[first, second]))  # two of one argument: either
    assert [result(both, SOCKET, family) for family in (1, 2, 3)] == [ALLOW, ALLOW, EPERM]
    refused = {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EACCES, "args": [second]}
    mixed = profile(allow("socket", args=[first]), refused)
    assert [result(mixed, SOCKET, family) for family in (1, 2, 3)] == [ALLOW, 0x5_0000 | errno.EACCES, EPERM]
    assert result(profile(refused, allow("socket")), SOCKET, 2) == ALLOW


def test_conditions_are_about_this_machine_and_its_capabilities() -> None:
    def permitted(**more: Any) -> bool:
        return result(profile(allow("read", **more)), READ) == ALLOW

    assert permitted(includes={}, excludes={})
    assert permitted(includes={"caps": ["CAP_CHOWN"], "arches": ["arm64", "amd64"], "minKernel": "4.8"})
    assert not permitted(includes={"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]})
    assert not permitted(includes={"arches": ["s390x"]})
    assert not permitted(includes={"minKernel": "6.2"})
    assert not permitted(excludes={"caps": ["CAP_CHOWN"]})
    assert not permitted(excludes={"arches": ["x86"]})
    assert not permitted(excludes={"minKernel": "6.1"})
    assert permitted(excludes={"caps": ["CAP_SYS_ADMIN"], "arches": ["s390x"], "minKernel": "6.2"})


def test_programs_of_the_other_forms_run_where_the_profile_has_them() -> None:
    both: dict[str, Any] = {
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}]
    }
    assert result(profile(allow("read"), **both), 3, audit=X86_32) == ALLOW
    assert result(profile(allow("read")), 3, audit=X86_32) == KILL
    listed = profile(allow("read"), architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X86_64"])
    assert result(listed, 3, audit=X86_32) == ALLOW
    with pytest.raises(SandboxError, match="not for this machine, x86_64"):
        parse_profile(profile(archMap=[{"architecture": "SCMP_ARCH_S390X"}]), X86)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not JSON: Expecting"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "the file: expected an object"),
        (b"{}", "defaultAction None is none of SCMP_ACT_ALLOW"),
        (profile(default="ALLOW"), "defaultAction 'ALLOW' is none of"),
        (profile(default="SCMP_ACT_NOTIFY"), "needs a listener"),
        (profile(syscall=[]), "unknown key 'syscall'"),
        (profile(architectures=["SCMP_ARCH_X86_64"], archMap=[{}]), "exclude each other"),
        (b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}', "syscalls: expected a list"),
        (b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [7]}', r"syscalls\[0\]: expected an object"),
        (profile({"action": "SCMP_ACT_ALLOW"}), r"syscalls\[0\]: names no system call"),
        (profile({"names": [3], "action": "SCMP_ACT_ALLOW"}), "expected names of system calls, found 3"),
        (profile(allow("read", errnoRet=1)), "errnoRet goes with SCMP_ACT_ERRNO"),
        (profile({"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": -1}), "from 0 to 4095, found -1"),
        (profile(allow("read", args=[{"index": 6, "op": "SCMP_CMP_EQ"}])), r"args\[0\]: index: .* from 0 to 5"),
        (profile(allow("read", args=[{"index": 0, "op": "EQ"}])), "op 'EQ' is none of SCMP_CMP_NE"),
        (profile(allow("read", args=[{"index": True, "op": "SCMP_CMP_EQ"}])), "found True"),
        (profile(allow("read", includes={"minKernel": "new"})), "minKernel 'new'"),
        (profile(allow("read", includes={"cap": []})), "unknown key 'cap'"),
        (
            profile({"names": ["raed"], "action": "SCMP_ACT_ERRNO"}, default="SCMP_ACT_ALLOW"),
            "unknown system call 'raed', which it would not forbid",
        ),
    ],
)
def test_what_is_wrong_is_named(data: bytes, said: str) -> None:
    with pytest.raises(SandboxError, match=said):
        parse_profile(data, X86)


_KEYS = ("defaultAction", "syscalls", "names", "action", "args", "index", "op", "includes", "caps", "archMap")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_any_json_is_a_profile_or_a_clear_error(found: Any) -> None:
    with suppress(SandboxError):
        assert compile_own(parse_profile(json.dumps(found).encode(), X86))


def test_a_file_is_compiled_and_errors_name_it(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(profile(allow("read")))
    assert len(filter_program(str(tmp_path), str(path))) % 8 == 0
    assert filter_program(str(tmp_path), UNCONFINED) == b""
    path.write_bytes(profile(default="x"))
    with pytest.raises(SandboxError, match=f"the seccomp profile {path}: defaultAction 'x'"):
        filter_program(str(tmp_path), str(path))
    with pytest.raises(SandboxError, match="cannot read the seccomp profile .*: No such file"):
        filter_program(str(tmp_path), str(tmp_path / "none"))


def test_a_runtime_gets_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    comparison = {"index": 0, "op": "SCMP_CMP_EQ", "value": 1, "valueTwo": 0}
    path.write_bytes(profile(allow("socket", args=[comparison]), defaultErrnoRet=2))
    found = seccomp_config(str(path)) or {}
    assert (found["defaultAction"], found["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 2)
    assert found["syscalls"] == [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [comparison]}]
    assert len(found["architectures"]) == 1
    assert seccomp_config(UNCONFINED) is None
