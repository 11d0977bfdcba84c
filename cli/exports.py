"""A build's result to every place `-o` named. Synchronous: writing files, after everything is there."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .. import exporter  # what writes an image is loaded when it is called for
from ..errors import ExportError, UsageError
from ..image import parse_reference
from ..values import frozen, replace
from .image_options import AnnotationLevel
from .job import BuildResult
from .outputs import STDOUT, Output, OutputKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from ..digest import Digest
    from ..exporter import AssembledImage, AssembledIndex
    from ..exporter.attest import AssembledAttestation, Predicate
    from ..frontend import Compiled, PlatformResult
    from ..image import LayerBlob, Reference, RegistryConfig
    from ..platforms import Platform
    from ..solver import Graph
    from ..worker import ContentStore
    from ..worker.snapshot import Tree
    from .image_options import ImageOptions
    from .solve_options import SolveOptions

    Assembled: TypeAlias = AssembledImage | AssembledIndex

__all__ = [
    "PlatformLayers",
    "all_names",
    "check_outputs",
    "export_trees",
    "image_outputs",
    "image_result",
    "names_of",
    "only_exported",
    "outputs_of",
    "put_together",
    "registries_of",
    "tree_outputs",
    "write_image",
]


@frozen
class PlatformLayers:
    """One platform's result with its layers as blobs, bottom first.

    inline_cache: what its image is to carry of the build's cache, encoded. predicates: what is said of it.
    """

    result: PlatformResult
    layers: tuple[LayerBlob, ...]
    inline_cache: bytes = b""
    predicates: tuple[Predicate, ...] = ()


def outputs_of(options: SolveOptions) -> tuple[Output, ...]:
    """Where the result goes: the local store unless something else was asked for."""
    return options.outputs or (Output(kind=OutputKind.IMAGE),)


def image_outputs(options: SolveOptions) -> tuple[Output, ...]:
    return tuple(output for output in outputs_of(options) if output.is_image)


def tree_outputs(options: SolveOptions) -> tuple[Output, ...]:
    return tuple(output for output in outputs_of(options) if output.is_tree)


def only_exported(options: SolveOptions, graph: Graph) -> frozenset[Digest]:
    """The vertices whose results are read for nothing but an image whose layers are packed as always."""
    outputs = image_outputs(options)
    plain = all(output.image.plain_layers and not (output.image.attested or output.unpack) for output in outputs)
    if not outputs or not plain or tree_outputs(options):
        return frozenset()
    read = {edge.vertex for vertex in graph.vertices.values() for edge in vertex.inputs}
    return frozenset(edge.vertex for edge in graph.roots) - read


def check_outputs(options: SolveOptions, compiled: Compiled) -> None:
    """Raises UsageError for what cannot be had of these platforms, before anything runs for it."""
    platforms = [result.platform for result in compiled.results]
    for output in outputs_of(options):
        if output.kind in {OutputKind.DOCKER_TAR, OutputKind.ENGINE} and len(platforms) > 1:
            raise UsageError(
                "what docker load takes holds one platform, and several are built",
                hint="use type=oci, or push them with --push",
            )
        if output.push and not names_of(options, output):
            raise UsageError("the image is to be pushed, and has no name", hint="give it one with -t, or name=")
        image = output.image
        if image.rewrite_timestamp and any(image.epoch_of(result.epoch_s) is None for result in compiled.results):
            raise UsageError(
                "rewrite-timestamp=true needs a time to rewrite to", hint="set SOURCE_DATE_EPOCH, e.g. to $(date +%s)"
            )
        for annotation in output.image.annotations:
            if annotation.platform is not None and annotation.platform not in platforms:
                raise UsageError(f"annotation {annotation.key!r} is for {annotation.platform}, which is not built")
            of_index = annotation.level in {AnnotationLevel.INDEX, AnnotationLevel.INDEX_DESCRIPTOR}
            if len(platforms) == 1 and of_index and not output.image.attested:
                raise UsageError(
                    f"annotation {annotation.key!r} is for an index, and an image of one platform has none",
                    hint="annotate the manifest, or build several platforms",
                )


def put_together(parts: Sequence[PlatformLayers], options: ImageOptions, names: Sequence[Reference] = ()) -> Assembled:
    """The image; for several platforms, an index with the image of each.

    Also an index if something is said of it, under these names; the image in it is the same as without.
    """
    images = [_image(part, options) for part in parts]
    attestations = _attestations(parts, images, options, names) if options.attested else []
    if len(images) == 1 and not attestations:
        return images[0]
    form = exporter.ImageForm(
        docker=options.docker,
        annotations=options.annotations_of(AnnotationLevel.INDEX),
        descriptor_annotations=options.annotations_of(AnnotationLevel.INDEX_DESCRIPTOR),
    )
    return exporter.assemble_index(images, form, attestations)


def _attestations(
    parts: Sequence[PlatformLayers], images: Sequence[AssembledImage], options: ImageOptions, names: Sequence[Reference]
) -> list[AssembledAttestation]:
    from ..exporter.attest import attest_image  # most builds have none

    return [
        attest_image(image, part.predicates, names, artifact=options.artifact)
        for part, image in zip(parts, images, strict=True)
        if part.predicates
    ]


def _image(part: PlatformLayers, options: ImageOptions) -> AssembledImage:
    platform = part.result.platform
    form = exporter.ImageForm(
        docker=options.docker,
        annotations=options.annotations_of(AnnotationLevel.MANIFEST, platform),
        descriptor_annotations=options.annotations_of(AnnotationLevel.MANIFEST_DESCRIPTOR, platform),
    )
    epoch_s = options.epoch_of(part.result.epoch_s)
    return exporter.assemble(part.result.image, part.layers, inline_cache=part.inline_cache, form=form, epoch_s=epoch_s)


def write_image(image: Assembled, output: Output, options: SolveOptions, content: ContentStore) -> None:
    """Write the image to a place on this machine. Raises ExportError."""
    names = names_of(options, output)
    docker = output.kind is OutputKind.DOCKER_TAR
    match output.kind:
        case OutputKind.IMAGE:
            exporter.export_store(image, content, _store_names(output, names, image.target.digest))
        case OutputKind.OCI_FOLDER:
            exporter.export_oci_folder(image, content, names, output.dest)
        case _ if output.dest == STDOUT:
            exporter.stream_archive(image, content, names, sys.stdout.fileno(), docker=docker)
        case _:
            exporter.export_archive(image, content, names, output.dest, docker=docker)


def _store_names(output: Output, names: Sequence[Reference], digest: Digest) -> list[Reference]:
    """The names under which the store keeps the image."""
    found = [] if output.by_digest else list(names)
    if output.canonical:
        found += [replace(name, digest=digest) for name in names]
    if output.dangling_prefix and not (names and output.dangling_empty_only):
        found.append(parse_reference(f"{output.dangling_prefix}@{digest}"))
    return found


def image_result(image: Assembled, options: SolveOptions) -> BuildResult:
    """What is told of it afterwards."""
    (first, *more) = image.images
    only = None if more or image.target != first.target else first
    return BuildResult(
        manifest=image.target,
        config_digest=None if only is None else only.config_descriptor.digest,
        names=tuple(str(name) for name in all_names(options)),
    )


def all_names(options: SolveOptions) -> list[Reference]:
    """The image's names, wherever it goes."""
    found = {str(name): name for output in image_outputs(options) for name in names_of(options, output)}
    return list(found.values())


def export_trees(trees: Mapping[Platform, Tree], output: Output, epoch_s: int | None) -> None:
    """Write the files of the result as a folder or a tar, those of several platforms in a folder each.

    Raises ExportError.
    """
    from ..exporter import export_rootfs_folder, export_rootfs_tar, remove_others, stream_rootfs_tar

    split = len(trees) > 1 if output.platform_split is None else output.platform_split
    if len(trees) > 1 and not split:
        raise ExportError("files of several platforms cannot share a folder", hint="leave out platform-split=false")
    named = {str(platform).replace("/", "_") if split else "": tree for platform, tree in trees.items()}
    if output.kind is OutputKind.FOLDER:
        for name, tree in named.items():
            if name:
                _make_folder(output.dest)
            export_rootfs_folder(tree, os.path.join(output.dest, name) if name else output.dest, epoch_s=epoch_s)
        if output.deletes:
            remove_others(output.dest, named)
    elif output.dest == STDOUT:
        stream_rootfs_tar(named, sys.stdout.fileno(), epoch_s=epoch_s)
    else:
        export_rootfs_tar(named, output.dest, epoch_s=epoch_s)


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error


def registries_of(options: SolveOptions) -> tuple[RegistryConfig, ...]:
    """What the config file says of registries, and `registry.insecure=true` of outputs and caches."""
    told = options.globals.config.registries
    trusted = [name.domain for output in options.outputs if output.insecure for name in names_of(options, output)]
    caches = [cache.place for cache in options.cache_to if cache.insecure]
    caches += [cache.place for cache in options.cache_from if cache.insecure]
    if trusted or caches:
        from ..image import with_insecure

        for host in dict.fromkeys([*trusted, *(parse_reference(place).domain for place in caches)]):
            told = with_insecure(told, host)
    return told


def names_of(options: SolveOptions, output: Output) -> list[Reference]:
    """The image's names there; without a tag where only the digest is to be pushed."""
    texts = [*options.tags, *filter(None, output.name.split(","))]
    names = [parse_reference(text) for text in dict.fromkeys(texts)]
    return [replace(name, tag="") for name in names] if output.by_digest else names
