from __future__ import annotations

import pytest
from llbuild.cli.image_options import (
    Annotation,
    AnnotationLevel,
    ImageOptions,
    csv_image_options,
    is_annotation,
    parse_annotations,
)
from llbuild.errors import UsageError
from llbuild.platforms import parse_platform

LEVELS = "manifest, index, manifest-descriptor, index-descriptor"
ARM = parse_platform("linux/arm64")
AMD = parse_platform("linux/amd64")


def read(**attributes: str) -> ImageOptions:
    return csv_image_options("type=docker", attributes, flag="--output", docker=True)


@pytest.mark.parametrize(
    ("key", "want"),
    [
        ("annotation.a.b/c", (AnnotationLevel.MANIFEST, "a.b/c", None)),
        ("annotation-index.K", (AnnotationLevel.INDEX, "K", None)),
        ("annotation-manifest-descriptor[linux/arm64].k", (AnnotationLevel.MANIFEST_DESCRIPTOR, "k", ARM)),
        ("annotation[linux/arm64/v8].k", (AnnotationLevel.MANIFEST, "k", ARM)),
    ],
)
def test_an_annotation_says_what_it_is_written_into(key: str, want: tuple[AnnotationLevel, str, object]) -> None:
    (found,) = csv_image_options("type=oci", {key: "v"}, flag="--output").annotations
    assert (found.level, found.key, found.platform) == want
    assert found.value == "v"


@pytest.mark.parametrize("key", ["annotation", "annotations.a", "annotation.", "compression"])
def test_other_keys_are_no_annotations(key: str) -> None:
    assert not is_annotation(key)


def test_the_flag_names_several_levels() -> None:
    found = parse_annotations(["index,manifest[linux/arm64]:a:b=c=d", "k="])
    assert found == (
        Annotation(level=AnnotationLevel.INDEX, key="a:b", value="c=d"),
        Annotation(level=AnnotationLevel.MANIFEST, key="a:b", value="c=d", platform=ARM),
        Annotation(level=AnnotationLevel.MANIFEST, key="k", value=""),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k", "--annotation 'k': expected [LEVEL:]KEY=VALUE"),
        ("index:=v", "--annotation 'index:=v': expected [LEVEL:]KEY=VALUE"),
        (
            "layer:k=v",
            "--annotation 'layer:k=v': unknown level 'layer'; expected one of " + LEVELS,
        ),
    ],
)
def test_a_wrong_annotation_is_answered_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_annotations([text])
    assert caught.value.message == message


def test_what_is_said_of_a_platform_wins() -> None:
    options = ImageOptions(
        annotations=parse_annotations(["manifest[linux/arm64]:a=arm", "a=all", "b=all", "index:i=x"])
    )
    assert options.annotations_of(AnnotationLevel.MANIFEST, ARM) == (("a", "arm"), ("b", "all"))
    assert options.annotations_of(AnnotationLevel.MANIFEST, AMD) == (("a", "all"), ("b", "all"))
    assert options.annotations_of(AnnotationLevel.INDEX) == (("i", "x"),)


def test_dockers_media_types_give_way_to_what_only_oci_has() -> None:
    assert read().docker
    assert not read(**{"annotation.k": "v"}).docker
    assert not read(compression="zstd").docker
    assert not read(**{"oci-mediatypes": "true"}).docker


def test_only_gzip_without_more_is_how_layers_are_packed_anyway() -> None:
    assert read().plain_layers
    assert not read(**{"rewrite-timestamp": "true"}).plain_layers
    assert not read(**{"compression-level": "9"}).plain_layers
    assert not read(**{"force-compression": "true"}).plain_layers
