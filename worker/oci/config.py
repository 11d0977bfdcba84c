"""The runtime's config.json for one step: the same walls as the built-in sandbox has, in the OCI's words.

Spec: OCI runtime-spec 1.0.2, config.md and config-linux.md. The root's own mounts, /etc/hosts and /etc/resolv.conf
among them, are part of the root already: the runtime adds /proc, /sys and /dev.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ...llb import NetMode
from ...values import frozen
from ..executor.capabilities import DEFAULT
from ..executor.kernelfs import MASKED, READ_ONLY
from ..seccomp import ARCHITECTURES, UNCONFINED, named_rules, read_profile, this_machine
from ..seccomp.own import ACTIONS, ACTIONS_WITH_DATA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..executor import ExecSpec
    from ..seccomp.rules import OwnProfile, Rule

__all__ = ["Surroundings", "default_config", "runtime_config", "seccomp_config"]

_AUDIT_NAMES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
    "riscv64": ("SCMP_ARCH_RISCV64",),
    "loongarch64": ("SCMP_ARCH_LOONGARCH64",),
    "ppc64le": ("SCMP_ARCH_PPC64LE",),
    "s390x": ("SCMP_ARCH_S390X",),
}
_TTY_GROUP = 5
# Of Docker's capabilities this one alone is missing: where Docker has its device cgroup against nodes of the machine's
# disks, there is none here, and the runtime's /dev has to open devices. The sandbox's own walls need neither.
_MKNOD = 1 << 27
_FAMILIES = 46  # AF_MAX, linux/socket.h: of address families, the one thing that is ruled by what is forbidden
# By number, linux/capability.h.
_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)


@frozen
class Surroundings:
    """What of the machine the config depends on.

    permitted: this process's capabilities, as a bit mask. seccomp: `seccomp_config`; None: calls are not filtered.
    """

    permitted: int
    maps_tty_group: bool
    in_userns: bool
    may_set_groups: bool
    seccomp: Mapping[str, Any] | None


def runtime_config(spec: ExecSpec, root: str, here: Surroundings) -> dict[str, Any]:
    """root: where the step's root filesystem will be."""
    capabilities = _names(here.permitted if spec.insecure else here.permitted & DEFAULT & ~_MKNOD)
    inherited = capabilities if spec.insecure else []
    linux: dict[str, Any] = {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]}
    if not spec.insecure:
        linux["maskedPaths"] = [f"/{path.decode()}" for path in MASKED]
        linux["readonlyPaths"] = [f"/{path.decode()}" for path in READ_ONLY]
        if here.seccomp is not None:
            linux["seccomp"] = here.seccomp
    return {
        "ociVersion": "1.0.2",
        "root": {"path": root, "readonly": spec.root.readonly or not spec.root.upper},
        "hostname": spec.hostname,
        "process": {
            "terminal": False,
            "user": {"uid": spec.uid, "gid": spec.gid, "umask": 0o022, **_groups(spec, here)},
            "args": list(spec.args),
            "env": list(spec.env),
            "cwd": spec.cwd or "/",
            "noNewPrivileges": False,
            "rlimits": [
                {"type": f"RLIMIT_{limit.name.upper()}", "soft": limit.soft, "hard": limit.hard}
                for limit in spec.ulimits
            ],
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
                "inheritable": inherited,
                "ambient": inherited,
            },
        },
        "mounts": _mounts(spec, here),
        "linux": linux,
    }


def _groups(spec: ExecSpec, here: Surroundings) -> dict[str, list[int]]:
    """In a user namespace with one id there are no others, and none can be set."""
    return {"additionalGids": list(spec.groups)} if here.may_set_groups else {}


def _mounts(spec: ExecSpec, here: Surroundings) -> list[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    writable = [] if spec.insecure else ["ro"]
    pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if here.maps_tty_group:
        pts.append(f"gid={_TTY_GROUP}")
    if here.in_userns and spec.network is not NetMode.NONE:
        # A user namespace may mount sysfs only along with a network namespace it owns.
        sysfs = {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", *quiet, *writable]}
    else:
        sysfs = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*quiet, *writable]}
    shm = ["nosuid", "noexec", "nodev", "mode=1777", f"size={spec.shm_size_bytes}"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": quiet},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": pts},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": shm},  # noqa: S108  the step's own
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": quiet},
        sysfs,
    ]


def _names(mask: int) -> list[str]:
    return [f"CAP_{name}" for number, name in enumerate(_CAPABILITIES) if mask >> number & 1]


def seccomp_config(profile: str = "") -> dict[str, Any] | None:
    """A profile for libseccomp, which compiles it anew for each step. None: calls are not filtered.

    profile: see `filter_program`. Raises SandboxError as that does.
    """
    if profile == UNCONFINED:
        return None
    machine = this_machine()
    return _own(read_profile(profile, machine), machine.name) if profile else default_config(machine.name)


def _own(profile: OwnProfile, machine: str) -> dict[str, Any]:
    names = dict(zip((abi.column for abi in ARCHITECTURES[machine]), _AUDIT_NAMES[machine], strict=True))
    calls = [{"names": [name], **_rule(rule)} for name, rules in profile.calls.items() for rule in rules]
    found = {"architectures": [names[abi.column] for abi in profile.abis], "syscalls": calls}
    default = _action(profile.default)
    found["defaultAction"] = default["action"]
    if "errnoRet" in default:
        found["defaultErrnoRet"] = default["errnoRet"]
    return found


def _rule(rule: Rule) -> dict[str, Any]:
    args = [
        {
            "index": comparison.argument,
            "value": comparison.value,
            "valueTwo": comparison.second,
            "op": f"SCMP_CMP_{comparison.operator}",
        }
        for comparison in rule.comparisons
    ]
    return _action(rule.result) | ({"args": args} if args else {})


def _action(result: int) -> dict[str, Any]:
    name = next(name for name, action in ACTIONS.items() if action == result & 0xFFFF_0000)
    return {"action": name} | ({"errnoRet": result & 0xFFFF} if name in ACTIONS_WITH_DATA else {})


def default_config(machine: str) -> dict[str, Any]:
    """Docker's default profile."""
    (abi, *_) = ARCHITECTURES[machine]
    always, checks = named_rules(abi)
    calls: list[dict[str, Any]] = [{"names": always, "action": "SCMP_ACT_ALLOW"}]
    for name, check in checks.items():
        if check is None:
            calls.append({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS})
            continue
        values = [value for value in range(_FAMILIES) if value not in check.values] if check.unless else check.values
        for value in values:  # only this comparison can leave the upper half of the argument out
            condition = {"index": check.argument, "value": check.mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
            calls.append({"names": [name], "action": "SCMP_ACT_ALLOW", "args": [condition]})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "architectures": list(_AUDIT_NAMES[machine]),
        "syscalls": calls,
    }
