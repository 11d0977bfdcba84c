"""Bytes as BuildKit's client writes them."""

from __future__ import annotations

import hashlib

import pytest
from llbuild.digest import Digest
from llbuild.errors import DefinitionError
from llbuild.llb import (
    Definition,
    DiffOp,
    Edge,
    ExecOp,
    FileCopy,
    FileMkdir,
    FileOp,
    FileStep,
    MergeOp,
    Mount,
    Op,
    SourceFile,
    SourceOp,
    image,
    local,
    make_vertex,
    merge,
)
from llbuild.platforms import Platform
from llbuild.proto import encode_buildkit, op_digests
from llbuild.proto import ops_pb2 as pb

AMD64 = Platform(os="linux", architecture="amd64")
BUSYBOX = SourceOp(identifier="docker-image://docker.io/library/busybox:latest")


def ops_of(definition: Definition) -> list[bytes]:
    return list(getattr(pb.Definition.FromString(encode_buildkit(definition)), "def"))


def bytes_of(op: Op, platform: Platform | None = None, constraints: tuple[str, ...] | None = ()) -> bytes:
    vertex = make_vertex(op, (), platform, constraints)
    return ops_of(Definition(vertices=(vertex,), root=Edge(vertex.digest)))[0]


def test_an_image_source_is_platform_constraints_body() -> None:
    """Golden: platform is field 10, constraints 11 and the body 3, in this order."""
    text = BUSYBOX.identifier.encode()
    platform = b"\x52\x0e\x0a\x05amd64\x12\x05linux"
    assert bytes_of(BUSYBOX, AMD64) == platform + b"\x5a\x00" + b"\x1a\x31\x0a\x2f" + text


@pytest.mark.parametrize(
    ("constraints", "want"), [((), b"\x5a\x00"), (("a",), b"\x5a\x03\x0a\x01a"), (None, b"")], ids=repr
)
def test_constraints_are_there_even_when_empty(constraints: tuple[str, ...] | None, want: bytes) -> None:
    assert bytes_of(SourceOp(identifier=""), None, constraints) == want + b"\x1a\x00"


MINUS_ONE = b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize(
    ("op", "want"),
    [
        (
            SourceOp(identifier="x", attrs=(("b", ""), ("a", "1"))),
            b"\x1a\x12\x0a\x01x\x12\x06\x0a\x01a\x12\x011\x12\x05\x0a\x01b\x12\x00",
        ),
        (MergeOp(inputs=(0, 1)), b"\x32\x06\x0a\x00\x0a\x02\x08\x01"),
        (DiffOp(lower=0, upper=-1), b"\x3a\x0f\x0a\x00\x12\x0b\x08" + MINUS_ONE),
        (
            FileOp(steps=(FileStep(action=FileMkdir(path="", mode=0, timestamp=0), input=0, output=0),)),
            b"\x22\x0f\x12\x0d\x10" + MINUS_ONE + b"\x32\x00",
        ),
        (
            ExecOp(args=("a",), cwd="", mounts=(Mount(dest="/", input=0, output=0),)),
            b"\x12\x0a\x0a\x03\x0a\x01a\x12\x03\x1a\x01/",
        ),
    ],
    ids=["sorted map", "empty wrapper", "negative number", "empty action", "exec"],
)
def test_traps_in_the_bytes(op: Op, want: bytes) -> None:
    assert bytes_of(op) == b"\x5a\x00" + want


def test_the_last_op_is_one_input_and_nothing_else() -> None:
    definition = image("busybox").run("make").root.marshal()
    source, run, last = ops_of(definition)
    digest = "sha256:" + hashlib.sha256(run).hexdigest()
    assert last == b"\x0a\x49\x0a\x47" + digest.encode()
    assert list(op_digests(definition).values()) == ["sha256:" + hashlib.sha256(source).hexdigest(), digest]


def test_what_progress_shows_is_an_entry_of_the_description() -> None:
    definition = image("busybox").run("make").root.marshal()
    said = pb.Definition.FromString(encode_buildkit(definition)).metadata
    names = [dict(said[name].description) for name in op_digests(definition).values()]
    assert names == [{"llb.customname": "docker-image://busybox"}, {"llb.customname": "make"}]


def test_an_empty_filesystem_is_an_empty_message() -> None:
    assert encode_buildkit(Definition()) == b""


def test_names_of_vertices_ignore_what_is_only_said_of_them() -> None:
    base = image("busybox")
    with_files = base.copy(local("context"), "/", "/src")
    plain = list(op_digests(with_files.marshal()).values())
    again = list(op_digests(merge([with_files, base]).marshal()).values())
    assert again[: len(plain)] == plain


MISSING = Digest("blake3:" + "0" * 64)


def broken() -> list[tuple[str, Definition, str]]:
    def one(op: Op, inputs: tuple[Edge, ...] = ()) -> Definition:
        vertex = make_vertex(op, inputs)
        return Definition(vertices=(vertex,), root=Edge(vertex.digest))

    copy = FileCopy(src="/", dest="/", mode=1 << 31)
    return [
        ("missing input", one(MergeOp(inputs=(0,)), (Edge(MISSING),)), "an input is missing: no vertex blake3:000"),
        ("missing root", Definition(root=Edge(MISSING)), "the root is missing"),
        ("no root", Definition(vertices=(make_vertex(BUSYBOX),)), "vertices but no root"),
        ("too large", one(FileOp(steps=(FileStep(action=copy),))), r"FileOp \w{12}: 2147483648 is no number from"),
        (
            "surrogate",
            Definition(sources=(SourceFile(path="\udcff", data=b""),)),
            r"'\\udcff' cannot be written as UTF-8",
        ),
    ]


@pytest.mark.parametrize(("definition", "want"), [row[1:] for row in broken()], ids=[row[0] for row in broken()])
def test_what_protobuf_cannot_hold_is_named(definition: Definition, want: str) -> None:
    with pytest.raises(DefinitionError, match=want):
        encode_buildkit(definition)
