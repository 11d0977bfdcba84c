"""The kernel, and the Python that llbuild runs on."""

from __future__ import annotations

import os
import sys

from .finding import Finding, Level

__all__ = ["find_kernel", "find_python", "kernel_version", "read_text"]

_OLDEST = (5, 12)  # mount_setattr(2)
_LAYERS_BY_NAME = (6, 8)  # overlayfs takes layers one by one: any number, any length of path


def find_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(name="python", value=f"{version} ({sys.executable})")


def find_kernel() -> Finding:
    uname = os.uname()
    value = f"{uname.sysname} {uname.release} {uname.machine}"
    version = kernel_version(uname.release)
    if version < _OLDEST:
        return Finding(name="kernel", value=value, level=Level.BROKEN, hint="steps need Linux 5.12 or later")
    if version < _LAYERS_BY_NAME:
        hint = "Linux 6.8 and later mount more than 500 layers"
        return Finding(name="kernel", value=value, level=Level.LIMITED, hint=hint)
    return Finding(name="kernel", value=value)


def kernel_version(release: str) -> tuple[int, int]:
    """The first two numbers of `uname -r`; zeros for what is none."""
    numbers = []
    for word in release.split(".")[:2]:
        digits = word[: next((at for at, char in enumerate(word) if not char.isdecimal()), len(word))]
        numbers.append(int(digits or 0))
    return (numbers[0], numbers[1]) if len(numbers) > 1 else (numbers[0], 0)


def read_text(path: str) -> str:
    """A file of the kernel's; "" where it does not exist or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
