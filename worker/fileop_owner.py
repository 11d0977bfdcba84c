"""Whose the files are that a file action makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..llb import FileRm, NamedUser
from .identity import find_group, find_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..llb import ChownOptions, FileAction
    from .snapshot import Tree

__all__ = ["find_owner", "owner_of"]


def owner_of(action: FileAction) -> ChownOptions | None:
    """What the action says of it."""
    return None if isinstance(action, FileRm) else action.owner


def find_owner(owner: ChownOptions | None, tree_of: Callable[[int], Tree]) -> tuple[int, int] | None:
    """The ids of an owner. Names are looked up in a tree: `tree_of` an input's number, or one below 0.

    Raises LlbuildError for a name that is not there.
    """
    if owner is None:
        return None
    user, group = owner.user, owner.group
    uid, gid = 0, 0
    if isinstance(user, NamedUser):
        _, uid, gid, _ = find_user(tree_of(user.input), user.name)
    elif user is not None:
        uid = gid = user
    if isinstance(group, NamedUser):
        gid = find_group(tree_of(group.input), group.name)
    elif group is not None:
        gid = group
    return uid, gid
