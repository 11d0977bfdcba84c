"""How an exported image is written down: its layers' compression, its media types, its annotations."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..platforms import parse_platform
from ..values import frozen
from .csv_specs import LayerOptions, csv_boolean, csv_epoch, csv_layer_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..platforms import Platform

__all__ = [
    "IMAGE_KEYS",
    "Annotation",
    "AnnotationLevel",
    "ImageOptions",
    "csv_image_options",
    "is_annotation",
    "parse_annotations",
]

IMAGE_KEYS = (
    "compression",
    "compression-level",
    "force-compression",
    "oci-artifact",
    "oci-mediatypes",
    "rewrite-timestamp",
    "source-date-epoch",
)
# compiled on first use: most builds have none
_ANNOTATION = r"annotation(?:-(?P<level>[a-z-]+))?(?:\[(?P<platform>[^\]]*)\])?\.(?P<key>(?s:.+))"
_FLAG_LEVEL = r"(?P<level>[a-z-]+)(?:\[(?P<platform>[^\]]*)\])?"
_PLAIN_LAYERS = LayerOptions()


class AnnotationLevel(Enum):
    """What an annotation is written into."""

    MANIFEST = "manifest"
    INDEX = "index"
    MANIFEST_DESCRIPTOR = "manifest-descriptor"  # in the index, or the layout, that lists the manifest
    INDEX_DESCRIPTOR = "index-descriptor"  # in the layout that lists the index


@frozen
class Annotation:
    """`platform` None: of every platform's image."""

    level: AnnotationLevel
    key: str
    value: str
    platform: Platform | None = None


@frozen
class ImageOptions:
    """Equal options give equal images. `docker`: Docker's media types instead of OCI's.

    squash: all that the build adds to its base image is one layer. rewrite_timestamp: no file of a new layer is younger
    than SOURCE_DATE_EPOCH, or epoch_s (seconds since 1970) in its place. attested: what is said of the image goes with
    it; artifact: in OCI's form for that.
    """

    layers: LayerOptions = _PLAIN_LAYERS
    docker: bool = False
    annotations: tuple[Annotation, ...] = ()
    rewrite_timestamp: bool = False
    epoch_s: int | None = None
    squash: bool = False
    attested: bool = False
    artifact: bool = True

    @property
    def plain_layers(self) -> bool:
        """Whether layers serve as they are packed anyway."""
        return self.layers == _PLAIN_LAYERS and not (self.rewrite_timestamp or self.squash)

    def epoch_of(self, built_s: int | None) -> int | None:
        """The time that nothing new in the image is younger than. built_s: that of the build."""
        return built_s if self.epoch_s is None else self.epoch_s

    def annotations_of(self, level: AnnotationLevel, platform: Platform | None = None) -> tuple[tuple[str, str], ...]:
        """Those of one document, sorted by key; what is said of a platform wins over what is said of all."""
        found: dict[str, str] = {}
        for asked in (None, platform):
            mine = (one for one in self.annotations if one.level is level and one.platform == asked)
            found.update((one.key, one.value) for one in mine)
        return tuple(sorted(found.items()))


def is_annotation(key: str) -> bool:
    return re.fullmatch(_ANNOTATION, key) is not None


def csv_image_options(text: str, found: Mapping[str, str], *, flag: str, docker: bool = False) -> ImageOptions:
    """The part of an `--output` that is about images. `docker`: whether Docker's media types are the default.

    As with BuildKit, zstd, eStargz and annotations are OCI's, and Docker's types give way to them. Raises UsageError.
    """
    annotations = tuple(_annotation(text, key, value, flag) for key, value in found.items() if is_annotation(key))
    layers = csv_layer_options(text, found, flag=flag)
    oci = csv_boolean(text, "oci-mediatypes", found.get("oci-mediatypes", str(not docker)), flag=flag)
    return ImageOptions(
        layers=layers,
        docker=not (oci or annotations or layers.compression in {"zstd", "estargz"}),
        annotations=annotations,
        artifact=csv_boolean(text, "oci-artifact", found.get("oci-artifact", "true"), flag=flag),
        rewrite_timestamp=csv_boolean(text, "rewrite-timestamp", found.get("rewrite-timestamp", "false"), flag=flag),
        epoch_s=csv_epoch(text, found, flag=flag),
    )


def _annotation(text: str, key: str, value: str, flag: str) -> Annotation:
    match = re.fullmatch(_ANNOTATION, key)
    assert match is not None, "the caller has looked"
    said = f"{flag} {text!r}"
    level = _level(said, match["level"] or "manifest")
    return Annotation(level=level, key=match["key"], value=value, platform=_platform(said, match["platform"]))


def parse_annotations(texts: Sequence[str]) -> tuple[Annotation, ...]:
    """`--annotation`: `[LEVEL[PLATFORM]…:]KEY=VALUE`, levels with commas between. Raises UsageError."""
    return tuple(annotation for text in texts for annotation in _flag_annotations(text))


def _flag_annotations(text: str) -> list[Annotation]:
    said = f"--annotation {text!r}"
    name, equals, value = text.partition("=")
    levels, colon, key = name.partition(":")
    if not colon:
        levels, key = "manifest", name
    if not equals or not key:
        raise UsageError(f"{said}: expected [LEVEL:]KEY=VALUE")
    annotations = []
    for word in levels.split(","):
        match = re.fullmatch(_FLAG_LEVEL, word)
        level = _level(said, match["level"] if match else word)
        platform = _platform(said, match["platform"] if match else None)
        annotations.append(Annotation(level=level, key=key, value=value, platform=platform))
    return annotations


def _level(said: str, word: str) -> AnnotationLevel:
    try:
        return AnnotationLevel(word)
    except ValueError:
        known = ", ".join(level.value for level in AnnotationLevel)
        raise UsageError(f"{said}: unknown level {word!r}; expected one of {known}") from None


def _platform(said: str, text: str | None) -> Platform | None:
    if text is None:
        return None
    try:
        return parse_platform(text)
    except ValueError as error:
        raise UsageError(f"{said}: {error}") from None
