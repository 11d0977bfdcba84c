"""The platform a vertex runs on or an image is for (OCI image-spec, image-index.md)."""

from __future__ import annotations

import os
import re

from .values import frozen, replace

__all__ = ["Platform", "host_platform", "parse_platform"]

# containerd's normalisation: what people and `uname -m` say -> GOARCH (variant)
_ARCH = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "arm": ("arm", "v7"),
}
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_VERSIONED = re.compile(r"([A-Za-z0-9_.-]+)\(([A-Za-z0-9_.-]*)\)(/.*)?")


@frozen
class Platform:
    """os/architecture[/variant], normalised as containerd does (arm64/v8 is arm64)."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def with_version(self) -> str:
        """The form that `parse_platform` reads back whole: `windows(10.0.17763)/amd64`."""
        system = f"{self.os}({self.os_version})" if self.os_version else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)


def parse_platform(text: str) -> Platform:
    """Read `os[(version)][/arch[/variant]]`, `arch` alone, or `local`.

    Raises ValueError saying what is wrong. Rules: containerd/platforms Parse and Normalize.
    """
    if text == "local":
        return host_platform()
    versioned = _VERSIONED.fullmatch(text)
    if versioned is not None:
        return replace(parse_platform(versioned[1] + (versioned[3] or "")), os_version=versioned[2])
    parts = text.split("/")
    if not all(_WORD.fullmatch(part) for part in parts) or len(parts) > 3:
        raise ValueError(f"{text!r} is not a platform; expected os/arch[/variant], e.g. linux/arm64")
    host = host_platform()
    if len(parts) == 1:
        word = parts[0].lower()
        if word in _ARCH or word in {"ppc64le", "riscv64", "s390x", "386", "loong64", "mips64le"}:
            return _normalised(host.os, word, "")
        if word in {"linux", "windows", "darwin", "freebsd", "macos"}:
            return _normalised(word, host.architecture, host.variant)
        raise ValueError(f"{text!r} is neither a known operating system nor an architecture; try linux/amd64")
    return _normalised(parts[0].lower(), parts[1].lower(), parts[2].lower() if len(parts) == 3 else "")


def host_platform() -> Platform:
    """The platform this process runs on."""
    uname = os.uname()
    return _normalised(uname.sysname.lower(), uname.machine.lower(), "")


def _normalised(system: str, arch: str, variant: str) -> Platform:
    name, default_variant = _ARCH.get(arch, (arch, ""))
    variant = variant or default_variant
    if name == "arm64" and variant in {"8", "v8"}:
        variant = ""
    elif name == "arm" and variant in {"5", "6", "7", "8"}:
        variant = "v" + variant
    elif name == "amd64" and variant == "v1":
        variant = ""
    return Platform(os="darwin" if system == "macos" else system, architecture=name, variant=variant)
