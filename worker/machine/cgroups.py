"""Which controllers of cgroups llbuild may use to limit steps."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from .finding import Finding, Level
from .system import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cgroup_finding", "find_cgroups"]

_USEFUL = ("cpu", "memory", "pids")


def find_cgroups() -> Finding:
    return cgroup_finding(read_text("/proc/self/mountinfo"), read_text("/proc/self/cgroup"))


def cgroup_finding(mountinfo: str, cgroups: str) -> Finding:
    """From the texts of these two files of /proc/self; looks at what they lead to."""
    mounts = list(_mounts(mountinfo))
    if not mounts:
        return Finding(
            name="cgroup", value="none mounted", level=Level.MISSING, hint="limits of steps need cgroups: mount them"
        )
    own = {controllers: path for _, controllers, path in (line.split(":", 2) for line in cgroups.splitlines())}
    old = any(kind == "cgroup" for kind, *_ in mounts)
    new = any(kind == "cgroup2" for kind, *_ in mounts)
    version = "1 and 2 (hybrid)" if old and new else "2" if new else "1"
    writable = sorted({name for mount in mounts for name in _writable(*mount, own)})
    value = f"version {version}; writable: {', '.join(writable) or 'nothing'}"
    if set(_USEFUL) <= set(writable):
        return Finding(name="cgroup", value=value)
    hint = "a cgroup of one's own: systemd-run --user --scope -p Delegate=yes llbuild ..."
    return Finding(name="cgroup", value=value, level=Level.LIMITED, hint=hint)


def _mounts(mountinfo: str) -> Iterator[tuple[str, str, str, frozenset[str]]]:
    """Kind, root and place of each hierarchy, and its controllers (version 1)."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        if kind in {"cgroup", "cgroup2"}:
            root, place = before.split(" ")[3:5]
            yield kind, root, place, frozenset(options.rpartition(" ")[2].split(","))


def _writable(kind: str, root: str, place: str, options: frozenset[str], own: dict[str, str]) -> set[str]:
    """The controllers for which a cgroup can be made below our own."""
    if kind == "cgroup2":
        folder = _folder(place, root, own.get("", "/"))
        names = set(read_text(f"{folder}/cgroup.controllers").split())
    else:
        controllers = next((found for found in own if found and set(found.split(",")) <= options), "")
        folder = _folder(place, root, own.get(controllers, "/"))
        names = set(controllers.split(","))
    return names & set(_USEFUL) if os.access(folder, os.W_OK) else set()


def _folder(place: str, root: str, own: str) -> str:
    """Where our cgroup is seen, in a mount that shows the hierarchy from `root` on."""
    below = posixpath.relpath(own, root) if own.startswith(root) else "."
    return posixpath.normpath(posixpath.join(place, below))
