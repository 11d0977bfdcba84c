"""What is made for every file of a tree: named tuples, the cheapest things with names.

Without `from __future__ import annotations`, unlike everywhere else: of annotations that are text, typing compiles each
one, and with it wakes the compiler's own types, three milliseconds at the start of every command.
"""

import os
from typing import NamedTuple

from ...digest import Digest
from .tree import Directory

__all__ = ["Contents", "Entry", "Picked", "Visit"]


class Entry(NamedTuple):
    """A name in a folder and what it is (lstat)."""

    name: str
    stat: os.stat_result


class Picked(NamedTuple):
    """One source of a copy. `name` is what it is called at a destination that is a folder; "" for a root."""

    path: str
    name: str
    stat: os.stat_result


class Visit(NamedTuple):
    """Something met on a walk. `path` is relative to where the walk began; `folder` is what holds it, open.

    taken: false for a folder that only leads to something that is.
    """

    path: str
    name: str
    stat: os.stat_result
    folder: Directory
    taken: bool = True


class Contents(NamedTuple):
    """What some copies would take: its digest, and the listing, b"" when that was too long to be kept."""

    digest: Digest
    listing: bytes
