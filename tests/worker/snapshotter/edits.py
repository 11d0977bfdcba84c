"""Edits of a tree as a process makes them, and everything there is to see of one."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from llbuild.digest import sha256_digest
from llbuild.worker.overlay import OWN_PREFIXES
from llbuild.worker.snapshot import walk

if TYPE_CHECKING:
    from llbuild.tests.worker.layer.trees import Ideas
    from llbuild.worker.snapshot import Tree

_ACTIONS = ("remove", "rename", "append", "chmod", "recreate", "link", "touch", "swap", "socket", "sparse", "attribute")
EDITS = st.lists(st.tuples(st.sampled_from(_ACTIONS), st.integers(0, 99)), max_size=8)
_NOT_OURS = (*OWN_PREFIXES, "user.fuseoverlayfs.", "security.selinux")


def _make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 20)
        file.seek(300_000)
        file.write(b"middle")


def edit(root: Path, action: str, number: int) -> None:  # noqa: C901  a list
    """One change to whatever is there."""
    # Not rglob, which in some versions stumbles over a link whose target is too long for a name
    there = [Path(top, name) for top, folders, files in os.walk(root) for name in (*folders, *files)]
    paths = sorted((path for path in there if not path.is_symlink()), key=os.fsencode)
    if not paths:
        return
    path = paths[number % len(paths)]
    other = root / f"new{number}"
    match action:
        case "remove" | "recreate":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            if action == "recreate":
                path.mkdir()
                (path / "inside").touch()
        case "rename" if not path.is_dir() and not os.path.lexists(other):
            path.rename(other)
        case "append" if path.is_file():
            with path.open("ab") as file:
                file.write(b"more")
        case "chmod":
            path.chmod(0o711)
        case "link" if path.is_file() and not os.path.lexists(other):
            other.hardlink_to(path)
        case "touch":
            os.utime(path, ns=(number, 1_234_567_890_123_456_789 + number))
        case "swap" if not path.is_dir():  # another file of the same name, size and time
            found = path.lstat()
            path.unlink()
            path.write_bytes(b"x" * min(found.st_size, 4096))
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        case "socket" if not os.path.lexists(other):
            os.mknod(other, stat.S_IFSOCK | 0o600)
        case "sparse" if not os.path.lexists(other):
            _make_sparse(other)
        case "attribute" if path.is_file() or path.is_dir():
            os.setxattr(path, "user.note", b"%d" % number)


def plain(ideas: Ideas) -> Ideas:
    """The same for who has one id and may make no device."""
    made: Ideas = {}
    for name, idea in without(ideas).items():
        match idea:
            case ("file", content, mode, _, time, attributes):
                made[name] = ("file", content, mode, (0, 0), time, attributes)
            case ("link", target, _, time):
                made[name] = ("link", target, (0, 0), time)
            case ("folder", dict() as inner, (mode, _, time, attributes, opaque)):
                made[name] = ("folder", plain(inner), (mode, (0, 0), time, attributes, opaque))
            case _:
                made[name] = idea
    return made


def without(ideas: Ideas, links: str = "") -> Ideas:
    """Without devices; links: and without hard links."""
    made: Ideas = {}
    for name, idea in ideas.items():
        match idea:
            case ("node", (kind, _, _)) if kind != stat.S_IFIFO:
                continue
            case ("hard", _) if links:
                continue
            case ("folder", dict() as inner, facts):
                made[name] = ("folder", without(inner, links), facts)
            case _:
                made[name] = idea
    return made


def shortened(ideas: Ideas, longest: int) -> Ideas:
    """The same with names of at most so many bytes."""
    made: Ideas = {}
    for name, idea in ideas.items():
        short = os.fsdecode(os.fsencode(name)[:longest])
        match idea:
            case ("folder", dict() as inner, facts):
                made[short] = ("folder", shortened(inner, longest), facts)
            case _:
                made[short] = idea
    return made


def _facts(found: os.stat_result, content: object, xattrs: list[tuple[str, bytes]]) -> dict[str, Any]:
    is_device = stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)
    return {
        "mode": f"{found.st_mode:o}",
        "owner": (found.st_uid, found.st_gid),
        "mtime_ns": found.st_mtime_ns,
        "device": found.st_rdev if is_device else 0,
        "content": content,
        "xattrs": xattrs,
    }


def _shown(content: bytes) -> str:
    """Enough to tell it from others; a difference of megabytes takes minutes to print."""
    return f"{len(content)} bytes, {sha256_digest(content).short}"


def told(root: Path) -> dict[str, dict[str, Any]]:
    """Everything below a folder but sockets, which no layer holds, by path."""
    seen = {}
    for top, folders, files in os.walk(root):
        for name in (*folders, *files):
            place = f"{top}/{name}"
            found = os.lstat(place)
            if stat.S_ISSOCK(found.st_mode):
                continue
            content: object = None
            if stat.S_ISLNK(found.st_mode):
                content = os.readlink(place)
            elif stat.S_ISREG(found.st_mode):
                with open(place, "rb") as file:
                    content = _shown(file.read())
            names = [] if stat.S_ISLNK(found.st_mode) else os.listxattr(place, follow_symlinks=False)
            xattrs = [(one, os.getxattr(place, one)) for one in sorted(names) if not one.startswith(_NOT_OURS)]
            seen[os.path.relpath(place, root)] = _facts(found, content, xattrs)
    return seen


def read(tree: Tree) -> dict[str, dict[str, Any]]:
    """The same of a tree, as we read it."""
    seen = {}
    for visit in walk(tree, ""):
        if stat.S_ISSOCK(visit.stat.st_mode):
            continue
        content: object = None
        xattrs: list[tuple[str, bytes]] = []
        if stat.S_ISLNK(visit.stat.st_mode):
            content = visit.folder.readlink(visit.name)
        elif stat.S_ISREG(visit.stat.st_mode):
            with os.fdopen(visit.folder.open(visit.name), "rb") as file:
                content = _shown(file.read())
        if not stat.S_ISLNK(visit.stat.st_mode):
            xattrs = sorted(visit.folder.xattrs(visit.name).items())
        seen[visit.path] = _facts(visit.stat, content, xattrs)
    return seen
