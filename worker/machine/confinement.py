"""What walls there are around a step: namespaces, users, system calls."""

from __future__ import annotations

import os

from ...errors import SandboxError
from ..idmap import id_map, in_user_namespace
from ..seccomp import ARCHITECTURES, FAKING_MACHINES
from ..subids import SubIds
from ..userns import needs_user_namespace, probe_ids, probe_namespaces
from .finding import Finding, Level
from .system import read_text

__all__ = ["find_seccomp", "find_user_ids", "probe_sandbox", "seccomp_finding"]

_ACTIONS = "/proc/sys/kernel/seccomp/actions_avail"
_CAP_SYS_CHROOT = 18


def probe_sandbox() -> Finding:
    """Whether the built-in executor can make its namespaces."""
    refused = probe_namespaces()
    if refused is not None:
        hint = f"{refused.hint}; or --isolation=chroot, which isolates little" if has_chroot() else refused.hint
        return Finding(name="executor", value=f"none: {refused.message}", level=Level.BROKEN, hint=hint)
    return Finding(name="executor", value="sandbox (built in); oci and chroot by --isolation")


def has_chroot() -> bool:
    """Whether this process may change its root: what `--isolation=chroot` takes."""
    status = read_text("/proc/self/status")
    return any(int(line.split()[1], 16) >> _CAP_SYS_CHROOT & 1 for line in status.splitlines() if line[:7] == "CapEff:")


def find_user_ids(root: str) -> Finding:
    """Whom the ids of a step stand for, with the state in that folder."""
    if not needs_user_namespace():
        if in_user_namespace():
            count = sum(count for _, _, count in id_map())
            return Finding(name="user ids", value=f"{count} of the user namespace llbuild was started in")
        return Finding(name="user ids", value="all, as on this machine (llbuild is root)")
    try:
        chosen = probe_ids(root)
    except SandboxError as refused:
        return Finding(name="user ids", value=f"none: {refused.message}", level=Level.BROKEN, hint=refused.hint)
    me = f"root of a step is uid {os.geteuid()} outside"
    if isinstance(chosen, SubIds):
        count = 1 + sum(count for _, count in chosen.uids)
        ranges = ", ".join(f"{first}-{first + count - 1}" for first, count in chosen.uids)
        return Finding(name="user ids", value=f"{count}: {me}, the others {ranges} (newuidmap)")
    others = "others are made up" if fakes_ids(os.uname().machine, read_text(_ACTIONS)) else "there are no others"
    value = f"one: {me}, {others} ({chosen.reason})"
    return Finding(name="user ids", value=value, level=Level.LIMITED, hint=chosen.hint)


def fakes_ids(machine: str, actions: str) -> bool:
    """Whether the sandbox can have a step believe in other users. actions: as for `seccomp_finding`."""
    return machine in FAKING_MACHINES and "user_notif" in actions.split()


def find_seccomp() -> Finding:
    return seccomp_finding(read_text(_ACTIONS), os.uname().machine)


def seccomp_finding(actions: str, machine: str) -> Finding:
    """From the actions the kernel's filter knows, "" where it has none."""
    without = "--security-opt seccomp=unconfined runs steps without a filter"
    if "errno" not in actions.split():
        hint = f"a kernel with CONFIG_SECCOMP_FILTER; {without}"
        return Finding(name="seccomp", value="not in this kernel", level=Level.BROKEN, hint=hint)
    if machine not in ARCHITECTURES:
        hint = f"there are profiles for {', '.join(sorted(ARCHITECTURES))}; {without}"
        return Finding(name="seccomp", value=f"no profile for {machine}", level=Level.BROKEN, hint=hint)
    forms = " and ".join(abi.column for abi in ARCHITECTURES[machine])
    return Finding(name="seccomp", value=f"Docker's default profile, for calls of {forms}")
