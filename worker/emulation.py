"""Programs of another architecture: whether this machine can run them, and what to say when it could not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..platforms import host_platform

if TYPE_CHECKING:
    from ..platforms import Platform

__all__ = ["explain_foreign"]

_CANNOT_EXECUTE = 126  # POSIX sh, 2.8.2 "Exit Status for Commands"; the sandbox says so too
_REGISTERED = Path("/proc/sys/fs/binfmt_misc")
_QEMU = {"386": "i386", "amd64": "x86_64", "arm64": "aarch64", "loong64": "loongarch64", "mips64le": "mips64el"}
_NATIVE_TOO = {"amd64": ("386",), "arm64": ("arm",)}  # 32-bit programs, if the processor and the kernel have the mode


def explain_foreign(platform: Platform | None, exit_code: int) -> tuple[str, str]:
    """What a failed step of `platform` may suffer from, and what helps; two empty texts when it is something else.

    Nobody is stopped beforehand: what is called arm64 may hold programs of this machine.
    """
    host = host_platform()
    if exit_code != _CANNOT_EXECUTE or platform is None or platform.os != host.os:
        return "", ""
    arch = platform.architecture
    if arch in (host.architecture, *_NATIVE_TOO.get(host.architecture, ())):
        return "", ""
    emulator = f"qemu-{_QEMU.get(arch, arch)}"
    if (_REGISTERED / emulator).exists():
        return "", ""
    why = f"this machine ({host}) cannot run programs for {platform}: no emulator is registered with binfmt_misc"
    native = "run the step in a stage FROM --platform=$BUILDPLATFORM and copy its results"
    return why, f"install qemu-user-static (it registers {emulator}), or {native}"
