"""Which caches an exec op uses, and how."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from ..llb import CacheOptions, MountType
from .cache_mounts import cache_ids, mount_id
from .cacheholds import CacheUse, FirstContents, cache_name
from .snapshot import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..llb import Definition, ExecOp
    from .snapshot import LayerStore, Snapshot

__all__ = ["cache_uses", "unwanted_caches"]


def unwanted_caches(definitions: Iterable[Definition]) -> set[str]:
    """The ids of caches of steps that ignore earlier results: to BuildKit, what is in them is one."""
    ids: set[str] = set()
    for definition in definitions:
        ignoring = {digest for digest, said in definition.metadata if said.ignore_cache}
        ids.update(cache_ids(vertex for vertex in definition.vertices if vertex.digest in ignoring))
    return ids


def cache_uses(
    op: ExecOp, inputs: Sequence[Snapshot], contents: Mapping[int, str], layers: LayerStore
) -> dict[int, CacheUse]:
    """The op's cache mounts, by index of the mount.

    contents: what identifies that which a cache begins with, by index of the mount.
    """
    uses = {}
    for number, mount in enumerate(op.mounts):
        if mount.mount_type is not MountType.CACHE:
            continue
        options = mount.cache or CacheOptions()
        name = mount_id(mount)
        first, described = None, ""
        if mount.input >= 0:
            first = FirstContents(tree=layers.tree(inputs[mount.input].layers), path=mount.selector or "/")
            described = _empty_folder(first) or f"{contents[number]} {mount.selector}"
        uses[number] = CacheUse(name=cache_name(name, described), id=name, sharing=options.sharing, first=first)
    return uses


def _empty_folder(first: FirstContents) -> str:
    """What identifies contents that are no more than an owner and a mode, whatever layer they came in; else ""."""
    place = resolve(first.tree, first.path.strip("/"))
    found = first.tree.stat(place)
    if found is None or not stat.S_ISDIR(found.st_mode):
        return ""
    with first.tree.directory(place) as folder:
        empty = not folder.entries()
    return f"an empty folder {found.st_uid}:{found.st_gid} {found.st_mode:o}" if empty else ""
