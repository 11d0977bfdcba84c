"""Sources: what a build starts from, brought into the content store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .archive import read_members as read_members
    from .caches import FoundCache as FoundCache
    from .caches import load_folder_cache as load_folder_cache
    from .caches import load_registry_cache as load_registry_cache
    from .docker_archive import read_docker_archive as read_docker_archive
    from .filelock import try_lock as try_lock
    from .git_mirror import mirror_lock as mirror_lock
    from .http_records import DOWNLOADS_SCHEMA as DOWNLOADS_SCHEMA
    from .identifier import parse_identifier as parse_identifier
    from .identifier import resolve_local as resolve_local
    from .images import ImageSource as ImageSource
    from .materials import Material as Material
    from .materials import materials_of as materials_of
    from .oci_layout import OciLayoutSource as OciLayoutSource
    from .pinned import pinned_key as pinned_key
    from .pins import Pin as Pin
    from .pins import Pins as Pins
    from .pins import SourceName as SourceName
    from .remote import RemoteSources as RemoteSources
    from .resolved import ResolvedImage as ResolvedImage

# Lazy (PEP 562): a cached build resolves its images from the store and loads no event loop.
_HOME = {
    "DOWNLOADS_SCHEMA": "http_records",
    "FoundCache": "caches",
    "ImageSource": "images",
    "Material": "materials",
    "OciLayoutSource": "oci_layout",
    "Pin": "pins",
    "Pins": "pins",
    "RemoteSources": "remote",
    "ResolvedImage": "resolved",
    "SourceName": "pins",
    "load_folder_cache": "caches",
    "load_registry_cache": "caches",
    "materials_of": "materials",
    "mirror_lock": "git_mirror",
    "parse_identifier": "identifier",
    "pinned_key": "pinned",
    "read_members": "archive",
    "resolve_local": "identifier",
    "try_lock": "filelock",
}
__all__ = [
    "DOWNLOADS_SCHEMA",
    "FoundCache",
    "ImageSource",
    "Material",
    "OciLayoutSource",
    "Pin",
    "Pins",
    "RemoteSources",
    "ResolvedImage",
    "SourceName",
    "load_folder_cache",
    "load_registry_cache",
    "materials_of",
    "mirror_lock",
    "parse_identifier",
    "pinned_key",
    "read_members",
    "resolve_local",
    "try_lock",
]

__getattr__ = lazy_face(__name__, _HOME)
