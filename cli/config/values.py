"""What a config file can say, as values; the defaults are what holds without one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...image import RegistryConfig
    from ...solver.gc import Rule, Space

__all__ = ["BuildConfig", "Config", "DefaultsConfig", "GcConfig", "find_config", "load_config"]

_SYSTEM = "/etc/llbuild/config.toml"


@frozen
class BuildConfig:
    """`[build]`: what flags of `llbuild build` say otherwise."""

    max_parallelism: int = 0  # 0: as the machine allows
    shared_parallelism: int | None = None  # of all builds together; None: as the machine allows; 0: no limit
    max_copies: int = 0  # of one build; 0: as the machine allows
    max_transfers: int = 0  # likewise
    progress: str = "auto"
    keep_going: bool = False
    snapshotter: str = ""  # "": the first that works
    isolation: str = "sandbox"
    oci_runtime: str = ""  # "": the first there is
    seccomp: str = ""  # a file, or "unconfined"; "": the default profile
    engine: str = ""  # "": the first there is


@frozen
class DefaultsConfig:
    """`[defaults]`: what holds where neither a flag nor a variable says anything. "" is not set."""

    root: str = ""
    platform: str = ""
    frontend: str = ""
    pull: bool = False


@frozen
class GcConfig:
    """`[gc]`. Spaces that are None are BuildKit's; so are the rules when there are none."""

    enabled: bool = True
    interval_s: float = 3600.0
    reserved_space: Space | None = None
    max_used_space: Space | None = None
    min_free_space: Space | None = None
    policy: tuple[Rule, ...] = ()


@frozen
class Config:
    """`path` "": there is no file. `origins`: what the file sets, as dotted keys, and the lines where it does."""

    path: str = ""
    build: BuildConfig = BuildConfig()
    defaults: DefaultsConfig = DefaultsConfig()
    gc: GcConfig = GcConfig()
    registries: tuple[RegistryConfig, ...] = ()
    origins: tuple[tuple[str, int], ...] = ()


def find_config(environ: Mapping[str, str]) -> str:
    """The path of the config file that counts; "" when there is none. One that is named need not exist."""
    named = environ.get("LLBUILD_CONFIG")
    if named is not None:
        return named
    own = environ.get("XDG_CONFIG_HOME", "")
    if not own.startswith("/"):  # the XDG specification: a relative path is to be ignored
        home = environ.get("HOME", "")
        own = f"{home}/.config" if home.startswith("/") else ""
    places = [f"{own}/llbuild/config.toml"] if own else []
    return next((path for path in (*places, _SYSTEM) if os.path.exists(path)), "")


def load_config(environ: Mapping[str, str]) -> Config:
    """The configuration. Raises ConfigError saying where the file is wrong, StoreError when it cannot be read."""
    path = find_config(environ)
    if not path:
        return Config()
    from .reading import read_config

    return read_config(path)
