"""Filesystem states: layer folders, what a stack of them shows, and writing a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .contents import content_digest as content_digest
    from .filedigests import FileDigests as FileDigests
    from .folder import FolderTree as FolderTree
    from .merged import MergedTree as MergedTree
    from .removal import remove_tree as remove_tree
    from .selection import Filter as Filter
    from .selection import Picked as Picked
    from .selection import pick as pick
    from .store import ActiveLayer as ActiveLayer
    from .store import LayerId as LayerId
    from .store import LayerStore as LayerStore
    from .store import Snapshot as Snapshot
    from .transfer import CopySettings as CopySettings
    from .transfer import copy_picked as copy_picked
    from .tree import Directory as Directory
    from .tree import Entry as Entry
    from .tree import Tree as Tree
    from .tree import resolve as resolve
    from .walking import walk as walk
    from .writer import LayerWriter as LayerWriter
    from .writer import set_owner as set_owner

_HOME = {
    "ActiveLayer": "store",
    "CopySettings": "transfer",
    "Directory": "tree",
    "Entry": "tree",
    "FileDigests": "filedigests",
    "Filter": "selection",
    "FolderTree": "folder",
    "LayerId": "store",
    "LayerStore": "store",
    "LayerWriter": "writer",
    "MergedTree": "merged",
    "Picked": "selection",
    "Snapshot": "store",
    "Tree": "tree",
    "content_digest": "contents",
    "copy_picked": "transfer",
    "pick": "selection",
    "remove_tree": "removal",
    "resolve": "tree",
    "set_owner": "writer",
    "walk": "walking",
}
__all__ = [
    "ActiveLayer",
    "CopySettings",
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
    "content_digest",
    "copy_picked",
    "pick",
    "remove_tree",
    "resolve",
    "set_owner",
    "walk",
]

__getattr__ = lazy_face(__name__, _HOME)
