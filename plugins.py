"""Plugins: what other distributions register under an entry-point group of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .errors import LlbuildError

__all__ = ["load_plugin"]

_T = TypeVar("_T")


def load_plugin(
    name: str, *, group: str, what: str, kind: type[_T], error: type[LlbuildError], built_in: tuple[str, ...] = ()
) -> _T:
    """The plugin registered under `name` in the group. what, built_in: for the words of errors.

    Raises `error`: none of that name (saying which there are), it cannot be imported, or it is no `kind`.
    """
    from importlib.metadata import entry_points

    entries = entry_points(group=group)
    found = [entry for entry in entries if entry.name == name]
    if not found:
        known = ", ".join(sorted({*built_in, *(entry.name for entry in entries)})) or "none"
        raise error(f"no {what} {name!r} is installed; there are: {known}")
    try:
        plugin = found[0].load()
    except Exception as failure:  # a plugin may raise anything while it is imported
        raise error(f"{what} {name!r} ({found[0].value}) cannot be loaded: {failure}") from failure
    if not isinstance(plugin, kind):
        raise error(f"{found[0].value} is a {type(plugin).__name__}, not a {kind.__name__}")
    return plugin
