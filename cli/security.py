"""`--isolation`, `--oci-runtime`, `--security-opt`: who runs processes and how they are confined, for every command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..values import frozen
from .parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .config.values import BuildConfig
    from .parser import CommandParser, Found

__all__ = [
    "ISOLATIONS",
    "UNCONFINED",
    "Confinement",
    "add_isolation_flags",
    "add_security_flag",
    "add_snapshotter_flag",
    "configured",
    "isolation_name",
    "read_confinement",
    "read_snapshotter",
    "snapshotter_name",
]

ISOLATIONS = ("sandbox", "oci", "chroot")
SNAPSHOTTERS = ("overlay", "fuse-overlayfs", "native")  # the worker's, without loading it for a flag
UNCONFINED = "unconfined"


@frozen
class Confinement:
    """What holds a step. `runtime`: name or path of an OCI runtime; "": the first there is.

    seccomp: "": Docker's default profile; UNCONFINED: none; else the absolute path of a profile.
    """

    isolation: str = "sandbox"
    runtime: str = ""
    seccomp: str = ""


_DEFAULT = Confinement()


def add_security_flag(parser: CommandParser) -> None:
    parser.add_value(
        "--security-opt", metavar="OPTION", many=True, help="seccomp=FILE|unconfined: which system calls steps may make"
    )


def add_isolation_flags(parser: CommandParser) -> None:
    parser.add_value("--isolation", metavar="HOW", help=f"who confines steps: {', '.join(ISOLATIONS)}")
    parser.add_value("--oci-runtime", metavar="PROGRAM", help="with oci: runc, crun or a path; means --isolation=oci")


def read_confinement(found: Found, default: Confinement = _DEFAULT) -> Confinement:
    """What these flags ask for, those that the command has. `default`: what the config file says. Raises UsageError."""
    asked: str | None = getattr(found, "isolation", None)
    runtime: str = getattr(found, "oci_runtime", None) or ""
    if asked is not None and asked not in ISOLATIONS:
        raise UsageError(f"--isolation {asked!r}{suggestion(asked, ISOLATIONS)}: expected {' or '.join(ISOLATIONS)}")
    if runtime and asked not in {None, "oci"}:
        raise UsageError(f"--oci-runtime {runtime!r} and --isolation={asked} contradict each other")
    isolation = "oci" if runtime else asked or default.isolation
    return Confinement(
        isolation=isolation,
        runtime=runtime or (default.runtime if isolation == "oci" else ""),
        seccomp=_seccomp(found.security_opt, default.seccomp),
    )


def add_snapshotter_flag(parser: CommandParser) -> None:
    parser.add_value(
        "--snapshotter",
        metavar="NAME",
        help=f"how layers become a filesystem: {', '.join(SNAPSHOTTERS)} (default: the first that works)",
    )


def snapshotter_name(text: str) -> str:
    """Raises ValueError for one that does not exist; "" and auto: the first that works."""
    if text in {"", "auto"}:
        return ""
    if text not in SNAPSHOTTERS:
        known = ", ".join(SNAPSHOTTERS)
        raise ValueError(f"unknown snapshotter {text!r}{suggestion(text, SNAPSHOTTERS)}; there are {known}, auto")
    return text


def read_snapshotter(flag: str | None, configured: str) -> str:
    """What the flag says, or else the config file. Raises UsageError."""
    try:
        return configured if flag is None else snapshotter_name(flag)
    except ValueError as error:
        raise UsageError(f"--snapshotter: {error}") from None


def isolation_name(text: str) -> str:
    """For the config file. Raises ValueError."""
    if text == "chroot":
        raise ValueError("chroot isolates little: it must be asked for each time, by --isolation=chroot")
    if text not in ISOLATIONS:
        raise ValueError(f"unknown isolation {text!r}{suggestion(text, ISOLATIONS)}; there are sandbox, oci")
    return text


def configured(build: BuildConfig) -> Confinement:
    """What the config file says of it."""
    return Confinement(isolation=build.isolation, runtime=build.oci_runtime, seccomp=build.seccomp)


def _seccomp(texts: Sequence[str] | None, default: str) -> str:
    """Of several options the last counts."""
    profile = default
    for text in texts or ():
        name, _, value = text.partition("=")
        if name != "seccomp" or not value:
            raise UsageError(f"--security-opt {text!r}: expected seccomp=FILE or seccomp={UNCONFINED}")
        profile = "" if value == "builtin" else value if value == UNCONFINED else os.path.abspath(value)
        if profile not in {"", UNCONFINED} and not os.path.isfile(profile):
            raise UsageError(
                f"--security-opt {text!r}: there is no such file", hint="a profile is JSON, as docker run takes it"
            )
    return profile
