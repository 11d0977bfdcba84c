from __future__ import annotations

import pytest
from llbuild.cli.outputs import Output, OutputKind, parse_output, parse_outputs
from llbuild.errors import UsageError


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("out", Output(kind=OutputKind.FOLDER, dest="out")),
        ("-", Output(kind=OutputKind.TAR, dest="-")),
        ("type=image", Output(kind=OutputKind.IMAGE)),
        ("type=image,name=hello", Output(kind=OutputKind.IMAGE, name="hello")),
        ('type=image,"name=a,b"', Output(kind=OutputKind.IMAGE, name="a,b")),
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
        ("dest=x", "--output 'dest=x': type= is missing; expected one of image, local, oci, tar"),
        ("type=zip,dest=x", "--output 'type=zip,dest=x': unknown type 'zip'; expected one of image, local, oci, tar"),
        ("type=docker", "--output 'type=docker': type=docker is not supported yet; there are image, local, oci, tar"),
        ("type=local", "--output 'type=local': a folder is written, so dest=DIR is needed"),
        ("type=local,dest=-", "--output 'type=local,dest=-': a folder is written, so dest=DIR is needed"),
        ("type=oci,tar=false", "--output 'type=oci,tar=false': a folder is written, so dest=DIR is needed"),
        ("type=oci,tar=maybe", "--output 'type=oci,tar=maybe': tar= expects true or false, found 'maybe'"),
        ("type=oci,", "--output 'type=oci,': expected key=value, found ''"),
        ("type=oci,dest=a,dest=b", "--output 'type=oci,dest=a,dest=b': dest= is given twice"),
        ("type=image,dest=x", "--output 'type=image,dest=x': type=image takes name=, not dest="),
        ("type=tar,tar=false", "--output 'type=tar,tar=false': type=tar takes dest=, not tar="),
        (
            "type=image,push=true",
            "--output 'type=image,push=true': push= is not supported yet; type=image takes name=",
        ),
        (
            "type=oci,annotation.a=b",
            "--output 'type=oci,annotation.a=b': annotation.a= is not supported yet; type=oci takes dest=, tar=, name=",
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
    ],
)
def test_two_outputs_cannot_go_to_one_place(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_outputs(texts)
    assert caught.value.message == message
