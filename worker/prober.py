"""The worker's quick half: what planning asks before anything runs. Synchronous, no network, no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SourceError
from ..platforms import host_platform
from .records import ready_blob
from .snapshot import LayerId

if TYPE_CHECKING:
    from ..image import LayerBlob
    from ..llb import FileCopy, SourceOp
    from ..platforms import Platform
    from .content import ContentStore
    from .contexts import Contexts
    from .records import LayerRecord, LayerRecords
    from .snapshot import Contents, LayerStore, MergedTree
    from .source import Pins

__all__ = ["REMOTE_SCHEMES", "Prober", "image_key", "layer_limit"]

_DIGITS = 9  # of a number of layers

REMOTE_SCHEMES = frozenset({"git", "http", "https"})


class Prober:
    """Answers about sources and stored layers. See `solver.Prober` for what each promises."""

    def __init__(
        self,
        *,
        layers: LayerStore,
        content: ContentStore,
        records: LayerRecords,
        contexts: Contexts,
        pins: Pins | None = None,
    ) -> None:
        """pins: what sources are held to; None: to nothing."""
        from .source import Pins as NoPins

        self.layers = layers
        self.content = content
        self.records = records
        self.contexts = contexts
        self.pins = pins or NoPins()
        self.lost: set[str] = set()  # layers that a record says can be had, and that this build could not get
        self.resolved: dict[tuple[SourceOp, Platform | None], str] = {}  # what this build's sources stand for
        self._read: dict[tuple[SourceOp, tuple[FileCopy, ...]], Contents] = {}

    def source_key(self, op: SourceOp, platform: Platform | None) -> str | None:
        key = self._pinned(op, platform)
        if key is not None:
            self.resolved[op, platform] = key
        return key

    def _pinned(self, op: SourceOp, platform: Platform | None) -> str | None:
        if op.scheme in {"docker-image", "oci-layout"}:
            _, at, digest = self.pins.image(op.identifier, platform or host_platform()).rpartition("@")
            return image_key(digest, platform, layer_limit(op)) if at else None
        if op.scheme in REMOTE_SCHEMES:
            from .source import pinned_key

            return pinned_key(op, self.contexts.files, self.pins)
        raise SourceError(f"sources of kind {op.scheme}:// are not supported yet", ref=op.identifier)

    def local_contents(self, op: SourceOp, selection: tuple[FileCopy, ...]) -> Contents:
        found = self._read.get((op, selection))
        if found is None:
            from .selected import takes_all
            from .snapshot import read_contents

            found = self._read[op, selection] = read_contents(
                self.contexts.tree(op, whole=takes_all(selection)), selection
            )
        return found

    def available(self, ref: tuple[str, ...]) -> bool:
        missing = [layer for layer in ref if not self.layers.has(LayerId(layer))]
        if not missing:
            return True
        if not self.lost.isdisjoint(missing):
            return False
        known = self.records.get(missing)
        return all(layer in known and self._can_be_had(known[layer]) for layer in missing)

    def stored_tree(self, ref: tuple[str, ...]) -> MergedTree | None:
        """The files of a result whose layers are all unpacked here; None for any other."""
        layers = tuple(map(LayerId, ref))
        if not all(map(self.layers.has, layers)):
            return None
        return self.layers.tree(layers)

    def ready_blobs(self, ref: tuple[str, ...]) -> tuple[LayerBlob, ...] | None:
        """The layers of a result as blobs, if every one is in the content store already."""
        known = self.records.get(ref)
        blobs = [ready_blob(known.get(layer), self.content, self.records) for layer in ref]
        return tuple(blob for blob in blobs if blob is not None) if None not in blobs else None

    def _can_be_had(self, record: LayerRecord) -> bool:
        """A layer that is not unpacked: its blob is here, or there is a place to fetch it from."""
        return bool(record.origin) or (record.blob is not None and self.content.has(record.blob.digest))


def image_key(digest: str, platform: Platform | None, limit: int = 0) -> str:
    """What an image source stands for: the digest may be an index's, in which each platform has its own image.

    limit: how many of its layers count, from the bottom; 0: all.
    """
    key = f"image@{digest} for {platform or host_platform()}"
    return f"{key}, {limit} layers" if limit else key


def layer_limit(op: SourceOp) -> int:
    """How many layers an image source wants, from the bottom; 0: all. Raises SourceError."""
    text = op.attr("image.layerlimit") or op.attr("oci.layerlimit") or "0"
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
        raise SourceError(f"image.layerlimit of {op.identifier} is {text!r}; expected a number", ref=op.identifier)
    return int(text)
