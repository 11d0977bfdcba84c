"""From profiles to one program: by ABI, then by the call's number, by halving, then by an argument.

The kernel runs it on each call that it does not know to be permitted always, and once for each number when it
is installed, to find those: hence a tree and no list.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .bpf import ALLOW, ERRNO, KILL_PROCESS, branch, keep_bits, load, result
from .profile import Check, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bpf import Instruction
    from .profile import Profile

__all__ = ["compile_filter"]

_NUMBER_AT, _ABI_AT, _ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
_RESULTS = {
    Verdict.ALLOW: ALLOW,
    Verdict.REFUSE: ERRNO | errno.EPERM,
    Verdict.UNKNOWN: ERRNO | errno.ENOSYS,
}


def compile_filter(profiles: Sequence[Profile]) -> list[Instruction]:
    """A process that calls the kernel in none of these ways is killed."""
    program = [result(KILL_PROCESS)]
    for profile in reversed(profiles):
        program = branch("==", profile.abi.audit, [load(_NUMBER_AT), *_by_number(profile)], program)
    return [load(_ABI_AT), *program]


def _by_number(profile: Profile) -> list[Instruction]:
    return _halve(_ranges(profile), profile)


def _ranges(profile: Profile) -> list[tuple[int, Verdict | Check]]:
    """First number and outcome of each run of numbers with the same outcome, ascending; the first begins at 0."""
    ranges: list[tuple[int, Verdict | Check]] = []

    def add(start: int, outcome: Verdict | Check) -> None:
        if not ranges or ranges[-1][1] != outcome:
            ranges.append((start, outcome))

    expected = 0
    for number in [*sorted(profile.calls), None]:
        if number is None or number > expected:  # a gap
            if expected <= profile.newest:
                add(expected, Verdict.REFUSE)
            if number is None or number > profile.newest + 1:
                add(max(expected, profile.newest + 1), Verdict.UNKNOWN)
        if number is not None:
            add(number, profile.calls[number])
            expected = number + 1
    return ranges


def _halve(ranges: Sequence[tuple[int, Verdict | Check]], profile: Profile) -> list[Instruction]:
    if len(ranges) == 1:
        return _outcome(ranges[0][1], profile)
    middle = len(ranges) // 2
    return branch(">=", ranges[middle][0], _halve(ranges[middle:], profile), _halve(ranges[:middle], profile))


def _outcome(outcome: Verdict | Check, profile: Profile) -> list[Instruction]:
    if not isinstance(outcome, Check):
        return [result(_RESULTS[outcome])]
    matched, other = (Verdict.REFUSE, Verdict.ALLOW) if outcome.unless else (Verdict.ALLOW, Verdict.REFUSE)
    program = [result(_RESULTS[other])]
    for value in reversed(outcome.values):
        program = branch("==", value, [result(_RESULTS[matched])], program)
    low_half = _ARGUMENTS_AT + 8 * outcome.argument + (4 if profile.abi.big_endian else 0)
    return [load(low_half), keep_bits(outcome.mask), *program]
