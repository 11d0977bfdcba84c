"""Manifests and indexes, OCI and Docker schema 2, and the choice of a platform in an index.

Written as BuildKit writes them: indented by two spaces, fields in the order of the OCI Go structs.
Spec: OCI image-spec 1.1, manifest.md, image-index.md; distribution spec, manifest v2 schema 2.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..digest import parse_digest
from ..errors import SourceError
from ..platforms import Platform, parse_platform
from ..values import frozen
from .attestation import images_of
from .descriptor import Descriptor, MediaType
from .strict_json import decode_json, encode_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .strict_json import Json, JsonObject

__all__ = [
    "CONFIG_TYPES",
    "CONFIG_TYPES_OF_ALL",
    "MANIFEST_TYPES",
    "Index",
    "Manifest",
    "decode_descriptor",
    "decode_manifest",
    "encode_descriptor",
    "encode_index",
    "encode_manifest",
    "is_schema1",
    "schema1_error",
    "select_platform",
]

_INDEXES = (MediaType.OCI_INDEX, MediaType.DOCKER_INDEX)
_MANIFESTS = (MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST)
MANIFEST_TYPES = (*_MANIFESTS, *_INDEXES)  # what to ask a registry for
CONFIG_TYPES = (MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG, "application/octet-stream")  # the last: docker 1.10
CONFIG_TYPES_OF_ALL = (*CONFIG_TYPES, MediaType.OCI_EMPTY)  # also of what belongs to images without being one
_MAX_ENTRIES = 4096  # layers of an image, manifests of an index; docker stops at 127 layers


@frozen
class Manifest:
    """One image: its config and its layers, bottom first. Or an artifact: something said of the image `subject`."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = MediaType.OCI_MANIFEST
    annotations: tuple[tuple[str, str], ...] = ()
    artifact_type: str = ""
    subject: Descriptor | None = None


@frozen
class Index:
    """Several manifests (or indexes), usually one for each platform."""

    manifests: tuple[Descriptor, ...]
    media_type: str = MediaType.OCI_INDEX
    annotations: tuple[tuple[str, str], ...] = ()


def encode_manifest(manifest: Manifest) -> bytes:
    fields: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": manifest.media_type,
        **({"artifactType": manifest.artifact_type} if manifest.artifact_type else {}),
        "config": encode_descriptor(manifest.config),
        "layers": [encode_descriptor(layer) for layer in manifest.layers],
    }
    if manifest.subject is not None:
        fields["subject"] = encode_descriptor(manifest.subject)
    if manifest.annotations:
        fields["annotations"] = dict(sorted(manifest.annotations))
    return encode_json(fields, indent=True)


def encode_index(index: Index) -> bytes:
    fields: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": index.media_type,
        "manifests": [encode_descriptor(manifest) for manifest in index.manifests],
    }
    if index.annotations:
        fields["annotations"] = dict(sorted(index.annotations))
    return encode_json(fields, indent=True)


def encode_descriptor(descriptor: Descriptor) -> dict[str, Json]:
    """The JSON object, fields in the order of Go's struct."""
    fields: dict[str, Json] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size_bytes,
    }
    if descriptor.annotations:
        fields["annotations"] = dict(sorted(descriptor.annotations))
    if descriptor.platform is not None:
        platform = descriptor.platform
        values: dict[str, Json] = {"architecture": platform.architecture, "os": platform.os}
        if platform.os_version:
            values["os.version"] = platform.os_version
        if platform.os_features:
            values["os.features"] = list(platform.os_features)
        if platform.variant:
            values["variant"] = platform.variant
        fields["platform"] = values
    if descriptor.artifact_type:
        fields["artifactType"] = descriptor.artifact_type
    return fields


def decode_manifest(data: bytes, *, ref: str = "", configs: tuple[str, ...] = CONFIG_TYPES) -> Manifest | Index:
    """Read either kind; a document without media type is told by its shape, as containerd does.

    `ref` is the image it belongs to, for errors; `configs`: the media types that its config may have.
    Raises SourceError; Docker schema 1 is refused by name.
    """
    top = decode_json(data, what="image manifest", ref=ref)
    version, media_type = top.integer("schemaVersion"), top.text("mediaType")
    if version == 1 or is_schema1(media_type):
        raise schema1_error(ref)
    if version != 2:
        raise top.error("schemaVersion", f"expected 2, found {version}")
    if not media_type:
        media_type = MediaType.OCI_INDEX if "manifests" in top.values else MediaType.OCI_MANIFEST
    if media_type in _INDEXES:
        if "layers" in top.values or "config" in top.values:
            raise top.error("mediaType", "it says index, yet there are layers")
        manifests = _descriptors(top, "manifests")
        return Index(manifests=manifests, media_type=media_type, annotations=top.text_map("annotations"))
    if media_type in _MANIFESTS:
        if "manifests" in top.values:
            raise top.error("mediaType", "it says manifest, yet there is a list of manifests")
        return _decode_image(top, media_type, configs)
    raise top.error("mediaType", f"expected an image manifest or index, found {media_type[:100]!r}")


def _descriptors(top: JsonObject, key: str) -> tuple[Descriptor, ...]:
    items = top.children(key)
    if len(items) > _MAX_ENTRIES:
        raise top.error(key, f"expected at most {_MAX_ENTRIES} entries, found {len(items)}")
    return tuple(decode_descriptor(item) for item in items)


def is_schema1(media_type: str) -> bool:
    """Docker's first form of images: one with a signature inside, which no digest is made of."""
    return media_type.startswith("application/vnd.docker.distribution.manifest.v1+")


def schema1_error(ref: str) -> SourceError:
    return SourceError(
        f"{ref or 'this image'} is in Docker's schema 1, given up in 2017",
        ref=ref,
        hint="push it again with a current docker, podman or skopeo",
    )


def _decode_image(top: JsonObject, media_type: str, configs: tuple[str, ...]) -> Manifest:
    config = top.child("config")
    if config is None:
        raise top.error("config", "expected a descriptor, found nothing")
    descriptor = decode_descriptor(config)
    if descriptor.media_type not in configs:
        raise SourceError(
            f"{top.ref or 'this manifest'} is no container image: its config is a {descriptor.media_type[:100]!r}",
            ref=top.ref,
        )
    subject = top.child("subject")
    return Manifest(
        config=descriptor,
        layers=_descriptors(top, "layers"),
        media_type=media_type,
        annotations=top.text_map("annotations"),
        artifact_type=top.text("artifactType"),
        subject=None if subject is None else decode_descriptor(subject),
    )


def decode_descriptor(values: JsonObject) -> Descriptor:
    """Read a descriptor object. Raises SourceError naming the field."""
    try:
        digest = parse_digest(values.text("digest"))
    except ValueError as error:
        raise values.error("digest", str(error)) from None
    size = values.integer("size")
    if digest.algorithm == "blake3":
        raise values.error("digest", f"expected sha256, found {digest!r}")
    if size < 0:
        raise values.error("size", f"expected a number of bytes, found {size}")
    media_type = values.text("mediaType")
    if not media_type:
        raise values.error("mediaType", "expected a media type, found nothing")
    platform = values.child("platform")
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size_bytes=size,
        platform=None if platform is None else _decode_platform(platform),
        annotations=values.text_map("annotations"),
        artifact_type=values.text("artifactType"),
    )


def _decode_platform(values: JsonObject) -> Platform:
    return Platform(
        os=values.text("os"),
        architecture=values.text("architecture"),
        variant=values.text("variant"),
        os_version=values.text("os.version"),
        os_features=values.texts("os.features") or (),
    )


def select_platform(index: Index, platform: Platform) -> Descriptor | None:
    """The manifest that runs best on `platform`; None when none does.

    An older variant of the same architecture serves, and so does the 32-bit one below it (386 on
    amd64, arm on arm64), best match first: containerd's platforms.Only. Entries that name no platform come last.
    """
    candidates = images_of(index)
    for wanted in _serving(platform):
        for entry in candidates:
            if entry.platform is not None and _key(entry.platform) == wanted:
                return entry
    return next((entry for entry in candidates if entry.platform is None), None)


def _key(platform: Platform) -> tuple[str, str, str]:
    """os, architecture, variant, normalised."""
    with contextlib.suppress(ValueError):  # a word nobody knows equals only itself
        platform = parse_platform(str(platform))
    return platform.os, platform.architecture, platform.variant


def _serving(platform: Platform) -> Iterator[tuple[str, str, str]]:
    """What runs on `platform`, best first."""
    system, arch, variant = _key(platform)
    if arch == "amd64":
        for level in range(_level(variant, 1), 1, -1):
            yield system, arch, f"v{level}"
        yield system, arch, ""
        yield system, "386", ""
    elif arch == "arm64":
        yield from ((system, arch, name) for name in _arm64_variants(variant))
        yield from ((system, "arm", f"v{level}") for level in range(8, 4, -1))
    elif arch == "arm":
        yield from ((system, arch, f"v{level}") for level in range(_level(variant, 7), 4, -1))
    else:
        yield system, arch, variant


def _level(variant: str, default: int) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits.isdecimal() and len(digits) == 1 else default


def _arm64_variants(variant: str) -> Iterator[str]:
    """ARMv9.n includes v8.(n+5); v8 itself is written as no variant."""
    major, _, minor = variant.removeprefix("v").partition(".")
    steps = int(minor) if minor.isdecimal() and len(minor) == 1 else 0
    if major == "9":
        yield from (f"v9.{step}" if step else "v9" for step in range(steps, -1, -1))
        steps = min(steps + 5, 9)
    yield from (f"v8.{step}" for step in range(steps, 0, -1))
    yield ""
