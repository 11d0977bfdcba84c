"""Filters of a profile of one's own: for each call a list of rules, of which the first that fits counts.

Arguments are compared in all 64 bits, as libseccomp does it: seccomp_rule_add(3).
"""

from __future__ import annotations

import errno
from functools import lru_cache
from typing import TYPE_CHECKING

from ...values import frozen
from .bpf import ERRNO, KILL_PROCESS, Instruction, keep_bits, load, result
from .compiler import by_abi, by_number
from .moretable import MORE_TABLE
from .table import COLUMNS, NEWEST, TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .profile import Abi

__all__ = ["OPERATORS", "Comparison", "OwnProfile", "Rule", "compile_own", "known_calls"]

OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_ARGUMENTS_AT = 16  # in struct seccomp_data
_JEQ, _JGT, _JGE = 0x15, 0x25, 0x35  # BPF_JMP with BPF_JEQ, BPF_JGT, BPF_JGE
_NEXT, _PASS, _FAIL = range(3)  # where a test leads: the following one; the comparison holds; the rule does not fit
_LOW = 0xFFFF_FFFF


@frozen
class Comparison:
    """An argument of the call with a value; for MASKED_EQ, `value` is the mask and `second` what it must give."""

    argument: int
    operator: str  # one of OPERATORS
    value: int
    second: int = 0


@frozen
class Rule:
    """`result`: a SECCOMP_RET_* with its data. It fits when all comparisons hold; without any, always."""

    result: int
    comparisons: tuple[Comparison, ...] = ()


@frozen
class OwnProfile:
    """`calls`: by name. `default`: the result for what no rule fits."""

    abis: tuple[Abi, ...]
    default: int
    calls: Mapping[str, tuple[Rule, ...]]


def compile_own(profile: OwnProfile) -> list[Instruction]:
    """One program for all its ABIs; a process that calls the kernel in another way is killed.

    Calls newer than the table fail as if the kernel did not have them where others would be refused, so that programs
    try another way; as with runc.
    """
    refuses = profile.default & 0xFFFF_0000 == ERRNO
    newer = (Rule(result=ERRNO | errno.ENOSYS if refuses else profile.default),)
    missing = (Rule(result=profile.default),)
    programs = []
    for abi in profile.abis:
        numbers = _numbers(abi)
        calls = {numbers[name]: (*rules, *missing) for name, rules in profile.calls.items() if name in numbers}
        tree = by_number(calls, NEWEST, missing, newer, lambda rules, abi=abi: _first_fitting(rules, abi))  # type: ignore[misc]
        programs.append((abi, tree))
    return by_abi(programs, KILL_PROCESS)


@lru_cache
def known_calls() -> frozenset[str]:
    """The names of all calls in the table."""
    return frozenset(line.split()[0] for line in (TABLE + MORE_TABLE).splitlines() if line and not line.startswith("["))


def _numbers(abi: Abi) -> dict[str, int]:
    column = COLUMNS.index(abi.column)
    found = {}
    for line in (TABLE + MORE_TABLE).splitlines():
        if not line or line.startswith("["):
            continue
        name, *numbers = line.split()
        number = numbers[column if len(numbers) > 1 else 0]
        if number != "-":
            found[name] = int(number)
    return found


def _first_fitting(rules: Sequence[Rule], abi: Abi) -> list[Instruction]:
    program: list[Instruction] = []
    for rule in rules:
        program += _rule(rule, abi)
        if not rule.comparisons:
            break
    return program


def _rule(rule: Rule, abi: Abi) -> list[Instruction]:
    """Its result, or what follows this program: at most 6 comparisons, so every way is short enough for a jump."""
    tests = [_comparison(comparison, abi) for comparison in rule.comparisons]
    end = sum(map(len, tests)) + 1
    program: list[Instruction] = []
    for test in tests:
        passed = len(program) + len(test)
        for step in test:
            if isinstance(step, Instruction):
                program.append(step)
                continue
            code, value, true, false = step
            here = len(program) + 1
            ways = {_NEXT: 0, _PASS: passed - here, _FAIL: end - here}
            program.append(Instruction(code, ways[true], ways[false], value))
    return [*program, result(rule.result)]


def _comparison(wanted: Comparison, abi: Abi) -> list[Instruction | tuple[int, int, int, int]]:
    """Loads, and tests as (code, value, where to when true, where to when false)."""
    at = _ARGUMENTS_AT + 8 * wanted.argument
    high, low = (load(at), load(at + 4)) if abi.big_endian else (load(at + 4), load(at))
    top, bottom = wanted.value >> 32, wanted.value & _LOW
    match wanted.operator:
        case "EQ":
            return [high, (_JEQ, top, _NEXT, _FAIL), low, (_JEQ, bottom, _NEXT, _FAIL)]
        case "NE":
            return [high, (_JEQ, top, _NEXT, _PASS), low, (_JEQ, bottom, _FAIL, _NEXT)]
        case "GT" | "GE" as operator:
            last = _JGT if operator == "GT" else _JGE
            return [
                *(high, (_JGT, top, _PASS, _NEXT), (_JEQ, top, _NEXT, _FAIL)),
                *(low, (last, bottom, _NEXT, _FAIL)),
            ]
        case "LT" | "LE" as operator:
            last = _JGE if operator == "LT" else _JGT
            return [
                *(high, (_JGT, top, _FAIL, _NEXT), (_JEQ, top, _NEXT, _PASS)),
                *(low, (last, bottom, _FAIL, _NEXT)),
            ]
        case _:
            want_top, want_bottom = wanted.second >> 32, wanted.second & _LOW
            return [
                *(high, keep_bits(top), (_JEQ, want_top, _NEXT, _FAIL)),
                *(low, keep_bits(bottom), (_JEQ, want_bottom, _NEXT, _FAIL)),
            ]
