"""Cgroups as the kernel's files tell of them, and what is to be written into these.

Files: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/*.rst of Linux. From shares to weight as in runc
(libcontainer/cgroups/utils.go, ConvertCPUSharesToCgroupV2Value).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ...values import frozen

if TYPE_CHECKING:
    from ...llb import LinuxResources
    from .spec import CgroupSpec

__all__ = ["Hierarchy", "hierarchies", "hierarchies_here", "read_file", "settings_v1", "settings_v2"]

_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_PERIOD_US = 100_000  # the kernel's own


@frozen
class Hierarchy:
    """One mounted tree of cgroups. `own`: the folder of the cgroup this process is in."""

    mount: str
    own: str
    controllers: frozenset[str]
    unified: bool = False


def hierarchies(mountinfo: str, cgroups: str) -> list[Hierarchy]:
    """Those mounted here, from the texts of /proc/self/mountinfo and /proc/self/cgroup."""
    places = {}
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        places[controllers] = path
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split(" ")[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            own = _below(mount, root, places.get("", "/"))
            available = read_file(f"{own}/cgroup.controllers") or read_file(f"{mount}/cgroup.controllers")
            found.append(Hierarchy(mount=mount, own=own, controllers=frozenset(available.split()), unified=True))
        elif kind == "cgroup":
            words = set(options.split(","))
            for controllers, path in places.items():
                names = frozenset(controllers.split(","))
                if names <= words and names & set(_CONTROLLERS):
                    found.append(Hierarchy(mount=mount, own=_below(mount, root, path), controllers=names))
    return found


def hierarchies_here() -> list[Hierarchy]:
    return hierarchies(read_file("/proc/self/mountinfo"), read_file("/proc/self/cgroup"))


def settings_v2(spec: CgroupSpec) -> dict[str, str]:
    """What is written where, in the order in which the kernel takes it."""
    wanted: LinuxResources = spec.resources
    settings = {}
    if wanted.memory:
        settings["memory.max"] = str(wanted.memory)
    if wanted.memory_swap:  # which counts memory too
        settings["memory.swap.max"] = (
            "max" if wanted.memory_swap < 0 else str(max(wanted.memory_swap - wanted.memory, 0))
        )
    if wanted.cpu_shares:
        shares = min(max(wanted.cpu_shares, 2), 262_144)
        settings["cpu.weight"] = str(1 + (shares - 2) * 9999 // 262_142)
    if wanted.cpu_quota or wanted.cpu_period:
        quota = str(wanted.cpu_quota) if wanted.cpu_quota > 0 else "max"
        settings["cpu.max"] = f"{quota} {wanted.cpu_period or _PERIOD_US}"
    return settings | _of_both(spec)


def settings_v1(spec: CgroupSpec) -> dict[str, str]:
    """The same for the older version."""
    wanted: LinuxResources = spec.resources
    numbers = {
        "memory.limit_in_bytes": wanted.memory,
        "memory.memsw.limit_in_bytes": wanted.memory_swap,
        "cpu.shares": wanted.cpu_shares,
        "cpu.cfs_period_us": wanted.cpu_period,
        "cpu.cfs_quota_us": wanted.cpu_quota,
    }
    return {file: str(number) for file, number in numbers.items() if number} | _of_both(spec)


def _of_both(spec: CgroupSpec) -> dict[str, str]:
    found = {"cpuset.cpus": spec.resources.cpuset_cpus, "cpuset.mems": spec.resources.cpuset_mems}
    found["pids.max"] = str(spec.pids) if spec.pids else ""
    return {file: value for file, value in found.items() if value}


def _below(mount: str, root: str, path: str) -> str:
    """Where a cgroup is in a mount that shows the hierarchy from `root` down."""
    inner = posixpath.relpath(path, root)
    return mount if inner == "." or inner.startswith("..") else f"{mount}/{inner}"


def read_file(path: str) -> str:
    """Its text; "" when it cannot be read."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
