"""Reading a profile of one's own: Docker's JSON, as for `docker run --security-opt seccomp=FILE`.

Format: docs.docker.com/engine/security/seccomp, moby profiles/seccomp/seccomp.go (archMap, names, includes, excludes)
and the OCI's runtime-spec, config-linux.md "Seccomp". What a file says and this cannot follow is an error.
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

from ...errors import SandboxError
from .bpf import ALLOW, ERRNO, KILL_PROCESS
from .profile import ARCHITECTURES, DEFAULT_CAPABILITIES
from .rules import OPERATORS, Comparison, OwnProfile, Rule, known_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .profile import Abi

__all__ = ["ACTIONS", "ACTIONS_WITH_DATA", "Machine", "parse_profile", "read_profile", "this_machine"]

_MAX_BYTES = 1 << 20
ACTIONS = {
    "SCMP_ACT_ALLOW": ALLOW,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_KILL": 0x0000_0000,  # SECCOMP_RET_KILL_THREAD
    "SCMP_ACT_KILL_THREAD": 0x0000_0000,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": 0x0003_0000,
    "SCMP_ACT_TRACE": 0x7FF0_0000,
    "SCMP_ACT_LOG": 0x7FFC_0000,
}
ACTIONS_WITH_DATA = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_ARCHES = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_X86": "x86",
    "SCMP_ARCH_AARCH64": "aarch64",
    "SCMP_ARCH_ARM": "arm",
    "SCMP_ARCH_RISCV64": "riscv64",
    "SCMP_ARCH_LOONGARCH64": "loongarch64",
    "SCMP_ARCH_PPC64LE": "ppc64le",
    "SCMP_ARCH_S390X": "s390x",
}
# Go's names, which `includes` and `excludes` use.
_GO_NAMES = {name: name for name in _ARCHES.values()} | {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "loongarch64": "loong64",
}
_TOP = ("defaultAction", "defaultErrnoRet", "archMap", "architectures", "syscalls", "flags", "comment", "$schema")
_RULE = ("name", "names", "action", "errnoRet", "args", "includes", "excludes", "comment")
_CONDITIONS = ("caps", "arches", "minKernel")


class Machine:
    """What a profile's conditions are about. `arches`: libseccomp's names, the machine's own first."""

    def __init__(self, name: str, kernel: tuple[int, int], capabilities: frozenset[str] = DEFAULT_CAPABILITIES) -> None:
        self.name = name
        self.kernel = kernel
        self.capabilities = capabilities
        abis = ARCHITECTURES[name]
        self.arches: dict[str, Abi] = {name: abis[0]} | {abi.column: abi for abi in abis[1:]}


def this_machine() -> Machine:
    """Raises SandboxError where the table knows no numbers."""
    uname = os.uname()
    if uname.machine not in ARCHITECTURES:
        raise SandboxError(
            f"system calls cannot be filtered on {uname.machine}: numbers are known only for"
            f" {', '.join(sorted(ARCHITECTURES))}",
            hint="--security-opt seccomp=unconfined runs steps without a filter",
        )
    major, minor = (int(part) for part in uname.release.split("-")[0].split(".")[:2])
    return Machine(uname.machine, (major, minor))


def read_profile(path: str, machine: Machine) -> OwnProfile:
    """Raises SandboxError saying what in the file is wrong."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise SandboxError(f"cannot read the seccomp profile {path}: {exc.strerror}") from exc
    if len(data) > _MAX_BYTES:
        raise SandboxError(f"the seccomp profile {path} is larger than {_MAX_BYTES >> 20} MiB")
    try:
        return parse_profile(data, machine)
    except SandboxError as exc:
        raise SandboxError(f"the seccomp profile {path}: {exc.message}", hint=exc.hint) from None


def parse_profile(data: bytes, machine: Machine) -> OwnProfile:
    """See `read_profile`; what it raises does not name the file."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise SandboxError(f"this is not JSON: {exc}") from exc
    profile = _object(found, "the file", _TOP)
    default = _result(profile, "defaultAction", "defaultErrnoRet", "")
    calls: dict[str, list[Rule]] = {}
    for number, item in enumerate(_list(profile, "syscalls", "")):
        where = f"syscalls[{number}]"
        rule = _object(item, where, _RULE)
        names = _names(rule, where)
        rules = tuple(_rules(rule, where))
        if _applies(rule, where, machine):
            for name in names:
                _check_name(name, rules, default, where)
                calls.setdefault(name, []).extend(rules)
    return OwnProfile(
        abis=_abis(profile, machine),
        default=default,
        calls={name: _ordered(rules) for name, rules in calls.items()},
    )


def _ordered(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """A rule without conditions decides alone, wherever it stands: as with libseccomp."""
    always = next((rule for rule in rules if not rule.comparisons), None)
    return tuple(rules) if always is None else (always,)


def _check_name(name: str, rules: Sequence[Rule], default: int, where: str) -> None:
    """A call that nobody knows is no loss where it would be permitted; but nothing may seem forbidden and not be."""
    if name not in known_calls() and default == ALLOW and any(rule.result != ALLOW for rule in rules):
        raise SandboxError(f"{where}: unknown system call {name!r}, which it would not forbid")


def _names(rule: Mapping[str, Any], where: str) -> list[str]:
    names = _list(rule, "names", where) + ([rule["name"]] if rule.get("name") else [])
    if not names:
        raise SandboxError(f"{where}: names no system call")
    for name in names:
        if not isinstance(name, str) or not name:
            raise SandboxError(f"{where}: expected names of system calls, found {name!r}")
    return names


def _rules(rule: Mapping[str, Any], where: str) -> Iterator[Rule]:
    """One, or one for each comparison where two are of the same argument: then any of them will do, as with runc."""
    result = _result(rule, "action", "errnoRet", where)
    comparisons = [
        _comparison(item, f"{where}.args[{number}]") for number, item in enumerate(_list(rule, "args", where))
    ]
    if len({comparison.argument for comparison in comparisons}) == len(comparisons):
        yield Rule(result=result, comparisons=tuple(comparisons))
    else:
        yield from (Rule(result=result, comparisons=(comparison,)) for comparison in comparisons)


def _comparison(item: object, where: str) -> Comparison:
    found = _object(item, where, ("index", "value", "valueTwo", "op"))
    operator = str(found.get("op", "")).removeprefix("SCMP_CMP_")
    if operator not in OPERATORS or not str(found.get("op")).startswith("SCMP_CMP_"):
        known = ", ".join(f"SCMP_CMP_{name}" for name in OPERATORS)
        raise SandboxError(f"{where}: op {found.get('op')!r} is none of {known}")
    index = _number(found, "index", where, 5)
    value, second = (_number(found, key, where, (1 << 64) - 1) for key in ("value", "valueTwo"))
    return Comparison(argument=index, operator=operator, value=value, second=second)


def _result(found: Mapping[str, Any], key: str, data_key: str, where: str) -> int:
    place = f"{where}: " if where else ""
    action = found.get(key)
    if action == "SCMP_ACT_NOTIFY":
        raise SandboxError(f"{place}{key} SCMP_ACT_NOTIFY needs a listener, and there is none for steps")
    if not isinstance(action, str) or action not in ACTIONS:
        raise SandboxError(f"{place}{key} {action!r} is none of {', '.join(ACTIONS)}")
    data = errno.EPERM if action in ACTIONS_WITH_DATA else 0
    if found.get(data_key) is not None:
        data = _number(found, data_key, where, 4095)  # MAX_ERRNO
        if action not in ACTIONS_WITH_DATA:
            raise SandboxError(f"{place}{data_key} goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE only")
    return ACTIONS[action] | data


def _applies(rule: Mapping[str, Any], where: str, machine: Machine) -> bool:
    wanted, unwanted = (_object(rule.get(key) or {}, f"{where}.{key}", _CONDITIONS) for key in ("includes", "excludes"))
    here = {_GO_NAMES[name] for name in machine.arches}
    inside, outside = f"{where}.includes", f"{where}.excludes"
    caps, arches, kernel = _conditions(wanted, inside)
    if not caps <= machine.capabilities or (arches and not arches & here) or (kernel and machine.kernel < kernel):
        return False
    caps, arches, kernel = _conditions(unwanted, outside)
    return not (caps & machine.capabilities or arches & here or (kernel and machine.kernel >= kernel))


def _conditions(found: Mapping[str, Any], where: str) -> tuple[set[str], set[str], tuple[int, int] | None]:
    caps, arches = ({str(item) for item in _list(found, key, where)} for key in ("caps", "arches"))
    text = found.get("minKernel")
    if text is None:
        return caps, arches, None
    major, dot, minor = str(text).partition(".")
    if not (dot and major.isdecimal() and minor.isdecimal() and text.isascii()):
        raise SandboxError(f"{where}: minKernel {text!r}: expected a version like 4.8")
    return caps, arches, (int(major), int(minor))


def _abis(profile: Mapping[str, Any], machine: Machine) -> tuple[Abi, ...]:
    """Those of this machine that the profile is for; without a word about it, the machine's own."""
    wanted: set[str] = {str(name) for name in _list(profile, "architectures", "")}
    groups = _list(profile, "archMap", "")
    if wanted and groups:
        raise SandboxError("architectures and archMap exclude each other")
    for number, item in enumerate(groups):
        group = _object(item, f"archMap[{number}]", ("architecture", "subArchitectures"))
        if _ARCHES.get(str(group.get("architecture"))) == machine.name:
            wanted |= {str(group.get("architecture")), *map(str, _list(group, "subArchitectures", "archMap"))}
    if not wanted and not groups:
        return (machine.arches[machine.name],)
    found = tuple(machine.arches[name] for word, name in _ARCHES.items() if word in wanted and name in machine.arches)
    if machine.arches[machine.name] not in found:
        raise SandboxError(f"it is not for this machine, {machine.name}")
    return found


def _object(found: object, where: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise SandboxError(f"{where}: expected an object")
    for key in found:
        if key not in keys:
            raise SandboxError(f"{where}: unknown key {key!r}", hint=f"the keys there are {', '.join(keys)}")
    return found


def _list(found: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = found.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise SandboxError(f"{where}{'.' if where else ''}{key}: expected a list")
    return list(value)


def _number(found: Mapping[str, Any], key: str, where: str, most: int) -> int:
    value = found.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        place = f"{where}: " if where else ""
        raise SandboxError(f"{place}{key}: expected a whole number from 0 to {most}, found {value!r}")
    return value
