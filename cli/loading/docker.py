"""docker takes archives, and opens no layer in them that it has already, on the layers below: those are left out.

So its daemon reads what `docker load` sends it (moby, image/tarexport/load.go), unless images are containerd's there:
that one finds layers by their blobs. The others come unpacked, which is half the work for it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from ...errors import ExportError
from ...exporter import stream_archive, stream_docker_archive
from ...log import log
from .commands import ask, send_archive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...digest import Digest
    from ...exporter import AssembledImage
    from ...image import Reference
    from ...worker import ContentStore

__all__ = ["load_into_docker"]

_WORTH_ASKING_BYTES = 8 << 20  # what is sent in the time that three questions take
_CONTAINERD = "io.containerd.snapshotter"


def load_into_docker(
    program: Sequence[str], image: AssembledImage, names: Sequence[Reference], content: ContentStore
) -> None:
    """Raises ExportError; CorruptError for a broken layer."""
    large = sum(layer.size_bytes for layer in image.layers) > _WORTH_ASKING_BYTES
    if not large or not _unpacks_archives(program):
        send_archive(program, partial(stream_archive, image, content, names, docker=True))
        return
    there = _layers_there(program, image)
    try:
        send_archive(program, partial(stream_docker_archive, image, content, names, without=there))
    except ExportError as error:
        if not there:
            raise
        log.info("docker did not have the layers that it had", error=error.message)
        send_archive(program, partial(stream_docker_archive, image, content, names))


def _unpacks_archives(program: Sequence[str]) -> bool:
    """Whether images are docker's own there, and not containerd's."""
    status = ask([*program, "info", "--format", "{{json .DriverStatus}}"])
    return not status.returncode and _CONTAINERD not in status.stdout


def _layers_there(program: Sequence[str], image: AssembledImage) -> set[Digest]:
    """The blobs that need not be sent: those of layers that are there with all that is below them."""
    listed = ask([*program, "image", "ls", "--all", "--quiet", "--no-trunc"])
    ids = dict.fromkeys(listed.stdout.split())
    if listed.returncode or not ids:
        return set()
    told = ask([*program, "image", "inspect", "--format", "{{json .RootFS.Layers}}", *ids])
    wanted = list(image.config.diff_ids)
    try:
        count = max((_common(wanted, json.loads(line) or []) for line in told.stdout.splitlines() if line), default=0)
    except (ValueError, TypeError):  # it is called docker, and speaks otherwise
        return set()
    return {layer.digest for layer in image.layers[:count]} - {layer.digest for layer in image.layers[count:]}


def _common(wanted: Sequence[str], found: Sequence[str]) -> int:
    """How many layers the two have in common, from the bottom up."""
    pairs = zip(wanted, found, strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), min(len(wanted), len(found)))
