"""podman reads a folder, and of it only the layers that it lacks; one that is far away, and cannot, gets an archive."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...exporter import stream_archive
from .commands import ask, refused, send_archive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...exporter import AssembledImage
    from ...image import Reference
    from ...worker import ContentStore

__all__ = ["load_into_podman"]

_DIR_VERSION = "Directory Transport Version: 1.1\n"


def load_into_podman(
    program: Sequence[str], image: AssembledImage, names: Sequence[Reference], content: ContentStore
) -> None:
    """Raises ExportError."""
    if not _pull(program, image, names, content):
        send_archive(program, partial(stream_archive, image, content, names, docker=True))


def _pull(program: Sequence[str], image: AssembledImage, names: Sequence[Reference], content: ContentStore) -> bool:
    """Have podman fetch the image from a folder; False when it cannot.

    containers-transports(5), "dir": the manifest, and the blobs by their digits. Links will do.
    """
    with tempfile.TemporaryDirectory(prefix="llbuild-load-") as folder:
        Path(folder, "version").write_text(_DIR_VERSION)
        Path(folder, "manifest.json").write_bytes(image.manifest_blob)
        Path(folder, image.config_descriptor.digest.hex).write_bytes(image.config_blob)
        for digest in {layer.digest for layer in image.layers}:
            Path(folder, digest.hex).symlink_to(os.path.abspath(content.path(digest)))
        pulled = ask([*program, "pull", "-q", f"dir:{folder}"])
    if pulled.returncode or not pulled.stdout.split():
        return False
    if names:
        tag = [*program, "tag", pulled.stdout.split()[-1], *map(str, names)]
        tagged = ask(tag)
        if tagged.returncode:
            raise refused([*program, "tag"], tagged.stderr, tagged.returncode)
    return True
