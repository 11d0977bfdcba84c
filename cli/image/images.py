"""`llbuild images`: what the local store knows by name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...errors import LlbuildError
from ..listing import add_format, created_ago, render_json, wants_json
from ..parser import CommandParser
from ..tables import render_table
from ..units import human_size
from .catalogue import LocalImage, load_image, open_content, split_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...digest import Digest
    from ...image import Descriptor
    from ...worker import ContentStore

__all__ = ["render_images", "run"]


def run(argv: Sequence[str]) -> int:
    """List them."""
    parser = CommandParser("images", "List the images of the local store.", usage="llbuild images [flags]")
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    store = open_content(options.root)
    sys.stdout.write(render_images(store, as_json=as_json))
    return 0


def render_images(store: ContentStore, *, as_json: bool = False, now: float | None = None) -> str:
    """The list, as a table or as a JSON array. SIZE is what the layers take in the store, compressed."""
    rows = [
        (image.name, image.descriptor.digest, _loaded(store, image.name, image.descriptor)) for image in store.images()
    ]
    if as_json:
        return render_json([_fields(name, digest, loaded) for name, digest, loaded in rows])
    headings = ("REPOSITORY", "TAG", "DIGEST", "CREATED", "SIZE")
    return render_table(headings, [_cells(name, digest, loaded, now) for name, digest, loaded in rows])


def _loaded(store: ContentStore, name: str, descriptor: Descriptor) -> LocalImage | None:
    """None for a damaged image: one of those must not hide the others."""
    try:
        return load_image(store, name, descriptor)
    except LlbuildError:
        return None


def _cells(name: str, digest: Digest, loaded: LocalImage | None, now: float | None) -> tuple[str, ...]:
    if loaded is None:
        return (*split_name(name), digest.short, "damaged", "")
    size = human_size(loaded.size_bytes)
    return (*split_name(name), digest.short, created_ago(loaded.config.created, now), size)


def _fields(name: str, digest: Digest, loaded: LocalImage | None) -> dict[str, object]:
    fields: dict[str, object] = {"name": name, "digest": digest}
    if loaded is None:
        return {**fields, "damaged": True}
    return {
        **fields,
        "platform": str(loaded.config.platform),
        "created": loaded.config.created,
        "size_bytes": loaded.size_bytes,
    }
