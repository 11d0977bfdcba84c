from __future__ import annotations

import pytest
from llbuild.cli.csv_specs import LayerOptions
from llbuild.cli.image_options import ImageOptions, parse_annotations
from llbuild.cli.outputs import Output, OutputKind, add_to_outputs, parse_output, parse_outputs
from llbuild.errors import UsageError

LEVELS = "manifest, index, manifest-descriptor, index-descriptor"
TYPES = "cacheonly, docker, image, local, oci, registry, tar"
DOCKER = ImageOptions(docker=True)
TREES = "type=tar takes dest=, platform-split=, attestation-prefix=, source-date-epoch="


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("out", Output(kind=OutputKind.FOLDER, dest="out")),
        ("-", Output(kind=OutputKind.TAR, dest="-")),
        ("type=local,dest=out,mode=copy", Output(kind=OutputKind.FOLDER, dest="out")),
        ("type=local,dest=out,mode=delete", Output(kind=OutputKind.FOLDER, dest="out", deletes=True)),
        ("type=tar,source-date-epoch=0", Output(kind=OutputKind.TAR, dest="-", image=ImageOptions(epoch_s=0))),
        ("type=image", Output(kind=OutputKind.IMAGE)),
        ("type=image,name=hello", Output(kind=OutputKind.IMAGE, name="hello")),
        ('type=image,"name=a,b"', Output(kind=OutputKind.IMAGE, name="a,b")),
        ("type=image,push=true", Output(kind=OutputKind.IMAGE, push=True)),
        ("type=registry,name=a.b/c", Output(kind=OutputKind.IMAGE, name="a.b/c", push=True, store=False)),
        (
            "type=image,push=1,push-by-digest=1,store=0",
            Output(kind=OutputKind.IMAGE, push=True, by_digest=True, store=False),
        ),
        ("type=docker", Output(kind=OutputKind.ENGINE, image=DOCKER)),
        ("type=docker,context=far", Output(kind=OutputKind.ENGINE, image=DOCKER, engine_context="far")),
        ("type=docker,dest=-", Output(kind=OutputKind.DOCKER_TAR, dest="-", image=DOCKER)),
        ("type=docker,dest=a,oci-mediatypes=true", Output(kind=OutputKind.DOCKER_TAR, dest="a")),
        ("type=cacheonly", Output(kind=OutputKind.NOTHING)),
        (
            "type=oci,dest=a,compression=zstd,compression-level=9,force-compression=true",
            Output(
                kind=OutputKind.OCI_TAR,
                dest="a",
                image=ImageOptions(layers=LayerOptions(compression="zstd", level=9, force=True)),
            ),
        ),
        (
            "type=local,dest=a,platform-split=false",
            Output(kind=OutputKind.FOLDER, dest="a", platform_split=False),
        ),
        ("type=oci,dest=a.tar", Output(kind=OutputKind.OCI_TAR, dest="a.tar")),
        ("type=oci", Output(kind=OutputKind.OCI_TAR, dest="-")),
        ("type=oci,tar=true,dest=-", Output(kind=OutputKind.OCI_TAR, dest="-")),
        ("type=oci,tar=false,dest=dir", Output(kind=OutputKind.OCI_FOLDER, dest="dir")),
        ("TYPE=oci,Tar=0,DEST=Dir", Output(kind=OutputKind.OCI_FOLDER, dest="Dir")),
        ("type=local,dest=a=b", Output(kind=OutputKind.FOLDER, dest="a=b")),
        ('type=local,"dest=a,b ""c"""', Output(kind=OutputKind.FOLDER, dest='a,b "c"')),
        ("type=tar,dest=rootfs.tar", Output(kind=OutputKind.TAR, dest="rootfs.tar")),
        ("type=tar", Output(kind=OutputKind.TAR, dest="-")),
    ],
)
def test_an_output_is_read(text: str, want: Output) -> None:
    assert parse_output(text) == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--output is empty; expected a folder, or type=…,dest=…"),
        (
            "dest=x",
            "--output 'dest=x': type= is missing; expected one of " + TYPES,
        ),
        (
            "type=zip,dest=x",
            "--output 'type=zip,dest=x': unknown type 'zip'; expected one of " + TYPES,
        ),
        ("type=local", "--output 'type=local': a folder is written, so dest=DIR is needed"),
        ("type=local,dest=-", "--output 'type=local,dest=-': a folder is written, so dest=DIR is needed"),
        ("type=oci,tar=false", "--output 'type=oci,tar=false': a folder is written, so dest=DIR is needed"),
        ("type=oci,tar=maybe", "--output 'type=oci,tar=maybe': tar= expects true or false, found 'maybe'"),
        ("type=oci,", "--output 'type=oci,': expected key=value, found ''"),
        ("type=oci,dest=a,dest=b", "--output 'type=oci,dest=a,dest=b': dest= is given twice"),
        ("type=cacheonly,dest=x", "--output 'type=cacheonly,dest=x': type=cacheonly takes nothing else, not dest="),
        (
            "type=tar,tar=false",
            f"--output 'type=tar,tar=false': {TREES}, not tar=",
        ),
        (
            "type=tar,annotation.a=b",
            "--output 'type=tar,annotation.a=b': " + TREES + ", not annotation.a=",
        ),
        (
            "type=tar,mode=copy",
            f"--output 'type=tar,mode=copy': {TREES}, not mode=",
        ),
        (
            "type=local,dest=a,mode=delet",
            (
                "--output 'type=local,dest=a,mode=delet': mode= expects copy, delete; found 'delet'"
                " (did you mean 'delete'?)"
            ),
        ),
        (
            "type=docker,dest=a,context=b",
            "--output 'type=docker,dest=a,context=b': with dest=, no engine loads the image, so context= says nothing",
        ),
        (
            "type=oci,source-date-epoch=-1",
            "--output 'type=oci,source-date-epoch=-1': source-date-epoch= expects seconds since 1970, found '-1'",
        ),
        (
            "type=image,push-by-digest=true",
            "--output 'type=image,push-by-digest=true': push-by-digest=true needs push=true",
        ),
        (
            "type=image,dangling-name-prefix=A:b",
            "--output 'type=image,dangling-name-prefix=A:b': dangling-name-prefix= expects a name, found 'A:b'",
        ),
        (
            "type=image,store=false",
            "--output 'type=image,store=false': with store=false and without push=true, it goes nowhere",
        ),
        (
            "type=oci,compression=estargz,compression-level=x",
            "--output 'type=oci,compression=estargz,compression-level=x': compression-level= expects 0 to 9, found 'x'",
        ),
        (
            "type=oci,compression=zstd,compression-level=23",
            "--output 'type=oci,compression=zstd,compression-level=23': compression-level= expects 1 to 22, found '23'",
        ),
        (
            "type=oci,annotation-layer.a=b",
            "--output 'type=oci,annotation-layer.a=b': unknown level 'layer'; expected one of " + LEVELS,
        ),
        ('type=local,"dest=x', "--output 'type=local,\"dest=x': the quotes do not match"),
    ],
)
def test_a_wrong_output_is_answered_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_output(text)
    assert caught.value.message == message


def test_several_outputs_go_to_several_places() -> None:
    assert [output.dest for output in parse_outputs(["a", "type=oci,dest=b", "-", "type=image", "type=image"])] == [
        "a",
        "b",
        "-",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["-", "type=oci"], "two outputs go to stdout"),
        (["a", "type=oci,dest=a"], "two outputs go to 'a'"),
        (["a", "type=cacheonly"], "type=cacheonly and another output contradict each other"),
    ],
)
def test_two_outputs_cannot_go_to_one_place(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_outputs(texts)
    assert caught.value.message == message


def added(
    *texts: str, push: bool = False, load: bool = False, squash: bool = False, annotation: str = ""
) -> list[Output]:
    annotations = parse_annotations([annotation] if annotation else [])
    return list(add_to_outputs(parse_outputs(texts), push=push, load=load, squash=squash, annotations=annotations))


def test_push_sends_an_image_that_is_kept_and_otherwise_one_that_is_not() -> None:
    assert added("a", push=True) == [parse_output("a"), parse_output("type=registry")]
    assert added("type=image", push=True) == [parse_output("type=image,push=true")]


def test_load_adds_the_engine_once() -> None:
    assert added(load=True) == [parse_output("type=docker")]
    assert added("type=docker,oci-mediatypes=true", load=True) == [parse_output("type=docker,oci-mediatypes=true")]


def test_an_annotation_goes_to_every_image_and_wants_ocis_media_types() -> None:
    assert added("a", "type=docker", annotation="manifest:k=v") == [
        parse_output("a"),
        parse_output("type=docker,annotation.k=v"),
    ]
    assert added(annotation="k=v") == [parse_output("type=image,annotation.k=v")]
    with pytest.raises(UsageError, match="--annotation is for images, and none is written"):
        added("a", annotation="k=v")


def test_squash_is_for_every_image() -> None:
    (files, image) = added("a", "type=docker", squash=True)
    assert files == parse_output("a")
    assert image.image == ImageOptions(docker=True, squash=True)
    with pytest.raises(UsageError, match="--squash is for images, and none is written"):
        added("a", squash=True)
