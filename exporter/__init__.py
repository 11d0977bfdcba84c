"""Exporters: a result and its image config, written to where the user wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .assembly import AssembledImage as AssembledImage
    from .assembly import assemble as assemble
    from .targets import export_oci_folder as export_oci_folder
    from .targets import export_oci_tar as export_oci_tar
    from .targets import export_store as export_store
    from .targets import stream_oci_tar as stream_oci_tar

_HOME = {
    "AssembledImage": "assembly",
    "assemble": "assembly",
    "export_oci_folder": "targets",
    "export_oci_tar": "targets",
    "export_store": "targets",
    "stream_oci_tar": "targets",
}
__all__ = [
    "AssembledImage",
    "assemble",
    "export_oci_folder",
    "export_oci_tar",
    "export_store",
    "stream_oci_tar",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
