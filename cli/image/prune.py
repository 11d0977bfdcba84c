"""`llbuild image prune`: images that have no name any more; with --all, every image. As `docker image prune`.

What goes is what only these images need: manifests, configs, and layers that no result of a build has. Layers that
later builds may use again are the cache's, and go with `llbuild prune`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...digest import Digest
from ...errors import LlbuildError, UsageError
from ...image import Descriptor, Index, decode_manifest
from ...solver.gc import EntryType
from ...values import frozen
from ...worker import StoredImage, Upkeep
from ..listing import add_format, render_json, wants_json
from ..parser import CommandParser
from ..state import open_state
from ..storage import collect
from ..storage.reachable import blobs_of
from ..units import human_size, seconds_since_1970
from .catalogue import load_image
from .filters import ImageFilters, parse_image_filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...solver.gc import Entry
    from ..state import State
    from ..storage import Collected

__all__ = ["run"]

_MOST_BYTES = 4 << 20  # of a manifest


@frozen
class Doomed:
    """What is to go: images by name, and others by the digest of what they begin with."""

    named: tuple[StoredImage, ...]
    nameless: tuple[StoredImage, ...]


def run(argv: Sequence[str]) -> int:
    """Remove them, and say what the disk got back."""
    parser = CommandParser(
        "image prune",
        "Remove images that have no name; with --all, every image that no running build needs. What builds may use"
        " again stays for 'llbuild prune'.",
        usage="llbuild image prune [flags]",
    )
    parser.add_flag("-a", "--all", help="also images with names")
    keys = "until=24h|TIME, label=KEY[=VALUE], label!=…, dangling=BOOL; may be repeated"
    parser.add_value("--filter", metavar="FILTER", many=True, help=keys)
    parser.add_flag("-f", "--force", help="don't ask")
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    filters = parse_image_filters(found.filter or ())
    everything = found.all or filters.dangling is False
    if not (found.force or _confirmed("all images" if everything else "all images without a name")):
        print("nothing was removed", file=sys.stderr)
        return 1
    state = open_state(options.root)
    doomed = choose_images(state, filters, everything=everything)
    collected = remove_images(state, doomed)
    state.database.settle()
    sys.stdout.write(_render(doomed, collected, as_json=as_json))
    return 0


def _confirmed(what: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("image prune removes images, and there is no terminal to ask on", hint="say --force")
    print(f"This removes {what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def choose_images(state: State, filters: ImageFilters, *, everything: bool) -> Doomed:
    """Those that the filters mean, of the nameless, or of all."""
    content = state.content
    images = content.images()
    tops = {image.descriptor.digest: image for image in _tops(state)}
    bases = [tops[digest] for digest in _base_digests(state) if digest in tops]
    kept = _needed((*images, *content.sources(), *bases), state)
    nameless = [image for digest, image in tops.items() if digest not in kept]
    return Doomed(
        named=tuple(image for image in images if everything and _matches(state, image, filters)),
        nameless=tuple(image for image in nameless if _matches(state, image, filters)),
    )


def _tops(state: State) -> Iterator[StoredImage]:
    """Every manifest and index of the store that is in no other index, by its digest."""
    found: dict[Digest, Descriptor] = {}
    inner: set[Digest] = set()
    for digest, stat in state.content.blobs():
        if stat.st_size > _MOST_BYTES or not _is_json(state.content.path(digest)):
            continue
        try:
            document = decode_manifest(state.content.read(digest), ref=digest)
        except LlbuildError:
            continue  # a config, or something else in JSON
        if isinstance(document, Index):
            inner.update(entry.digest for entry in document.manifests)
        found[digest] = Descriptor(media_type=document.media_type, digest=digest, size_bytes=stat.st_size)
    return (StoredImage(digest, descriptor) for digest, descriptor in found.items() if digest not in inner)


def _base_digests(state: State) -> Iterator[Digest]:
    """Of images that builds stood on by digest: they have no name here, and would be asked for again."""
    for known in Upkeep(state.database).layers().values():
        _, at, digest = known.origin.rpartition("@")
        if at:
            yield Digest(digest)


def _is_json(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return False


def _matches(state: State, image: StoredImage, filters: ImageFilters) -> bool:
    """A damaged image is as old as the epoch, and has no labels."""
    try:
        config = load_image(state.content, image.name, image.descriptor).config
    except LlbuildError:
        return filters.match(0.0, {})
    return filters.match(seconds_since_1970(config.created) or 0.0, dict(config.config.labels))


def remove_images(state: State, doomed: Doomed) -> Collected:
    """Take away the names, and what only these images need. What a running build uses stays. Raises StoreError."""
    names = {image.name for image in doomed.named}
    digests = _needed((*doomed.named, *doomed.nameless), state)
    digests -= _needed(state.content.sources(), state)
    facts = Upkeep(state.database)
    digests -= {known.blob for known in facts.layers().values()} | {blob for blob, _ in facts.forms()}

    def chosen(entries: Sequence[Entry]) -> list[Entry]:
        going = {entry.id for entry in entries if entry.type is EntryType.IMAGE and not entry.in_use} & names
        staying = names - going

        def goes(entry: Entry) -> bool:
            if entry.type is EntryType.IMAGE:
                return entry.id in going
            removable = entry.type is EntryType.BLOB and entry.id in digests and not entry.in_use
            return removable and entry.images <= going and not (entry.images & staying)

        return [entry for entry in entries if goes(entry)]

    return collect(state, chosen)


def _needed(images: Iterable[StoredImage], state: State) -> set[str]:
    return {digest for image in images for digest in blobs_of(state.content, image)}


def _render(doomed: Doomed, collected: Collected, *, as_json: bool) -> str:
    names = [entry.id for entry in collected.entries if entry.type is EntryType.IMAGE]
    gone = {entry.id for entry in collected.entries if entry.type is EntryType.BLOB}
    tops = dict.fromkeys(str(image.descriptor.digest) for image in (*doomed.named, *doomed.nameless))
    deleted = [digest for digest in tops if digest in gone]
    if as_json:
        return render_json({"untagged": names, "deleted": deleted, "freed_bytes": collected.freed_bytes})
    lines = [*(f"untagged: {name}" for name in names), *(f"deleted: {digest}" for digest in deleted)]
    head = "".join(f"{line}\n" for line in ["Deleted Images:", *lines, ""]) if lines else ""
    return f"{head}Total reclaimed space: {human_size(collected.freed_bytes)}\n"
