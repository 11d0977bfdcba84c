"""From profiles to one program: by ABI, then by the call's number, by halving, then by an argument.

The kernel runs it on each call that it does not know to be permitted always, and once for each number when it
is installed, to find those: hence a tree and no list.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, TypeVar

from .bpf import ALLOW, ERRNO, KILL_PROCESS, branch, keep_bits, load, result
from .profile import Check, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .bpf import Instruction
    from .profile import Abi, Profile

_Outcome = TypeVar("_Outcome")

__all__ = ["by_abi", "by_number", "compile_filter"]

_NUMBER_AT, _ABI_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_RESULTS = {
    Verdict.ALLOW: ALLOW,
    Verdict.REFUSE: ERRNO | errno.EPERM,
    Verdict.UNKNOWN: ERRNO | errno.ENOSYS,
}


def compile_filter(profiles: Sequence[Profile]) -> list[Instruction]:
    """A process that calls the kernel in none of these ways is killed."""
    return by_abi([(profile.abi, _of_profile(profile)) for profile in profiles], KILL_PROCESS)


def by_abi(programs: Sequence[tuple[Abi, list[Instruction]]], otherwise: int) -> list[Instruction]:
    """One program of several; `otherwise` is the result where none is for the ABI of the call."""
    whole = [result(otherwise)]
    for abi, program in reversed(programs):
        whole = branch("==", abi.audit, [load(_NUMBER_AT), *program], whole)
    return [load(_ABI_AT), *whole]


def _of_profile(profile: Profile) -> list[Instruction]:
    outcomes: Mapping[int, Verdict | Check] = profile.calls
    return by_number(
        outcomes, profile.newest, Verdict.REFUSE, Verdict.UNKNOWN, lambda outcome: _program_of(outcome, profile)
    )


def by_number(
    calls: Mapping[int, _Outcome],
    newest: int,
    missing: _Outcome,
    newer: _Outcome,
    program_of: Callable[[_Outcome], list[Instruction]],
) -> list[Instruction]:
    """A tree to each call's outcome: `missing` for numbers up to `newest` that are not there, `newer` above."""
    return _halve(_ranges(calls, newest, missing, newer), program_of)


def _ranges(
    calls: Mapping[int, _Outcome], newest: int, missing: _Outcome, newer: _Outcome
) -> list[tuple[int, _Outcome]]:
    """First number and outcome of each run of numbers with the same outcome, ascending; the first begins at 0."""
    ranges: list[tuple[int, _Outcome]] = []

    def add(start: int, outcome: _Outcome) -> None:
        if not ranges or ranges[-1][1] != outcome:
            ranges.append((start, outcome))

    expected = 0
    for number in [*sorted(calls), None]:
        if number is None or number > expected:  # a gap
            if expected <= newest:
                add(expected, missing)
            if number is None or number > newest + 1:
                add(max(expected, newest + 1), newer)
        if number is not None:
            add(number, calls[number])
            expected = number + 1
    return ranges


def _halve(
    ranges: Sequence[tuple[int, _Outcome]], program_of: Callable[[_Outcome], list[Instruction]]
) -> list[Instruction]:
    if len(ranges) == 1:
        return program_of(ranges[0][1])
    middle = len(ranges) // 2
    return branch(">=", ranges[middle][0], _halve(ranges[middle:], program_of), _halve(ranges[:middle], program_of))


def _program_of(outcome: Verdict | Check, profile: Profile) -> list[Instruction]:
    if not isinstance(outcome, Check):
        return [result(_RESULTS[outcome])]
    matched, other = (Verdict.REFUSE, Verdict.ALLOW) if outcome.unless else (Verdict.ALLOW, Verdict.REFUSE)
    program = [result(_RESULTS[other])]
    for value in reversed(outcome.values):
        program = branch("==", value, [result(_RESULTS[matched])], program)
    low_half = _ARGUMENTS_AT + 8 * outcome.argument + (4 if profile.abi.big_endian else 0)
    return [load(low_half), keep_bits(outcome.mask), *program]
