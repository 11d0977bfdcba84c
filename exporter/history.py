"""History and layers brought into step, and times filled in, as BuildKit's exporter does it.

Every layer has one history entry that is not empty, in the same order. A base image may have got that
wrong; and entries of this build come without a time, since instructions have none: their layers do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..image import History
from ..values import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..image import LayerBlob

__all__ = ["align_history", "squash_history"]

_CREATED_BY = "created by llbuild"
_COMMENT = "buildkit.exporter.image.v0"  # what BuildKit marks an entry with that its exporter made up


def align_history(history: Sequence[History], layers: Sequence[LayerBlob]) -> tuple[History, ...]:
    """One entry for each layer, and a time for every entry as far as any is known.

    Too many entries with a layer: the last of them become empty. Too few: entries are added. An entry with a
    layer takes the layer's time. One without gets, after BuildKit, the time of the first new layer, or of
    the layer before it.
    """
    entries = list(_with_times(_in_step(history, layers), layers))
    assert sum(not entry.empty_layer for entry in entries) == len(layers)
    created = _first_new_time(entries)
    gap = False
    for index, entry in enumerate(entries):
        if not entry.created:
            gap = True
            entries[index] = replace(entry, created=created)
        elif gap:
            created = entry.created
    return tuple(entries)


def squash_history(history: Sequence[History], base_layers: int) -> tuple[History, ...]:
    """The history when all layers beyond the base's are one: it belongs to the last entry that had one."""
    entries, count = list(history), 0
    new = []
    for index, entry in enumerate(entries):
        if not entry.empty_layer:
            count += 1
            if count > base_layers:
                new.append(index)
    for index in new[:-1]:
        entries[index] = replace(entries[index], empty_layer=True)
    return tuple(entries)


def _in_step(history: Sequence[History], layers: Sequence[LayerBlob]) -> Iterator[History]:
    count = 0
    for entry in history:
        if entry.empty_layer or count < len(layers):
            count += not entry.empty_layer
            yield entry
        else:
            yield replace(entry, empty_layer=True)
    for layer in layers[count:]:
        yield History(created=layer.created, created_by=layer.created_by or _CREATED_BY, comment=_COMMENT)


def _with_times(history: Iterator[History], layers: Sequence[LayerBlob]) -> Iterator[History]:
    remaining = iter(layers)
    for entry in history:
        if entry.empty_layer:
            yield entry
        else:
            layer = next(remaining)
            yield entry if entry.created else replace(entry, created=layer.created)


def _first_new_time(history: Sequence[History]) -> str:
    """The first time after a gap; without one, the last time there is."""
    created = ""
    gap = False
    for entry in history:
        if not entry.created:
            gap = True
            continue
        created = entry.created
        if gap:
            break
    return created
