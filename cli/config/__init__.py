"""The config file: where it is, what it says, where it is wrong. Without one, nothing here imports or reads TOML."""

from __future__ import annotations

from .values import BuildConfig, Config, DefaultsConfig, GcConfig, RegistryConfig, find_config, load_config

__all__ = ["BuildConfig", "Config", "DefaultsConfig", "GcConfig", "RegistryConfig", "find_config", "load_config"]
