"""Everything that is stored, checked against what it claims to be; and what is wrong, taken away."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ...digest import Digest
from ...errors import LlbuildError
from ...solver.gc import EntryType, forget_results
from ...values import frozen
from ...worker import Upkeep
from ...worker.layer import Compression, pack_layer
from ...worker.snapshot import LayerId, remove_tree
from .collect import collect
from .inventory import take_inventory
from .reachable import blobs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...solver.gc import Entry
    from ..state import State
    from .inventory import Inventory

__all__ = ["Finding", "Kind", "find_faults", "repair"]


class Kind(Enum):
    """What a finding is about. `fault`: something is not what it should be; the rest is what killed builds leave."""

    BLOB = "blob"
    LAYER = "layer"
    IMAGE = "image"
    RESULT = "result"
    LEFTOVER = "leftover"
    LEASE = "lease"

    @property
    def fault(self) -> bool:
        return self in {Kind.BLOB, Kind.LAYER, Kind.IMAGE}


@frozen(kw_only=False)
class Finding:
    """`subject` is a digest, a layer, a name, a number; `message` says what is wrong with it."""

    kind: Kind
    subject: str
    message: str


def find_faults(state: State) -> list[Finding]:
    """Read everything. Raises DamagedError when the database is no database."""
    state.database.check()
    live = state.leases.live()
    inventory = take_inventory(state, live)
    findings = [Finding(Kind.LEASE, str(number), "a build is under way") for number in live.numbers]
    damaged = [*_damaged_blobs(state, inventory)]
    findings += damaged
    findings += _broken_images(state, {finding.subject for finding in damaged})
    findings += _changed_layers(state, inventory)
    findings += _useless_results(inventory)
    for entry in inventory.entries:
        if entry.type is EntryType.LEFTOVER:
            findings.append(Finding(Kind.LEFTOVER, entry.id, entry.description))
    return findings


def _damaged_blobs(state: State, inventory: Inventory) -> Iterator[Finding]:
    for digest in _blobs(inventory.entries):
        if not state.content.verify(digest) and state.content.has(digest):
            yield Finding(Kind.BLOB, digest, "its bytes are not those of its digest")


def _blobs(entries: Iterable[Entry]) -> list[Digest]:
    return [Digest(entry.id) for entry in entries if entry.inode]


def _broken_images(state: State, damaged: set[str]) -> Iterator[Finding]:
    for image in state.content.images():
        for digest in blobs_of(state.content, image):
            if digest in damaged:
                yield Finding(Kind.IMAGE, image.name, f"blob {digest} is damaged")
            elif not state.content.has(digest):
                yield Finding(Kind.IMAGE, image.name, f"blob {digest} is missing")


def _changed_layers(state: State, inventory: Inventory) -> Iterator[Finding]:
    """Layers that were packed here are packed again, to nowhere. Others were not made from a folder."""
    known = state.records.get(inventory.layers)
    for entry in inventory.entries:
        if not entry.unpacked:
            continue
        layer, record = LayerId(entry.id), known.get(entry.id)
        if not state.layers.has(layer):
            yield Finding(Kind.LAYER, layer, "its folder holds no files")
        elif record is not None and record.diff_id is not None and entry.type is not EntryType.IMAGE_LAYER:
            try:
                packed = pack_layer(state.layers.folder(layer), _nowhere, Compression.NONE)
            except LlbuildError as error:
                if state.layers.has(layer):
                    yield Finding(Kind.LAYER, layer, f"cannot be read: {error.message}")
                continue
            if packed.diff_id != record.diff_id and state.layers.has(layer):
                yield Finding(Kind.LAYER, layer, f"its files changed: {record.diff_id} became {packed.diff_id}")


def _nowhere(data: bytes | bytearray | memoryview) -> int:
    return len(data)


def _useless_results(inventory: Inventory) -> Iterator[Finding]:
    to_be_had = _layers_to_be_had(inventory)
    for result in inventory.results:
        missing = result.layers - to_be_had
        if result.found and missing:
            yield Finding(Kind.RESULT, str(result.number), f"{result.name}: {len(missing)} of its layers are gone")


def _layers_to_be_had(inventory: Inventory) -> set[str]:
    here = {entry.id for entry in inventory.entries if entry.unpacked}
    blobs = {entry.id for entry in inventory.entries if entry.inode}
    return here | {layer for layer, known in inventory.layers.items() if known.origin or known.blob in blobs}


def repair(state: State, findings: Sequence[Finding]) -> None:
    """Take away what is wrong: a cache makes again what it lacks. Images that lack something lose their names."""
    for finding in findings:
        match finding.kind:
            case Kind.IMAGE:
                state.content.remove_image(finding.subject)
            case Kind.BLOB:
                state.content.remove(Digest(finding.subject))
            case Kind.LAYER:
                grave = state.layers.bury(state.layers.path(finding.subject))
                if grave:
                    remove_tree(grave)
                Upkeep(state.database).forget_sizes([finding.subject])
    with state.database.transaction():
        inventory = take_inventory(state, state.leases.live())
        useless = {finding.subject for finding in _useless_results(inventory)}
        forget_results(state.database, [result for result in inventory.results if str(result.number) in useless])
    collect(state, lambda entries: [entry for entry in entries if entry.type is EntryType.LEFTOVER])
