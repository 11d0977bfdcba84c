"""Programs of others that are of use, and what they would add."""

from __future__ import annotations

import os
import shutil
import subprocess

from ...platforms import host_platform, parse_platform
from ..emulators import find_emulator, runs_here
from ..executor import missing_network, network_program
from .finding import Finding, Level
from .system import kernel_version, read_text

__all__ = ["binfmt_platforms", "find_git", "find_network", "find_platforms", "find_runtimes"]

_BINFMT = "/proc/sys/fs/binfmt_misc"
_TIMEOUT_S = 5
_OWN_BINFMT = (6, 7)  # since then a user namespace has a binfmt_misc of its own
# qemu's names of machines, and the architecture of a platform
_QEMU = {
    "x86_64": "amd64",
    "i386": "386",
    "aarch64": "arm64",
    "arm": "arm",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "loongarch64": "loong64",
    "mips64el": "mips64le",
}


def find_runtimes() -> Finding:
    found = [f"{name} {version}" for name in ("runc", "crun") if (version := _version(name))]
    if found:
        return Finding(name="oci runtimes", value=f"{', '.join(found)} (--oci-runtime)")
    hint = "the built-in sandbox needs none; with runc installed, --oci-runtime runc uses that"
    return Finding(name="oci runtimes", value="none found", level=Level.MISSING, hint=hint)


def find_network() -> Finding:
    """What steps have that ask for no network in particular."""
    program = network_program()
    if program:
        value = f"steps have their own, by {os.path.basename(program[0])} ({program[0]})"
        return Finding(name="network", value=value)
    return Finding(name="network", value="steps use the machine's", level=Level.LIMITED, hint=missing_network())


def find_git() -> Finding:
    version = _version("git")
    if version:
        return Finding(name="git", value=version)
    hint = "install git for contexts and sources that are repositories"
    return Finding(name="git", value="not found", level=Level.MISSING, hint=hint)


def find_platforms() -> Finding:
    """Whose programs run here: the machine's own, and those the kernel hands to an emulator."""
    try:
        entries = os.listdir(_BINFMT)
    except OSError:
        entries = []
    emulated = binfmt_platforms({name: read_text(f"{_BINFMT}/{name}") for name in entries if name.startswith("qemu-")})
    own = str(host_platform())
    known = [own, *(f"{platform} (emulated)" for platform in emulated if platform != own)]
    found = [f"linux/{arch}" for arch in _QEMU.values() if f"linux/{arch}" not in emulated and find_emulator(arch)]
    foreign = [platform for platform in sorted(set(found)) if not runs_here(parse_platform(platform), host_platform())]
    private = kernel_version(os.uname().release) >= _OWN_BINFMT
    if private:
        known += [f"{platform} (by qemu)" for platform in foreign]
    value = ", ".join(known)
    if foreign and not private:
        hint = "to run steps of others: install binfmt-support, or Linux 6.7, which needs no registration of qemu"
        return Finding(name="platforms", value=value, level=Level.MISSING, hint=hint)
    if len(known) > 1:
        return Finding(name="platforms", value=value)
    hint = "to run steps of others: install qemu-user-static"
    return Finding(name="platforms", value=value, level=Level.MISSING, hint=hint)


def binfmt_platforms(entries: dict[str, str]) -> list[str]:
    """From the kernel's entries by name: those enabled whose emulator is held open, and so is found in any root."""
    found = set()
    for name, text in entries.items():
        machine = name.removeprefix("qemu-").removesuffix("-static")
        flags = next((line.partition(" ")[2] for line in text.splitlines() if line.startswith("flags:")), "")
        if machine in _QEMU and text.startswith("enabled") and "F" in flags:
            found.add(f"linux/{_QEMU[machine]}")
    return sorted(found)


def _version(program: str) -> str:
    """The first number that `PROGRAM --version` prints; "" where there is no such program."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.split()
    return f"{next((word for word in words if word[:1].isdecimal()), '?')} ({path})" if done.returncode == 0 else ""
