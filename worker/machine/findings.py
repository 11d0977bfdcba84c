"""Everything that is looked at, in the order in which it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cgroups import find_cgroups
from .confinement import find_seccomp, find_user_ids, probe_sandbox
from .programs import find_git, find_network, find_platforms, find_runtimes
from .storage import find_snapshotter, find_state_folder
from .system import find_kernel, find_python

if TYPE_CHECKING:
    from .finding import Finding

__all__ = ["find_all"]


def find_all(root: str) -> tuple[Finding, ...]:
    """What holds for builds with this state folder. Changes nothing; call it from a process without threads."""
    sandbox = probe_sandbox()
    return (
        find_python(),
        find_kernel(),
        find_state_folder(root),
        find_snapshotter(root),
        sandbox,
        find_runtimes(),
        find_user_ids(root),
        find_seccomp(),
        find_cgroups(),
        find_network(),
        find_platforms(),
        find_git(),
    )
