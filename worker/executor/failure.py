"""How setting up a sandbox fails, inside the processes that must stay small."""

from __future__ import annotations

import errno
import os

__all__ = ["SetupError", "explained"]


class SetupError(Exception):
    """The step could not be started; becomes a SandboxError on the client's side."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def explained(what: str, exc: OSError) -> SetupError:
    """The refusal of one system call, as a sentence and, where there is one, a remedy."""
    reason = exc.strerror or os.strerror(exc.errno or 0)
    path = f" ({os.fsdecode(exc.filename)})" if exc.filename else ""
    return SetupError(f"{what}: {reason}{path}", _HINTS.get(exc.errno or 0, ""))


_HINTS = {
    errno.EPERM: (
        "the kernel or a container around llbuild refuses it: run as root, or with user namespaces permitted;"
        " in a container, with --privileged or with --security-opt seccomp=unconfined,systempaths=unconfined"
    ),
    errno.ENOSPC: "a limit was reached: see sysctl user.max_pid_namespaces, user.max_mnt_namespaces and fs.mount-max",
    errno.ENOSYS: "llbuild's sandbox needs Linux 5.12 or later",
    errno.ENODEV: "this kernel lacks the filesystem: load its module (for layers: overlay)",
}
