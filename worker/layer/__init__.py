"""Layers as tar archives: folders in overlay form packed into blobs, and blobs unpacked into folders.

Also plain archives (ADD), root filesystems coming in (import) and file trees going out (`-o type=local|tar`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .archive import is_archive as is_archive
    from .archive import newest_file as newest_file
    from .archive import unpack_archive as unpack_archive
    from .compression import Compression as Compression
    from .compression import load_packers as load_packers
    from .decompress import iter_decompressed as iter_decompressed
    from .extract import ExtractedLayer as ExtractedLayer
    from .extract import extract_layer as extract_layer
    from .measure import files_size as files_size
    from .member import Member as Member
    from .pack import PackedLayer as PackedLayer
    from .pack import convert_layer as convert_layer
    from .pack import pack_layer as pack_layer
    from .planned import NotPlanned as NotPlanned
    from .planned import PlannedCopy as PlannedCopy
    from .planned import PlannedLayer as PlannedLayer
    from .rootfs import pack_tree as pack_tree
    from .squash import pack_squashed as pack_squashed
    from .tarreader import TarLimits as TarLimits
    from .tarreader import TarReader as TarReader
    from .treeout import tree_to_folder as tree_to_folder
    from .treeout import trees_to_tar as trees_to_tar

_HOME = {
    "Compression": "compression",
    "ExtractedLayer": "extract",
    "Member": "member",
    "NotPlanned": "planned",
    "PackedLayer": "pack",
    "PlannedCopy": "planned",
    "PlannedLayer": "planned",
    "TarLimits": "tarreader",
    "TarReader": "tarreader",
    "convert_layer": "pack",
    "extract_layer": "extract",
    "files_size": "measure",
    "is_archive": "archive",
    "iter_decompressed": "decompress",
    "load_packers": "compression",
    "newest_file": "archive",
    "pack_layer": "pack",
    "pack_squashed": "squash",
    "pack_tree": "rootfs",
    "tree_to_folder": "treeout",
    "trees_to_tar": "treeout",
    "unpack_archive": "archive",
}

__all__ = [
    "Compression",
    "ExtractedLayer",
    "Member",
    "NotPlanned",
    "PackedLayer",
    "PlannedCopy",
    "PlannedLayer",
    "TarLimits",
    "TarReader",
    "convert_layer",
    "extract_layer",
    "files_size",
    "is_archive",
    "iter_decompressed",
    "load_packers",
    "newest_file",
    "pack_layer",
    "pack_squashed",
    "pack_tree",
    "tree_to_folder",
    "trees_to_tar",
    "unpack_archive",
]

__getattr__ = lazy_face(__name__, _HOME)
