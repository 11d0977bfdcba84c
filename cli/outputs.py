"""`-o`: where a build's result goes. `type=oci,dest=hello.tar` and its short forms."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ..errors import SourceError, UsageError
from ..image import parse_reference
from ..values import frozen, replace
from .csv_specs import csv_attributes, csv_boolean, csv_choice, csv_epoch, split_csv
from .image_options import IMAGE_KEYS, ImageOptions, csv_image_options, is_annotation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .image_options import Annotation

__all__ = ["ENGINES", "STDOUT", "Output", "OutputKind", "add_to_outputs", "parse_output", "parse_outputs"]

STDOUT = "-"
ENGINES = ("docker", "podman")  # in the order in which they are looked for


class OutputKind(Enum):
    IMAGE = "image"  # into the local store, to registries, or both
    OCI_TAR = "oci"
    OCI_FOLDER = "oci,tar=false"
    DOCKER_TAR = "docker"  # what `docker load` takes
    ENGINE = "docker,dest="  # the same, handed to docker or podman at once
    FOLDER = "local"  # the root filesystem
    TAR = "tar"  # the root filesystem
    NOTHING = "cacheonly"  # the steps run, and that is all


_IMAGES = frozenset(
    {OutputKind.IMAGE, OutputKind.OCI_TAR, OutputKind.OCI_FOLDER, OutputKind.DOCKER_TAR, OutputKind.ENGINE}
)
_TREES = frozenset({OutputKind.FOLDER, OutputKind.TAR})
_PLAIN_IMAGE = ImageOptions()


@frozen
class Output:
    """One place for the result. `dest`: a path, "-" for stdout, "" where there is none.

    store: keep an image in the local store. push: send it to the registries of its names; by_digest: without naming it
    there. platform_split: files of several platforms go to a folder for each. attestation_prefix: how the names of
    files begin that say something of the others.
    """

    kind: OutputKind
    dest: str = ""
    name: str = ""  # of the image, beside the tags; several, separated by commas
    image: ImageOptions = _PLAIN_IMAGE
    store: bool = True
    push: bool = False
    by_digest: bool = False
    platform_split: bool | None = None  # None: if there are several
    attestation_prefix: str = ""
    insecure: bool = False  # push also to registries that prove nothing, or speak no TLS
    canonical: bool = False  # each name in the store with the digest too
    dangling_prefix: str = ""  # name in the store, with the digest behind it
    dangling_empty_only: bool = False  # only for an image without another name
    unpack: bool = False  # the image's layers are to be here as folders
    engine_context: str = ""  # which of an engine's daemons; "": its current one
    deletes: bool = False  # what is in the folder, and not in the result, goes

    @property
    def is_image(self) -> bool:
        return self.kind in _IMAGES

    @property
    def is_tree(self) -> bool:
        return self.kind in _TREES

    @property
    def is_local(self) -> bool:
        """Whether the image's layers have to be here for it."""
        return self.is_image and (self.kind is not OutputKind.IMAGE or self.store)


_EMPTY_ONLY = "danging-name-empty-only"  # BuildKit's spelling
_PUSHING = (
    *("dangling-name-prefix", _EMPTY_ONLY, "name", "name-canonical"),
    *("push-by-digest", "registry.insecure", "store", "unpack"),
)
_FILES = ("platform-split", "attestation-prefix", "source-date-epoch")
_KEYS = {
    "cacheonly": (),
    "docker": ("dest", "name", "context", *IMAGE_KEYS),
    "image": ("push", *_PUSHING, *IMAGE_KEYS),
    "local": ("dest", "mode", *_FILES),
    "oci": ("dest", "tar", "name", *IMAGE_KEYS),
    "registry": (*_PUSHING, *IMAGE_KEYS),
    "tar": ("dest", *_FILES),
}
# what BuildKit and buildah know beyond that
_NOT_YET = frozenset(("buildinfo", "inline"))


def parse_outputs(texts: Sequence[str]) -> tuple[Output, ...]:
    """Every `-o` of a command line.

    Raises UsageError where two cannot both be had.
    """
    outputs = tuple(parse_output(text) for text in texts)
    taken: set[str] = set()
    for output in outputs:
        if output.dest and output.dest in taken:
            place = "stdout" if output.dest == STDOUT else repr(output.dest)
            raise UsageError(f"two outputs go to {place}", hint="give each output a dest= of its own")
        taken.add(output.dest)
    if len(outputs) > 1 and any(output.kind is OutputKind.NOTHING for output in outputs):
        raise UsageError("type=cacheonly and another output contradict each other")
    return outputs


def add_to_outputs(
    outputs: tuple[Output, ...],
    *,
    push: bool = False,
    load: bool = False,
    squash: bool = False,
    annotations: tuple[Annotation, ...] = (),
    attested: bool = False,
) -> tuple[Output, ...]:
    """The outputs with what `--push`, `--load`, `--squash`, `--annotation` and `--attest` add. Raises UsageError."""
    if push and any(output.kind is OutputKind.IMAGE for output in outputs):
        outputs = tuple(replace(output, push=True) if output.kind is OutputKind.IMAGE else output for output in outputs)
    elif push:
        outputs = (*outputs, parse_output("type=registry"))
    if load and not any(output.kind is OutputKind.ENGINE for output in outputs):
        outputs = (*outputs, parse_output("type=docker"))
    if not annotations and not squash and not attested:
        return outputs
    outputs = outputs or (Output(kind=OutputKind.IMAGE),)
    if attested:
        outputs = tuple(map(_attested, outputs))
    if not annotations and not squash:
        return outputs
    if not any(output.is_image for output in outputs):
        raise UsageError(f"{'--annotation' if annotations else '--squash'} is for images, and none is written")
    return tuple(_changed(output, annotations, squash) if output.is_image else output for output in outputs)


def _attested(output: Output) -> Output:
    """What docker loads has no place for attestations; they are dropped there, as with BuildKit."""
    if output.kind in {OutputKind.DOCKER_TAR, OutputKind.ENGINE} or not output.is_image:
        return output
    if output.image.docker:
        raise UsageError("attestations are OCI's, and an image with oci-mediatypes=false has no place for them")
    return replace(output, image=replace(output.image, attested=True))


def _changed(output: Output, annotations: tuple[Annotation, ...], squash: bool) -> Output:
    image = replace(
        output.image,
        annotations=(*output.image.annotations, *annotations),
        docker=output.image.docker and not annotations,
        squash=squash,
    )
    return replace(output, image=image)


def parse_output(text: str) -> Output:
    """One `-o`: `type=…,dest=…` (CSV), a folder alone, or `-` for a tar on stdout.

    Raises UsageError naming the part that is wrong.
    """
    fields = split_csv(text, flag="--output")
    if fields == [STDOUT]:
        return Output(kind=OutputKind.TAR, dest=STDOUT)
    if len(fields) == 1 and "=" not in fields[0]:
        if not fields[0]:
            raise UsageError("--output is empty; expected a folder, or type=…,dest=…")
        return Output(kind=OutputKind.FOLDER, dest=fields[0])
    attributes = csv_attributes(text, fields, flag="--output")
    kind = attributes.pop("type", "")
    if kind not in _KEYS:
        raise _unknown_type(text, kind)
    takes_annotations = IMAGE_KEYS[0] in _KEYS[kind]
    for key in attributes:
        if key not in _KEYS[kind] and not (takes_annotations and is_annotation(key)):
            raise _unknown_key(text, kind, key)
    return _output(text, kind, attributes)


def _output(text: str, kind: str, attributes: dict[str, str]) -> Output:
    match kind:
        case "cacheonly":
            return Output(kind=OutputKind.NOTHING)
        case "image" | "registry":
            return _image(text, kind, attributes)
        case "docker" | "oci":
            return _archive(text, kind, attributes)
        case _:
            dest = attributes.get("dest", "")
            if kind == "local":
                _check_folder(text, dest)
            split = None
            if "platform-split" in attributes:
                split = csv_boolean(text, "platform-split", attributes["platform-split"], flag="--output")
            prefix = attributes.get("attestation-prefix", "")
            if "/" in prefix or "\0" in prefix:
                raise UsageError(f"--output {text!r}: attestation-prefix= begins a file's name, and has no slash")
            return Output(
                kind=OutputKind(kind),
                dest=dest or STDOUT,
                platform_split=split,
                attestation_prefix=prefix,
                deletes=csv_choice(text, "mode", attributes, ("copy", "delete"), flag="--output") == "delete",
                image=ImageOptions(epoch_s=csv_epoch(text, attributes, flag="--output")),
            )


def _image(text: str, kind: str, attributes: dict[str, str]) -> Output:
    def is_set(key: str, default: str) -> bool:
        return csv_boolean(text, key, attributes.get(key, default), flag="--output")

    output = Output(
        kind=OutputKind.IMAGE,
        name=attributes.get("name", ""),
        image=csv_image_options(text, attributes, flag="--output"),
        store=is_set("store", str(kind == "image")),
        push=kind == "registry" or is_set("push", "false"),
        by_digest=is_set("push-by-digest", "false"),
        insecure=is_set("registry.insecure", "false"),
        canonical=is_set("name-canonical", "false"),
        dangling_prefix=attributes.get("dangling-name-prefix", ""),
        dangling_empty_only=is_set(_EMPTY_ONLY, "false"),
        unpack=is_set("unpack", "false"),
    )
    if output.dangling_prefix:
        _check_prefix(text, output.dangling_prefix)
    if output.by_digest and not output.push:
        raise UsageError(f"--output {text!r}: push-by-digest=true needs push=true")
    if not output.store and not output.push:
        raise UsageError(f"--output {text!r}: with store=false and without push=true, it goes nowhere")
    return output


def _archive(text: str, kind: str, attributes: dict[str, str]) -> Output:
    dest, name = attributes.get("dest", ""), attributes.get("name", "")
    image = csv_image_options(text, attributes, flag="--output", docker=kind == "docker")
    if kind == "docker":
        form = OutputKind.DOCKER_TAR if dest else OutputKind.ENGINE
        context = attributes.get("context", "")
        if context and dest:
            raise UsageError(f"--output {text!r}: with dest=, no engine loads the image, so context= says nothing")
        return Output(kind=form, dest=dest, name=name, image=image, engine_context=context)
    if csv_boolean(text, "tar", attributes.get("tar", "true"), flag="--output"):
        return Output(kind=OutputKind.OCI_TAR, dest=dest or STDOUT, name=name, image=image)
    _check_folder(text, dest)
    return Output(kind=OutputKind.OCI_FOLDER, dest=dest, name=name, image=image)


def _check_prefix(text: str, prefix: str) -> None:
    try:
        parse_reference(f"{prefix}@sha256:{64 * '0'}")
    except SourceError as error:
        raise UsageError(f"--output {text!r}: dangling-name-prefix= expects a name, found {prefix!r}") from error


def _check_folder(text: str, dest: str) -> None:
    if dest in {"", STDOUT}:
        raise UsageError(f"--output {text!r}: a folder is written, so dest=DIR is needed")


def _unknown_type(text: str, kind: str) -> UsageError:
    known = ", ".join(sorted(_KEYS))
    if not kind:
        return UsageError(f"--output {text!r}: type= is missing; expected one of {known}")
    return UsageError(f"--output {text!r}: unknown type {kind!r}; expected one of {known}")


def _unknown_key(text: str, kind: str, key: str) -> UsageError:
    known = ", ".join(f"{name}=" for name in _KEYS[kind]) or "nothing else"
    if key in _NOT_YET:
        return UsageError(f"--output {text!r}: {key}= is not supported yet; type={kind} takes {known}")
    return UsageError(f"--output {text!r}: type={kind} takes {known}, not {key}=")
