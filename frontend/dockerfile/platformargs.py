"""Platforms as Dockerfiles see them: `--platform` values and the automatic TARGET… and BUILD… arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...platforms import Platform

__all__ = ["automatic_args", "format_platform", "full_platform"]


def format_platform(platform: Platform) -> str:
    """`linux/arm64`: without the OS version."""
    return str(platform) if platform.os else "unknown"


def full_platform(platform: Platform) -> str:
    """`windows(10.0.17763)/amd64`: with it."""
    return platform.with_version if platform.os else "unknown"


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
