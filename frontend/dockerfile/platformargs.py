"""Platforms as Dockerfiles see them: `--platform` values and the automatic TARGET… and BUILD… arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...platforms import Platform, parse_platform
from ...values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["automatic_args", "format_platform", "full_platform", "parse_platform_word"]

_VERSIONED = r"([A-Za-z0-9_.-]+)\(([A-Za-z0-9_.-]*)\)(/.*)?"


def parse_platform_word(text: str) -> Platform:
    """`os[(version)][/arch[/variant]]`. Raises ValueError."""
    match = re.fullmatch(_VERSIONED, text) if "(" in text else None
    if match is None:
        return parse_platform(text)
    return replace(parse_platform(match[1] + (match[3] or "")), os_version=match[2])


def format_platform(platform: Platform) -> str:
    """`linux/arm64`: without the OS version."""
    return str(platform) if platform.os else "unknown"


def full_platform(platform: Platform) -> str:
    """`windows(10.0.17763)/amd64`: with it."""
    if not platform.os_version:
        return format_platform(platform)
    rest = "".join(f"/{part}" for part in (platform.architecture, platform.variant) if part)
    return f"{platform.os}({platform.os_version}){rest}"


def automatic_args(build: Platform, target: Platform, stage: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """The arguments that are there without being declared globally; build arguments win."""
    values = {
        "BUILDPLATFORM": format_platform(build),
        "BUILDOS": build.os,
        "BUILDOSVERSION": build.os_version,
        "BUILDARCH": build.architecture,
        "BUILDVARIANT": build.variant,
        "TARGETPLATFORM": full_platform(target),
        "TARGETOS": target.os,
        "TARGETOSVERSION": target.os_version,
        "TARGETARCH": target.architecture,
        "TARGETVARIANT": target.variant,
        "TARGETSTAGE": stage or "default",
    }
    return {key: overrides.get(key, value) for key, value in values.items()}
