"""Filesystem states: layer folders, what a stack of them shows, and writing a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .bytecopy import copy_bytes as copy_bytes
    from .contents import read_contents as read_contents
    from .difference import copy_tree as copy_tree
    from .difference import write_difference as write_difference
    from .filedigests import FileDigests as FileDigests
    from .folder import FolderTree as FolderTree
    from .merged import MergedTree as MergedTree
    from .removal import remove_tree as remove_tree
    from .rows import Contents as Contents
    from .rows import Entry as Entry
    from .rows import Picked as Picked
    from .selection import Filter as Filter
    from .selection import pick as pick
    from .store import ActiveLayer as ActiveLayer
    from .store import LayerId as LayerId
    from .store import LayerStore as LayerStore
    from .store import Snapshot as Snapshot
    from .transfer import Copying as Copying
    from .transfer import CopyPlan as CopyPlan
    from .transfer import CopySettings as CopySettings
    from .transfer import CopyTarget as CopyTarget
    from .transfer import changed as changed
    from .tree import Directory as Directory
    from .tree import Tree as Tree
    from .tree import resolve as resolve
    from .walking import walk as walk
    from .writer import LayerWriter as LayerWriter
    from .writer import set_owner as set_owner
    from .xattrs import belongs as belongs
    from .xattrs import own_xattrs as own_xattrs

_HOME = {
    "ActiveLayer": "store",
    "Contents": "rows",
    "CopyPlan": "transfer",
    "CopySettings": "transfer",
    "CopyTarget": "transfer",
    "Copying": "transfer",
    "Directory": "tree",
    "Entry": "rows",
    "FileDigests": "filedigests",
    "Filter": "selection",
    "FolderTree": "folder",
    "LayerId": "store",
    "LayerStore": "store",
    "LayerWriter": "writer",
    "MergedTree": "merged",
    "Picked": "rows",
    "Snapshot": "store",
    "Tree": "tree",
    "belongs": "xattrs",
    "changed": "transfer",
    "copy_bytes": "bytecopy",
    "copy_tree": "difference",
    "own_xattrs": "xattrs",
    "pick": "selection",
    "read_contents": "contents",
    "remove_tree": "removal",
    "resolve": "tree",
    "set_owner": "writer",
    "walk": "walking",
    "write_difference": "difference",
}
__all__ = [
    "ActiveLayer",
    "Contents",
    "CopyPlan",
    "CopySettings",
    "CopyTarget",
    "Copying",
    "Directory",
    "Entry",
    "FileDigests",
    "Filter",
    "FolderTree",
    "LayerId",
    "LayerStore",
    "LayerWriter",
    "MergedTree",
    "Picked",
    "Snapshot",
    "Tree",
    "belongs",
    "changed",
    "copy_bytes",
    "copy_tree",
    "own_xattrs",
    "pick",
    "read_contents",
    "remove_tree",
    "resolve",
    "set_owner",
    "walk",
    "write_difference",
]

__getattr__ = lazy_face(__name__, _HOME)
