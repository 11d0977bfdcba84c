"""Which further ids an ordinary user may have: the ranges of /etc/subuid and /etc/subgid (subuid(5), subgid(5)).

Only newuidmap(1) and newgidmap(1), which are set-user-id root, can map them; here is found out what they would permit.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NoSubIds", "SubIds", "find_sub_ids", "parse_ranges"]

_MAX_BYTES = 1 << 20
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_NEEDED = 65535  # ids 1 to 65535: what distributions give to users and groups, "nobody" (65534) included
_MAX_ID = (1 << 32) - 2
_TIMEOUT_S = 10
_INSTALL = "install newuidmap and newgidmap (Debian package uidmap)"

Ranges = tuple[tuple[int, int], ...]  # first id outside, and how many


@frozen
class SubIds:
    """What may be mapped besides the caller's own ids, and by which programs."""

    newuidmap: str
    newgidmap: str
    uids: Ranges
    gids: Ranges


@frozen
class NoSubIds:
    """Why there are none, and what to do about it."""

    reason: str
    hint: str


def find_sub_ids(uid: int) -> SubIds | NoSubIds:
    """The ranges of a user of this machine. Whether the programs do their work shows only when they are run."""
    uidmap, gidmap = _program("newuidmap"), _program("newgidmap")
    if not uidmap or not gidmap:
        return NoSubIds(reason="newuidmap and newgidmap are not installed", hint=_INSTALL)
    names = _names(uid)
    if len(names) == 1:
        return NoSubIds(reason=f"uid {uid} has no name in /etc/passwd", hint="newuidmap serves users with a name only")
    name = names[0]
    found = [_ranges_of(file, names) for file in ("/etc/subuid", "/etc/subgid")]
    for file, ranges in zip(("/etc/subuid", "/etc/subgid"), found, strict=True):
        count = sum(size for _, size in ranges)
        if count < _NEEDED:
            reason = (
                f"{file} gives {name} {count} ids, and images need {_NEEDED}" if count else f"{name} is not in {file}"
            )
            return NoSubIds(
                reason=reason, hint=f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
            )
    return SubIds(newuidmap=uidmap, newgidmap=gidmap, uids=found[0], gids=found[1])


def parse_ranges(lines: Iterable[str], names: Iterable[str]) -> Ranges:
    """The ranges of whoever has one of these names (a number is one too), in the order of the file.

    Lines that make no sense are passed over, as newuidmap does; so are ranges that lie in one before.
    """
    wanted = frozenset(names)
    ranges: list[tuple[int, int]] = []
    for line in lines:
        owner, *numbers = line.strip().split(":")
        if owner not in wanted or len(numbers) != 2 or not all(text.isascii() and text.isdecimal() for text in numbers):
            continue
        first, count = int(numbers[0]), int(numbers[1])
        overlaps = any(first < start + size and start < first + count for start, size in ranges)
        if count and first and first + count - 1 <= _MAX_ID and not overlaps:
            ranges.append((first, count))
    return tuple(ranges)


def _program(name: str) -> str:
    """Where it is, "" if nowhere. (shutil.which comes with three compression libraries, and this is before a build.)"""
    for folder in f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}".split(":"):
        path = os.path.join(folder, name)
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def _names(uid: int) -> list[str]:
    """What a user is called in these files: by name, if there is one, and by number."""
    try:
        return [pwd.getpwuid(uid).pw_name, str(uid)]
    except KeyError:
        return [str(uid)]


def _ranges_of(file: str, names: list[str]) -> Ranges:
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            found = parse_ranges(lines.read(_MAX_BYTES).splitlines(), names)
    except OSError:
        found = ()
    return found or _ranges_of_services(file, names)


def _ranges_of_services(file: str, names: list[str]) -> Ranges:
    """Where /etc/nsswitch.conf says "subid: …", a directory service knows them, and getsubids(1) asks it."""
    try:
        with open("/etc/nsswitch.conf", encoding="utf-8", errors="replace") as lines:
            asks = any(line.split("#")[0].split() for line in lines if line.startswith("subid:"))
    except OSError:
        return ()
    program = _program("getsubids")
    if not asks or not program:
        return ()
    import subprocess

    command = [program, *(["-g"] if file.endswith("gid") else []), names[0]]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    # "0: user 100000 65536"
    rows = [line.split() for line in done.stdout.splitlines()]
    return parse_ranges((":".join([names[0], *row[2:]]) for row in rows if len(row) == 4), names)
