"""From TOML text to `Config`: every key known, every value of its type, every complaint with its place."""

from __future__ import annotations

from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from ...errors import StoreError, UsageError
from ...image import RegistryConfig, is_host, parse_mirror
from ...platforms import parse_platform
from ...solver.gc import Rule, Space, parse_duration, parse_filter, parse_space
from ..outputs import ENGINES
from ..parser import suggestion
from ..progress import FORMS
from ..security import UNCONFINED, isolation_name, snapshotter_name
from .places import find_key
from .table import Table, read_table
from .values import BuildConfig, Config, DefaultsConfig, GcConfig

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["parse_config", "read_config"]


def read_config(path: str) -> Config:
    """Raises ConfigError saying where the file is wrong, StoreError when it cannot be read."""
    try:
        data = FilePath(path).read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read the config file {path}: {error.strerror}") from None
    return parse_config(data.decode("utf-8", "replace"), path)


def parse_config(text: str, path: str) -> Config:
    """Raises ConfigError."""
    top = read_table(text, path)
    top.check(("build", "defaults", "gc", "registry"))
    config = Config(
        path=path,
        build=_build(top.table("build")),
        defaults=_defaults(top.table("defaults")),
        gc=_gc(top.table("gc")),
        registries=tuple(_registry(host, top.table("registry")) for host in top.table("registry").values),
    )
    origins = [(".".join(map(str, key)), find_key(text, path, key).line) for key in _leaves(top.values, ())]
    return Config(
        path=path,
        build=config.build,
        defaults=config.defaults,
        gc=config.gc,
        registries=config.registries,
        origins=tuple(origins),
    )


def _leaves(values: dict[str, Any], path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += _leaves(value, (*path, key))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, item in enumerate(value):
                found += _leaves(item, (*path, key, number))
        else:
            found.append((*path, key))
    return found


def _build(table: Table) -> BuildConfig:
    parallelism = ("max-parallelism", "shared-parallelism", "max-copies", "max-transfers")
    table.check(
        (*parallelism, "progress", "keep-going", "snapshotter", "isolation", "oci-runtime", "seccomp", "engine")
    )
    shared = table.number("shared-parallelism", -1, least=0)
    return BuildConfig(
        max_parallelism=table.number("max-parallelism", 0, least=1),
        shared_parallelism=None if shared < 0 else shared,
        max_copies=table.number("max-copies", 0, least=1),
        max_transfers=table.number("max-transfers", 0, least=1),
        progress=table.parsed("progress", partial(_one_of, "form", FORMS), "auto"),
        keep_going=table.flag("keep-going"),
        snapshotter=table.parsed("snapshotter", snapshotter_name, ""),
        isolation=table.parsed("isolation", isolation_name, "sandbox"),
        oci_runtime=table.text("oci-runtime"),
        seccomp=table.parsed("seccomp", _profile, ""),
        engine=table.parsed("engine", partial(_one_of, "engine", ENGINES), ""),
    )


def _profile(text: str) -> str:
    if text == UNCONFINED:
        return text
    if not text.startswith("/"):
        raise ValueError(f"expected {UNCONFINED} or the absolute path of a profile, found {text!r}")
    return text


def _one_of(what: str, known: Collection[str], text: str) -> str:
    if text not in known:
        raise ValueError(f"unknown {what} {text!r}{suggestion(text, known)}; the {what}s are {', '.join(known)}")
    return text


def _defaults(table: Table) -> DefaultsConfig:
    table.check(("root", "platform", "frontend", "pull"))
    return DefaultsConfig(
        root=table.parsed("root", _absolute, ""),
        platform=table.parsed("platform", lambda text: str(parse_platform(text)), ""),
        frontend=table.text("frontend"),
        pull=table.flag("pull"),
    )


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"expected an absolute path, found {text!r}")
    return text


_SPACES = ("reservedSpace", "maxUsedSpace", "minFreeSpace")


def _gc(table: Table) -> GcConfig:
    table.check(("enabled", "interval", *_SPACES, "policy"))
    reserved, most, free = (table.parsed(key, parse_space, None) for key in _SPACES)
    return GcConfig(
        enabled=table.flag("enabled", default=True),
        interval_s=table.parsed("interval", parse_duration, GcConfig().interval_s),
        reserved_space=reserved,
        max_used_space=most,
        min_free_space=free,
        policy=tuple(_rule(item) for item in table.tables("policy")),
    )


def _rule(table: Table) -> Rule:
    table.check(("all", "filters", "keepDuration", *_SPACES))
    reserved, most, free = (table.parsed(key, parse_space, Space()) for key in _SPACES)
    try:
        filters = tuple(parse_filter(text) for text in table.texts("filters"))
    except UsageError as error:
        raise table.error("filters", error.message, error.hint) from None
    return Rule(
        filters=filters,
        all_types=table.flag("all"),
        keep_duration_s=table.parsed("keepDuration", parse_duration, 0.0),
        reserved_space=reserved,
        max_used_space=most,
        min_free_space=free,
    )


def _registry(host: str, tables: Table) -> RegistryConfig:
    table = tables.table(host)
    if not is_host(host):
        raise tables.error(
            host, f"{host!r} is no registry: expected HOST[:PORT]", "a mirror may have a path, in mirrors"
        )
    table.check(("http", "http2", "insecure", "mirrors", "ca", "keypair"))
    pairs = []
    for pair in table.tables("keypair"):
        pair.check(("key", "cert"))
        for key in ("key", "cert"):
            if not pair.text(key):
                raise pair.error(key, f"a keypair needs {key}: the path of a PEM file")
            pair.parsed(key, _absolute, "")
        pairs.append((pair.text("key"), pair.text("cert")))
    return RegistryConfig(
        host=host,
        http=table.flag("http") if "http" in table.values else None,
        insecure=table.flag("insecure"),
        mirrors=table.texts("mirrors", parse_mirror),
        ca=table.texts("ca", _absolute),
        keypair=tuple(pairs),
        http2=table.flag("http2"),
    )
