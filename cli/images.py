"""`llbuild images`: what the local store knows by name."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from .catalogue import LocalImage, load_image, open_content, split_name
from .listing import add_format, created_ago, render_json, wants_json
from .parser import CommandParser, read_globals, start_log
from .tables import render_table
from .units import human_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..worker.content import ContentStore, StoredImage

__all__ = ["render_images", "run"]


def run(argv: Sequence[str]) -> int:
    """List them."""
    parser = CommandParser("images", "List the images of the local store.", usage="llbuild images [flags]")
    add_format(parser)
    found = parser.parse(argv)
    options = read_globals(found, os.environ)
    as_json = wants_json(found)
    start_log(options)
    store = open_content(options.root)
    sys.stdout.write(render_images(store, as_json=as_json))
    return 0


def render_images(store: ContentStore, *, as_json: bool = False, now: float | None = None) -> str:
    """The list, as a table or as a JSON array. SIZE is what the layers take in the store, compressed."""
    rows = [(image, _loaded(store, image)) for image in store.images()]
    if as_json:
        return render_json([_fields(image, loaded) for image, loaded in rows])
    headings = ("REPOSITORY", "TAG", "DIGEST", "CREATED", "SIZE")
    return render_table(headings, [_cells(image, loaded, now) for image, loaded in rows])


def _loaded(store: ContentStore, image: StoredImage) -> LocalImage | None:
    """None for a damaged image: one of those must not hide the others."""
    try:
        return load_image(store, image.name, image.descriptor)
    except LlbuildError:
        return None


def _cells(image: StoredImage, loaded: LocalImage | None, now: float | None) -> tuple[str, ...]:
    known = ("damaged", "") if loaded is None else (created_ago(loaded.config.created, now), _size(loaded))
    return (*split_name(image.name), image.descriptor.digest.short, *known)


def _size(loaded: LocalImage) -> str:
    return human_size(loaded.size_bytes)


def _fields(image: StoredImage, loaded: LocalImage | None) -> dict[str, object]:
    fields: dict[str, object] = {"name": image.name, "digest": image.descriptor.digest}
    if loaded is None:
        return {**fields, "damaged": True}
    return {
        **fields,
        "platform": str(loaded.config.platform),
        "created": loaded.config.created,
        "size_bytes": loaded.size_bytes,
    }
