"""Platforms in vertex names of a multi-platform build: `linux/amd64->arm64`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...platforms import Platform, parse_platform
from ...values import replace
from .platformargs import full_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["platform_prefix"]


def platform_prefix(platform: Platform, env: Mapping[str, str]) -> str:
    """The platform a step runs on and, for a cross build, the one its TARGET… variables speak of."""
    target = _from_env(env)
    if target is None:
        return full_platform(platform)
    target = replace(target, os=target.os or platform.os, architecture=target.architecture or platform.architecture)
    if target.os != platform.os:
        return f"{full_platform(platform)}->{full_platform(target)}"
    if target.architecture == platform.architecture:
        return full_platform(platform)
    variant = f"/{target.variant}" if target.variant else ""
    return f"{full_platform(platform)}->{target.architecture}{variant}"


def _from_env(env: Mapping[str, str]) -> Platform | None:
    found: dict[str, str] = {}
    for key, value in env.items():
        if key == "TARGETPLATFORM":
            try:
                return parse_platform(value)
            except ValueError:
                continue
        if key == "TARGETOS":
            found["os"] = value
        elif key == "TARGETARCH":
            found["architecture"] = value
        elif key == "TARGETVARIANT":
            found["variant"] = value
    if not found:
        return None
    parts = Platform(
        os=found.get("os", ""), architecture=found.get("architecture", ""), variant=found.get("variant", "")
    )
    try:
        # Normalised, so that arm/v8 and arm64 read alike.
        return parse_platform(str(parts)) if parts.os and parts.architecture else parts
    except ValueError:
        return parts
