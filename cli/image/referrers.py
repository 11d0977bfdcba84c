"""`llbuild referrers`: what a registry has about an image."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..listing import add_format, render_json, wants_json
from ..parser import CommandParser
from ..tables import render_table
from ..units import human_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...image import Descriptor, Reference
    from ..config.values import Config

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """List them."""
    parser = CommandParser(
        "referrers",
        "List what refers to an image in its registry: signatures, attestations and the like.",
        usage="llbuild referrers [flags] NAME[:TAG|@DIGEST]",
    )
    parser.add_word("name", metavar="NAME", help="image in a registry; of an index, the index is meant")
    parser.add_value("--artifact-type", metavar="TYPE", help="only those of this type")
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    import anyio

    from ...image import parse_reference

    reference = parse_reference(found.name)
    entries = anyio.run(_list, reference, found.artifact_type or "", options.config)
    if as_json:
        sys.stdout.write(render_json([_fields(entry) for entry in entries]))
    else:
        rows = [(entry.artifact_type or "-", entry.digest, human_size(entry.size_bytes)) for entry in entries]
        sys.stdout.write(render_table(("TYPE", "DIGEST", "SIZE"), rows))
    return 0


async def _list(reference: Reference, artifact_type: str, config: Config) -> tuple[Descriptor, ...]:
    from ...image import ReferrersClient

    async with ReferrersClient(config.registries) as registry:
        digest = reference.digest or await registry.digest(reference)
        if digest is None:  # a registry that keeps it to itself
            digest = (await registry.manifest(reference)).descriptor.digest
        return await registry.referrers(reference, digest, artifact_type)


def _fields(entry: Descriptor) -> dict[str, object]:
    return {
        "digest": entry.digest,
        "mediaType": entry.media_type,
        "size": entry.size_bytes,
        "artifactType": entry.artifact_type,
        "annotations": dict(entry.annotations),
    }
