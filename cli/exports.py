"""A build's result to every place `-o` named. Synchronous: writing files, after everything is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..exporter import assemble, export_oci_folder, export_oci_tar, export_store, stream_oci_tar
from ..image import parse_reference
from .outputs import STDOUT, Output, OutputKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..exporter import AssembledImage
    from ..image import ImageConfig, LayerBlob, Reference
    from ..worker import ContentStore
    from ..worker.snapshot import Tree
    from .solve_options import SolveOptions

__all__ = ["export_image", "export_tree", "image_outputs", "outputs_of", "tree_outputs"]

_TREES = frozenset({OutputKind.FOLDER, OutputKind.TAR})


def outputs_of(options: SolveOptions) -> tuple[Output, ...]:
    """Where the result goes: the local store unless something else was asked for."""
    return options.outputs or (Output(kind=OutputKind.IMAGE),)


def image_outputs(options: SolveOptions) -> tuple[Output, ...]:
    return tuple(output for output in outputs_of(options) if output.kind not in _TREES)


def tree_outputs(options: SolveOptions) -> tuple[Output, ...]:
    return tuple(output for output in outputs_of(options) if output.kind in _TREES)


def export_image(
    config: ImageConfig,
    layers: Sequence[LayerBlob],
    options: SolveOptions,
    content: ContentStore,
    inline_cache: bytes = b"",
) -> AssembledImage:
    """Put the image together and write it to every place that wants an image. Raises ExportError."""
    image = assemble(config, layers, inline_cache=inline_cache)
    for output in image_outputs(options):
        names = _names(options, output)
        match output.kind:
            case OutputKind.IMAGE:
                export_store(image, content, names)
            case OutputKind.OCI_FOLDER:
                export_oci_folder(image, content, names, output.dest)
            case _ if output.dest == STDOUT:
                stream_oci_tar(image, content, names, sys.stdout.fileno())
            case _:
                export_oci_tar(image, content, names, output.dest)
    return image


def export_tree(tree: Tree, output: Output) -> None:
    """Write the files of a result as a folder or a tar. Raises ExportError."""
    from ..exporter import export_rootfs_folder, export_rootfs_tar, stream_rootfs_tar

    if output.kind is OutputKind.FOLDER:
        export_rootfs_folder(tree, output.dest)
    elif output.dest == STDOUT:
        stream_rootfs_tar(tree, sys.stdout.fileno())
    else:
        export_rootfs_tar(tree, output.dest)


def _names(options: SolveOptions, output: Output) -> list[Reference]:
    texts = [*options.tags, *filter(None, output.name.split(","))]
    return [parse_reference(text) for text in dict.fromkeys(texts)]
