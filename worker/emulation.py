"""Programs of another architecture: who runs them, and what to say when nobody could."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..platforms import host_platform
from .emulators import find_emulator, is_registered, runs_here

if TYPE_CHECKING:
    from ..platforms import Platform

__all__ = ["emulator_line", "explain_foreign"]

_CANNOT_EXECUTE = 126  # POSIX sh, 2.8.2 "Exit Status for Commands"; the sandbox says so too


def emulator_line(platform: Platform | None) -> str:
    """What the kernel must be told to run programs for it in a step; "" when there is nothing to tell."""
    if platform is None or runs_here(platform, host_platform()) or is_registered(platform.architecture):
        return ""
    emulator = find_emulator(platform.architecture)
    return "" if emulator is None else emulator.line


def explain_foreign(platform: Platform | None, exit_code: int) -> tuple[str, str]:
    """What a failed step of `platform` may suffer from, and what helps; two empty texts when it is something else.

    Nobody is stopped beforehand: what is called arm64 may hold programs of this machine.
    """
    host = host_platform()
    if exit_code != _CANNOT_EXECUTE or platform is None or runs_here(platform, host):
        return "", ""
    if is_registered(platform.architecture):
        return "", ""
    native = "run the step in a stage FROM --platform=$BUILDPLATFORM and copy its results"
    why = f"this machine ({host}) cannot run programs for {platform}: "
    emulator = find_emulator(platform.architecture)
    if emulator is None:
        return f"{why}no emulator was found", f"install qemu-user-static, or {native}"
    unknown = (
        f"the kernel does not take {emulator.path} for a single build, which needs Linux 6.7 and the built-in sandbox"
    )
    return why + unknown, f"have it registered with binfmt_misc (binfmt-support does that), or {native}"
