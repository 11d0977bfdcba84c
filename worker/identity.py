"""Users and groups by name, from the /etc/passwd and /etc/group of a tree. Formats: passwd(5), group(5)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..values import frozen
from .snapshot import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .snapshot import Tree

__all__ = ["Identity", "find_group", "find_user", "resolve_user"]

_MAX_BYTES = 10 << 20  # of either file, as in BuildKit; an image's own are a few KiB
_MAX_ID = (1 << 32) - 2  # the kernel's; the one above means "leave as it is" to chown(2)


@frozen(kw_only=False)
class Identity:
    """Who a process runs as."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"


def resolve_user(tree: Tree, text: str) -> Identity:
    """`name`, `uid`, `name:group`, `uid:gid`, or "" for root, as USER writes it.

    A user alone brings its primary and supplementary groups; with a group, that one only. A uid that
    the image does not know runs in group 0, at home in /. Raises LlbuildError naming an unknown name.
    """
    user, _, group = text.partition(":")
    name, uid, gid, home = find_user(tree, user or "0")
    if group:
        return Identity(uid=uid, gid=find_group(tree, group), home=home)
    return Identity(uid=uid, gid=gid, groups=tuple(_memberships(tree, name)) if name else (), home=home)


def find_user(tree: Tree, text: str) -> tuple[str, int, int, str]:
    """Name, uid, primary gid and home of a user given by name or number. Raises LlbuildError.

    The first line that fits counts. A number is a uid, even where somebody is called by it.
    """
    number = _number(text)
    for fields in _lines(tree, "etc/passwd", 7):
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is None or gid is None:
            continue  # to take it for 0, as some readers do, would make somebody root
        if uid == number if number is not None else fields[0] == text:
            return fields[0], uid, gid, fields[5] or "/"
    if number is not None:
        return "", number, 0, "/"
    if text == "root":
        return "root", 0, 0, "/"
    raise _unknown("user", text, "/etc/passwd")


def find_group(tree: Tree, text: str) -> int:
    """The gid of a group given by name or number. Raises LlbuildError."""
    number = _number(text)
    if number is not None:
        return number
    for fields in _lines(tree, "etc/group", 4):
        gid = _number(fields[2])
        if fields[0] == text and gid is not None:
            return gid
    if text == "root":
        return 0
    raise _unknown("group", text, "/etc/group")


def _unknown(kind: str, text: str, file: str) -> LlbuildError:
    if text.isascii() and text.isdecimal():
        return LlbuildError(f"{kind} {text} is out of range; the largest id is {_MAX_ID}")
    return LlbuildError(f"no {kind} {text!r} in the image's {file}", hint="create it in a RUN before, or use a number")


def _memberships(tree: Tree, name: str) -> Iterator[int]:
    for fields in _lines(tree, "etc/group", 4):
        gid = _number(fields[2])
        if gid is not None and name in fields[3].split(","):
            yield gid


def _lines(tree: Tree, path: str, count: int) -> Iterator[list[str]]:
    """The lines of a colon separated file of the tree, as `count` fields; fields that are missing are ""."""
    place = resolve(tree, path)
    found = tree.stat(place)
    if found is None or not stat.S_ISREG(found.st_mode):
        return
    if found.st_size > _MAX_BYTES:
        raise LlbuildError(f"/{path} of the image is larger than {_MAX_BYTES >> 20} MiB")
    parent, _, name = place.rpartition("/")
    with tree.directory(parent) as folder:
        handle = folder.open(name)
    with os.fdopen(handle, "rb") as file:
        lines = file.read(_MAX_BYTES).split(b"\n")
    for line in lines:
        text = os.fsdecode(line.strip())
        if text and not text.startswith("#"):
            fields = text.split(":")
            yield (fields + [""] * count)[: max(count, len(fields))]


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        return None
    number = int(text)
    return number if number <= _MAX_ID else None
