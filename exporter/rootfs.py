"""Root filesystems: a result's files written out as they are, and files from elsewhere made an image."""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..image import Descriptor, History, ImageConfig, LayerBlob
from ..worker.layer import Compression, pack_tree, tree_to_folder, trees_to_tar
from ..worker.source import resolve_local
from .assembly import assemble
from .outfile import refusals, replacing
from .targets import export_store
from .transfer import write_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..image import Reference
    from ..platforms import Platform
    from ..worker import ContentStore
    from ..worker.snapshot import Tree
    from .assembly import AssembledImage

__all__ = ["export_rootfs_folder", "export_rootfs_tar", "import_rootfs", "stream_rootfs_tar"]

_CREATED_BY = "llbuild import"


def export_rootfs_folder(tree: Tree, path: str, *, epoch_s: int | None = None) -> None:
    """Write the files into a folder. One that holds files keeps what is not overwritten, as BuildKit has it.

    A new or empty folder appears whole or not at all. epoch_s: how old everything is said to be, in seconds since 1970.
    Raises ExportError.
    """
    with refusals(path):
        if os.path.isdir(path) and os.listdir(path):
            tree_to_folder(tree, path, epoch_s=epoch_s)
        else:
            _new_folder(tree, os.path.realpath(path), epoch_s)


def _new_folder(tree: Tree, path: str, epoch_s: int | None) -> None:
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)[:200]}-{os.urandom(4).hex()}"
    os.makedirs(temporary)
    try:
        tree_to_folder(tree, temporary, epoch_s=epoch_s)
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def export_rootfs_tar(trees: Mapping[str, Tree], path: str, *, epoch_s: int | None = None) -> None:
    """Write the files of each tree as one tar, in a folder of that name, if it has one. Raises ExportError."""
    with replacing(path) as descriptor:
        trees_to_tar(trees, partial(write_all, descriptor), epoch_s=epoch_s)


def stream_rootfs_tar(trees: Mapping[str, Tree], descriptor: int, *, epoch_s: int | None = None) -> None:
    """Write the same into a file descriptor, which may be a pipe. Raises ExportError."""
    with refusals("the archive"):
        trees_to_tar(trees, partial(write_all, descriptor), epoch_s=epoch_s)


def import_rootfs(source: str, name: Reference, platform: Platform, store: ContentStore) -> Descriptor:
    """Make an image of one layer and keep it in the store; its manifest.

    source: a folder, a tar (compressed or not), or "-" for a tar on standard input. Files that were
    imported under this name before give the same image again, so that builds on it stay cached.
    """
    with store.ingest(verify=False) as blob:
        packed = pack_tree(Path("/dev/stdin" if source == "-" else source), blob.write, Compression.GZIP)
        blob.commit(packed.digest)
    descriptor = packed.blob
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def image(created: str) -> AssembledImage:
        layer = LayerBlob(diff_id=packed.diff_id, descriptor=descriptor, created=created, created_by=_CREATED_BY)
        history = (History(created=created, created_by=_CREATED_BY),)
        return assemble(ImageConfig(platform=platform, history=history), [layer])

    made = image(now)
    with contextlib.suppress(LlbuildError):  # what bears the name now is broken, or for another platform
        there = resolve_local(store, str(name), platform, sources=False)
        if there is not None and there.config.diff_ids == made.config.diff_ids:
            again = image(there.config.created)
            made = again if again.manifest_descriptor.digest == there.manifest.digest else made
    export_store(made, store, [name])
    return made.manifest_descriptor
