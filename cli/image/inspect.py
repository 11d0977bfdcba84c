"""`llbuild inspect`: an image's digest, config, layers and history as JSON; or what is said of it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ...errors import UsageError
from ..listing import FORMATS, render_json, wants_json
from ..parser import CommandParser
from .catalogue import find_image, find_name, open_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...worker import ContentStore
    from .catalogue import LocalImage

__all__ = ["describe_image", "run"]


def run(argv: Sequence[str]) -> int:
    """Print it."""
    parser = CommandParser("inspect", "Show an image as JSON.", usage="llbuild inspect [flags] IMAGE")
    parser.add_word("image", metavar="IMAGE", help="name, or first digits of the digest")
    parser.add_flag("--attestations", help="show what is said of the image: provenance and package lists")
    parser.add_value("--format", metavar="|".join(FORMATS), help="of attestations (default: table, for people)")
    found, options = parser.begin(argv)
    if found.format and not found.attestations:
        raise UsageError("--format is for --attestations; an image is always shown as JSON")
    as_json = wants_json(found)
    content = open_content(options.root)
    if found.attestations:
        sys.stdout.write(_attestations(content, found.image, as_json=as_json))
    else:
        sys.stdout.write(render_json(describe_image(find_image(content, found.image))))
    return 0


def _attestations(content: ContentStore, text: str, *, as_json: bool) -> str:
    from ..attest.attached import describe_attestations, find_attestations
    from ..attest.text import render_attestations

    found = find_name(content, text)
    name, target = found.name, found.descriptor
    images = find_attestations(content, target, name=name)
    if as_json:
        return describe_attestations(name, target, images)
    return render_attestations(name, target, images)


def describe_image(image: LocalImage) -> dict[str, object]:
    """The image as JSON values; `config` and `history` in the words of the OCI image config."""
    document = json.loads(image.config_bytes)
    layers = [
        {
            "digest": layer.digest,
            "diff_id": diff_id,
            "media_type": layer.media_type,
            "size_bytes": layer.size_bytes,
        }
        for diff_id, layer in zip(image.config.diff_ids, image.manifest.layers, strict=False)
    ]
    return {
        "name": image.name,
        "digest": image.digest,
        "config_digest": image.manifest.config.digest,
        "media_type": image.manifest.media_type,
        "platform": str(image.config.platform),
        "created": image.config.created,
        "author": image.config.author,
        "config": document.get("config") or {},
        "layers": layers,
        "history": document.get("history") or [],
    }
