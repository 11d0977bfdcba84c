"""Which controllers of cgroups llbuild may use to limit steps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..executor.cgroupfiles import hierarchies
from .finding import Finding, Level
from .system import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..executor.cgroupfiles import Hierarchy

__all__ = ["cgroup_finding", "find_cgroups"]

_USEFUL = frozenset({"cpu", "memory", "pids"})


def find_cgroups() -> Finding:
    return cgroup_finding(hierarchies(read_text("/proc/self/mountinfo"), read_text("/proc/self/cgroup")))


def cgroup_finding(found: Sequence[Hierarchy]) -> Finding:
    if not found:
        return Finding(
            name="cgroup", value="none mounted", level=Level.MISSING, hint="limits of steps need cgroups: mount them"
        )
    forms = {hierarchy.unified for hierarchy in found}
    version = "1 and 2 (hybrid)" if len(forms) > 1 else "2" if forms == {True} else "1"
    writable = [hierarchy.controllers for hierarchy in found if os.access(hierarchy.own, os.W_OK)]
    names = sorted(_USEFUL & frozenset[str]().union(*writable))
    value = f"version {version}; writable: {', '.join(names) or 'nothing'}"
    if set(names) >= _USEFUL:
        return Finding(name="cgroup", value=value)
    hint = "a cgroup of one's own: systemd-run --user --scope -p Delegate=yes llbuild ..."
    return Finding(name="cgroup", value=value, level=Level.LIMITED, hint=hint)
