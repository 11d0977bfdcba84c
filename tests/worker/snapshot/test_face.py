"""The room's face."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from llbuild.worker import snapshot


def test_no_name_of_the_face_is_a_module_of_the_room() -> None:
    """Importing such a module would put it in the name's place, depending on who came first."""
    modules = {module.name for module in pkgutil.iter_modules(snapshot.__path__)}
    assert not modules & set(snapshot.__all__)


def test_every_name_of_the_face_is_there_whatever_was_imported_before() -> None:
    for module in pkgutil.iter_modules(snapshot.__path__):
        import_module(f"{snapshot.__name__}.{module.name}")
    for name in snapshot.__all__:
        assert type(getattr(snapshot, name)).__name__ != "module"
