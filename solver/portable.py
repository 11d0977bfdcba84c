"""What a build knows, picked out to be taken elsewhere: its vertices' results, by their keys.

Layers go by name; whoever writes the records down says where their blobs are. `CacheStore.adopt` is the way back in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..image import CacheConfig, CacheRecord
from .keys import content_memo, is_local

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..digest import Digest
    from .keys import Key
    from .plan import Plan
    from .store import CacheStore, Record
    from .worker import Ref

__all__ = ["portable_records"]


def portable_records(plan: Plan, store: CacheStore, wanted: Callable[[Ref], bool]) -> CacheConfig:
    """The stored results of a finished build's vertices, with the digests that its keys were made of.

    wanted: whether a result is to be among them, by each of its refs. The layers' part of the config is left to the
    caller.
    """
    vertices = [digest for digest, vertex in plan.graph.vertices.items() if not is_local(vertex)]
    found: dict[Digest, Record] = {}
    with store.transaction():
        known = store.find({plan.keys[digest] for digest in vertices})
        for digest in vertices:
            record = known.get(plan.keys[digest])
            if record is not None and all(map(wanted, record.refs)):
                found[digest] = record
        store.use(found.values())
    durations = store.durations({plan.op_keys[digest] for digest in found})
    records: dict[tuple[Key, ...], CacheRecord] = {}
    for digest, record in found.items():
        keys = tuple(sorted({plan.keys[digest], record.strong}))
        op = plan.op_keys[digest]
        records.setdefault(
            keys,
            CacheRecord(
                keys=keys,
                strong=record.strong,
                op=op,
                refs=record.refs,
                name=plan.graph.name(digest),
                duration_s=durations.get(op, 0.0),
            ),
        )
    return CacheConfig(records=tuple(records.values()), contents=_contents(plan, found, store))


def _contents(plan: Plan, found: dict[Digest, Record], store: CacheStore) -> tuple[tuple[Key, Digest], ...]:
    """What is remembered of the parts of results that the build's steps read: with it, a key needs no file."""
    memos: dict[Key, None] = {}
    for digest, read in plan.reads.items():
        for index, selection in read.items():
            edge = plan.graph.vertices[digest].inputs[index]
            if edge.vertex in found:
                memos[content_memo(found[edge.vertex].refs[edge.output], selection)] = None
    remembered = store.contents(memos)
    return tuple((memo, remembered[memo]) for memo in memos if memo in remembered)
