"""The platform a vertex runs on or an image is for (OCI image-spec, image-index.md)."""

from __future__ import annotations

import os
import re

from .regexes import lazy_regex
from .values import frozen, replace

__all__ = ["Platform", "host_platform", "normalize_platform", "parse_platform", "parse_written_platform"]

# containerd's normalisation: other names of architectures -> GOARCH
_ARCH = {"i386": "386", "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm"}
# what `uname -m` says beside these
_MACHINES = {"i686": ("386", ""), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6")}
_VARIANTS = {
    "arm": {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"},
    "arm64": {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"},
    "amd64": {"v1": ""},
}
_KNOWN_SYSTEMS = (
    "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos"
)
_KNOWN_ARCHS = (
    "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le"
    " ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm"
)
_SYSTEM = lazy_regex(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?")
_WORD = lazy_regex(r"[A-Za-z0-9_.-]+")
_ESCAPES = str.maketrans({char: f"%{ord(char):02X}" for char in "%+()/"})


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
        """The form that `parse_platform` reads back whole: `windows(10.0.17763+win32k)/amd64`."""
        version = "".join(
            [
                self.os_version.translate(_ESCAPES),
                *(f"+{name.translate(_ESCAPES)}" for name in sorted({*self.os_features})),
            ]
        )
        system = f"{self.os}({version})" if version else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)


def parse_platform(text: str) -> Platform:
    """Read `os[(version)][/arch[/variant]]`, `arch` alone, or `local`, and normalise it.

    Raises ValueError saying what is wrong. Rules: containerd/platforms Parse and Normalize.
    """
    return host_platform() if text == "local" else normalize_platform(parse_written_platform(text))


def parse_written_platform(text: str) -> Platform:
    """`parse_platform` without the last step: `linux/arm64/v8` keeps its variant, and `linux/arm` gets none.

    BuildKit pins an image by the platform in this form where a build file names one. Raises ValueError.
    """
    system, *rest = text.split("/")
    match = _SYSTEM.fullmatch(system)
    if match is None or len(rest) > 2 or not all(_WORD.fullmatch(part) for part in rest):
        raise ValueError(f"{text!r} is not a platform; expected os/arch[/variant], e.g. linux/arm64")
    platform = Platform(
        os=_system(match[1]),
        os_version=_unescaped(match[2] or ""),
        os_features=tuple(_unescaped(name) for name in (match[3] or "").split("+") if name),
    )
    host = host_platform()
    if rest:
        arch, variant = _arch(rest[0], rest[1] if len(rest) == 2 else "")
    elif platform.os in _KNOWN_SYSTEMS.split():
        return replace(platform, architecture=host.architecture, variant=host.variant)
    else:
        arch, variant = _arch(system, "")
        if arch not in _KNOWN_ARCHS.split():
            raise ValueError(f"{text!r} is neither a known operating system nor an architecture; try linux/amd64")
        platform = Platform(os=host.os)
    if len(rest) < 2 and (arch, variant) == ("arm", "v7"):
        variant = ""
    elif len(rest) == 2 and (arch, variant) == ("arm64", ""):
        variant = "v8"
    return replace(platform, architecture=arch, variant=variant)


def normalize_platform(platform: Platform) -> Platform:
    """One spelling for all that mean the same: containerd/platforms Normalize."""
    arch, variant = _arch(platform.architecture, platform.variant)
    return Platform(
        os=_system(platform.os) if platform.os else host_platform().os,
        architecture=arch,
        variant=variant,
        os_version=platform.os_version,
        os_features=tuple(sorted({*platform.os_features})),
    )


def host_platform() -> Platform:
    """The platform this process runs on."""
    uname = os.uname()
    machine = uname.machine.lower()
    arch, variant = _MACHINES.get(machine) or _arch(machine, "")
    return Platform(os=_system(uname.sysname), architecture=arch, variant=variant)


def _system(name: str) -> str:
    name = name.lower()
    return "darwin" if name == "macos" else name


def _arch(arch: str, variant: str) -> tuple[str, str]:
    arch, variant = arch.lower(), variant.lower()
    if arch in ("armhf", "armel"):
        variant = "v7" if arch == "armhf" else "v6"
    elif arch == "i386":
        variant = ""
    arch = _ARCH.get(arch, arch)
    return arch, _VARIANTS.get(arch, {}).get(variant, variant)


def _unescaped(text: str) -> str:
    """The few characters that a version or feature cannot hold are percent-encoded in it."""
    if "%" not in text:
        return text
    if re.sub("%[0-9A-Fa-f]{2}", "", text).count("%"):
        raise ValueError(f"{text!r}: after '%' come two hex digits")
    return re.sub("%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)
