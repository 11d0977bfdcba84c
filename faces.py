"""A folder's public face, imported on first use (PEP 562).

    __getattr__ = lazy_face(__name__, {"LayerStore": "store"})

A fully cached build must not load what it does not need, and a face names everything its folder has.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_face"]


def lazy_face(package: str, home: Mapping[str, str]) -> Callable[[str], object]:
    """A module `__getattr__` that finds each name in the module of the package that `home` says."""

    def find(name: str) -> object:
        if name in home:
            return getattr(import_module(f"{package}.{home[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
