"""From TOML text to `Config`: every key known, every value of its type, every complaint with its place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import ConfigError, StoreError, UsageError
from ...platforms import parse_platform
from ...solver.gc import Rule, Space, parse_duration, parse_filter, parse_space
from ...span import Span
from ..parser import suggestion
from ..progress import FORMS
from .places import find_key
from .values import BuildConfig, Config, DefaultsConfig, GcConfig, RegistryConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .places import Path

__all__ = ["parse_config", "read_config"]

_T = TypeVar("_T")
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_AT_END = re.compile(r" \(at end of document\)$")


def read_config(path: str) -> Config:
    """Raises ConfigError saying where the file is wrong, StoreError when it cannot be read."""
    try:
        data = FilePath(path).read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read the config file {path}: {error.strerror}") from None
    return parse_config(data.decode("utf-8", "replace"), path)


def parse_config(text: str, path: str) -> Config:
    """Raises ConfigError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, path) from None
    top = _Table(values, (), text, path)
    top.check(("build", "defaults", "gc", "registry"))
    config = Config(
        path=path,
        build=_build(top.table("build")),
        defaults=_defaults(top.table("defaults")),
        gc=_gc(top.table("gc")),
        registries=tuple(_registry(host, top.table("registry").table(host)) for host in top.table("registry").values),
    )
    origins = [(".".join(map(str, key)), find_key(text, path, key).line) for key in _leaves(values, ())]
    return Config(
        path=path,
        build=config.build,
        defaults=config.defaults,
        gc=config.gc,
        registries=config.registries,
        origins=tuple(origins),
    )


def _syntax_error(message: str, text: str, path: str) -> ConfigError:
    found = _AT.search(message)
    lines = text.splitlines() or [""]
    at = Span(path, int(found[1]), int(found[2])) if found else Span(path, len(lines), len(lines[-1]) + 1)
    words = _AT_END.sub("", _AT.sub("", message))
    return ConfigError(words[:1].lower() + words[1:], at=at, source=text)


class _Table:
    """One table of the file, and where it is."""

    def __init__(self, values: dict[str, Any], path: Path, text: str, file: str) -> None:
        self.values = values
        self._path = path
        self._text = text
        self._file = file

    def check(self, known: Collection[str]) -> None:
        """Raises ConfigError for a key that is not known."""
        for key in self.values:
            if key not in known:
                raise self.error(key, f"unknown key {key!r}{suggestion(key, known)}", f"known are {', '.join(known)}")

    def table(self, key: str) -> _Table:
        return _Table(self._typed(key, dict, "a table", {}), (*self._path, key), self._text, self._file)

    def tables(self, key: str) -> list[_Table]:
        """An array of tables."""
        found = self._typed(key, list, "an array of tables", [])
        if not all(isinstance(item, dict) for item in found):
            raise self.error(key, f"expected an array of tables ([[{'.'.join(map(str, (*self._path, key)))}]])")
        return [_Table(item, (*self._path, key, n), self._text, self._file) for n, item in enumerate(found)]

    def text(self, key: str, default: str = "") -> str:
        return self._typed(key, str, "a text", default)

    def flag(self, key: str, *, default: bool = False) -> bool:
        return self._typed(key, bool, "true or false", default)

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._typed(key, list, "an array of texts", [])
        if not all(isinstance(item, str) for item in found):
            raise self.error(key, "expected an array of texts")
        return tuple(found)

    def number(self, key: str, default: int, *, least: int) -> int:
        found = self._typed(key, int, "a whole number", default)
        if isinstance(found, bool) or (key in self.values and found < least):
            raise self.error(key, f"expected a whole number from {least} up, found {_shown(self.values[key])}")
        return found

    def parsed(self, key: str, parse: Callable[[str], _T], default: _T) -> _T:
        """A text, or a number that stands for one, as `parse` reads it."""
        if key not in self.values:
            return default
        found = self.values[key]
        if not isinstance(found, str | int) or isinstance(found, bool):
            raise self.error(key, f"expected a text or a number, found {_shown(found)}")
        try:
            return parse(str(found))
        except ValueError as error:
            raise self.error(key, str(error)) from None
        except UsageError as error:
            raise self.error(key, error.message, error.hint) from None

    def error(self, key: str, message: str, hint: str = "") -> ConfigError:
        at = find_key(self._text, self._file, (*self._path, key))
        return ConfigError(message, at=at, source=self._text, hint=hint)

    def _typed(self, key: str, kind: type[_T], what: str, default: _T) -> _T:
        found = self.values.get(key, default)
        if not isinstance(found, kind):
            raise self.error(key, f"{key}: expected {what}, found {_shown(found)}")
        return found


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r}"
    return "a table" if isinstance(value, dict) else "an array" if isinstance(value, list) else str(value)


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


def _build(table: _Table) -> BuildConfig:
    table.check(("max-parallelism", "shared-parallelism", "progress", "keep-going"))
    shared = table.number("shared-parallelism", -1, least=0)
    return BuildConfig(
        max_parallelism=table.number("max-parallelism", 0, least=1),
        shared_parallelism=None if shared < 0 else shared,
        progress=table.parsed("progress", _progress, "auto"),
        keep_going=table.flag("keep-going"),
    )


def _progress(text: str) -> str:
    if text not in FORMS:
        raise ValueError(f"unknown form {text!r}{suggestion(text, FORMS)}; the forms are {', '.join(FORMS)}")
    return text


def _defaults(table: _Table) -> DefaultsConfig:
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


def _gc(table: _Table) -> GcConfig:
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


def _rule(table: _Table) -> Rule:
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


def _registry(host: str, table: _Table) -> RegistryConfig:
    table.check(("http", "insecure", "mirrors", "ca", "keypair"))
    http, insecure = table.flag("http"), table.flag("insecure")
    if http and insecure:
        raise table.error("insecure", "http and insecure contradict each other: plain http has no certificates")
    pairs = []
    for pair in table.tables("keypair"):
        pair.check(("key", "cert"))
        for key in ("key", "cert"):
            if not pair.text(key):
                raise pair.error(key, f"a keypair needs {key}: the path of a PEM file")
        pairs.append((pair.text("key"), pair.text("cert")))
    return RegistryConfig(
        host=host,
        http=http,
        insecure=insecure,
        mirrors=table.texts("mirrors"),
        ca=table.texts("ca"),
        keypair=tuple(pairs),
    )
