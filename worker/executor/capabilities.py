"""What root inside a step may still do: Docker's default capability set, as BuildKit gives it.

Numbers: linux/capability.h. Facts: containerd pkg/oci/spec.go defaultUnixCaps (bounding, permitted and
effective; inheritable and ambient stay empty), BuildKit util/entitlements/security for insecure steps.
"""

from __future__ import annotations

from .. import syscalls

__all__ = ["CHROOTED", "DEFAULT", "drop_bounding", "set_effective", "set_insecure"]

_CHOWN, _DAC_OVERRIDE, _FOWNER, _FSETID, _KILL, _SETGID, _SETUID, _SETPCAP = 0, 1, 3, 4, 5, 6, 7, 8
_NET_BIND_SERVICE, _NET_RAW, _SYS_CHROOT, _MKNOD, _AUDIT_WRITE, _SETFCAP = 10, 13, 18, 27, 29, 31

DEFAULT = 0
for _number in (
    *(_CHOWN, _DAC_OVERRIDE, _FOWNER, _FSETID, _KILL, _SETGID, _SETUID, _SETPCAP),
    *(_NET_BIND_SERVICE, _NET_RAW, _SYS_CHROOT, _MKNOD, _AUDIT_WRITE, _SETFCAP),
):
    DEFAULT |= 1 << _number

_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2


# Where nothing but chroot(2) holds a step: with the one it could leave its root, with the other open any device.
CHROOTED = DEFAULT & ~(1 << _SYS_CHROOT) & ~(1 << _MKNOD)


def drop_bounding(last: int, kept: int = DEFAULT) -> None:
    """Make everything outside of `kept` unreachable, also for setuid programs; `last` is the highest known."""
    for number in range(last + 1):
        if not kept >> number & 1:
            syscalls.prctl(_PR_CAPBSET_DROP, number)


def set_effective(permitted: int) -> None:
    """Keep the default set, as far as this process has it (`permitted`); call it while still root.

    A step of another user needs nothing more: changing the id clears permitted and effective, and with nothing
    inheritable or ambient, execve(2) does not bring them back. So it is with runc and these sets.
    """
    kept = DEFAULT & permitted
    syscalls.capset(effective=kept, permitted=kept, inheritable=0)


def set_insecure(permitted: int, last: int) -> None:
    """Everything this process has, for users other than root too (ambient): RUN --security=insecure."""
    syscalls.capset(effective=permitted, permitted=permitted, inheritable=permitted)
    for number in range(last + 1):
        if permitted >> number & 1:
            syscalls.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)
