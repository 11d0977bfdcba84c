"""`llbuild inspect`: an image's digest, config, layers and history as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from .catalogue import find_image, open_content
from .listing import render_json
from .parser import CommandParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalogue import LocalImage

__all__ = ["describe_image", "run"]


def run(argv: Sequence[str]) -> int:
    """Print it."""
    parser = CommandParser("inspect", "Show an image as JSON.", usage="llbuild inspect [flags] IMAGE")
    parser.add_argument("image", metavar="IMAGE", help="name, or first digits of the digest")
    found, options = parser.begin(argv)
    image = find_image(open_content(options.root), found.image)
    sys.stdout.write(render_json(describe_image(image)))
    return 0


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
