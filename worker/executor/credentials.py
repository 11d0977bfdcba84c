"""Who a process is, where the kernel knows one id: the rules of credentials(7), applied to numbers that are kept here.

What the kernel passes on from a process to its children, and keeps when a process becomes another program, is a number
that nobody misses: a task's timer slack (PR_SET_TIMERSLACK, prctl(2)), 50 µs mostly. So each set of ids has a number,
and a task whose timer slack is so many ns above 50 µs has these. Threads have their own, as with real ids.
"""

from __future__ import annotations

import errno

__all__ = ["BASE_SLACK_NS", "IdSets", "Ids"]

BASE_SLACK_NS = 50_000
_MOST_SETS = 20_000  # up to 70 µs
_LEAVE = 0xFFFF_FFFF
_MAX_GROUPS = 65536


class Ids:
    """uid and gid: real, effective, saved, of the file system. `elevated`: the program that they were changed in."""

    __slots__ = ("gids", "groups", "program", "uids")

    def __init__(
        self,
        uids: tuple[int, int, int, int],
        gids: tuple[int, int, int, int],
        groups: tuple[int, ...] = (),
        program: tuple[int, int] = (0, 0),
    ) -> None:
        self.uids = uids
        self.gids = gids
        self.groups = groups
        self.program = program  # (device, inode), if it is a set-user-id one: what it gave up, it has given up

    @property
    def key(self) -> tuple[object, ...]:
        return (self.uids, self.gids, self.groups, self.program)

    @property
    def privileged(self) -> bool:
        return self.uids[1] == 0

    @property
    def made_by_root(self) -> bool:
        """Whether new files are root's."""
        return self.uids[3] == 0 == self.gids[3]

    def with_uids(self, uids: tuple[int, int, int, int]) -> Ids:
        return Ids(uids, self.gids, self.groups, self.program)

    def with_gids(self, gids: tuple[int, int, int, int]) -> Ids:
        return Ids(self.uids, gids, self.groups, self.program)

    def in_group(self, gid: int) -> bool:
        return gid in self.gids or gid in self.groups


ROOT = Ids((0, 0, 0, 0), (0, 0, 0, 0))


class IdSets:
    """Every set of ids that some process of a step has, by number."""

    def __init__(self) -> None:
        self._sets = [ROOT]
        self._numbers = {ROOT.key: 0}

    @property
    def only_root(self) -> bool:
        return len(self._sets) == 1

    def of(self, slack_ns: int) -> Ids:
        number = slack_ns - BASE_SLACK_NS
        return self._sets[number] if 0 < number < len(self._sets) else ROOT

    def slack_of(self, ids: Ids) -> int:
        """The timer slack in ns that means these. Raises OSError when there are too many sets."""
        number = self._numbers.get(ids.key)
        if number is None:
            number = len(self._sets)
            if number > _MOST_SETS:
                raise OSError(errno.EAGAIN, "too many users at once")
            self._sets.append(ids)
            self._numbers[ids.key] = number
        return BASE_SLACK_NS + number


def set_one(old: tuple[int, int, int, int], wanted: int, *, privileged: bool) -> tuple[int, int, int, int]:
    """setuid(2), setgid(2)."""
    _check(wanted)
    if privileged:
        return (wanted, wanted, wanted, wanted)
    if wanted not in (old[0], old[2]):
        raise OSError(errno.EPERM, "not permitted")
    return (old[0], wanted, old[2], wanted)


def set_two(
    old: tuple[int, int, int, int], real: int, effective: int, *, privileged: bool
) -> tuple[int, int, int, int]:
    """setreuid(2), setregid(2)."""
    if not privileged and (real not in (_LEAVE, old[0], old[1]) or effective not in (_LEAVE, old[0], old[1], old[2])):
        raise OSError(errno.EPERM, "not permitted")
    new_real = old[0] if real == _LEAVE else real
    new_effective = old[1] if effective == _LEAVE else effective
    saved = new_effective if real != _LEAVE or (effective not in (_LEAVE, old[0])) else old[2]
    return (new_real, new_effective, saved, new_effective)


def set_three(
    old: tuple[int, int, int, int], wanted: tuple[int, int, int], *, privileged: bool
) -> tuple[int, int, int, int]:
    """setresuid(2), setresgid(2)."""
    if not privileged and any(number != _LEAVE and number not in old[:3] for number in wanted):
        raise OSError(errno.EPERM, "not permitted")
    real, effective, saved = (
        before if number == _LEAVE else number for number, before in zip(wanted, old[:3], strict=True)
    )
    return (real, effective, saved, effective)


def set_of_files(old: tuple[int, int, int, int], wanted: int, *, privileged: bool) -> tuple[int, int, int, int]:
    """setfsuid(2), setfsgid(2): what is not permitted changes nothing."""
    if wanted == _LEAVE or not (privileged or wanted in old):
        return old
    return (old[0], old[1], old[2], wanted)


def set_groups(ids: Ids, groups: tuple[int, ...]) -> Ids:
    """setgroups(2)."""
    if not ids.privileged:
        raise OSError(errno.EPERM, "not permitted")
    for gid in groups:
        _check(gid)
    return Ids(ids.uids, ids.gids, tuple(sorted(groups)), ids.program)


def check_count(count: int) -> None:
    if count > _MAX_GROUPS:
        raise OSError(errno.EINVAL, "too many groups")


def _check(number: int) -> None:
    if number == _LEAVE:
        raise OSError(errno.EINVAL, "no id")
