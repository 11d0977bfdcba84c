"""What is wrong with bytes is named; nothing is lost in silence, and no bytes cost too much."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.digest import sha256_digest
from llbuild.errors import DefinitionError
from llbuild.llb import Definition, SourceFile, image, local, scratch
from llbuild.proto import decode_buildkit, encode_buildkit
from llbuild.proto import ops_pb2 as pb
from llbuild.proto.wire import BYTES, tag, varint
from llbuild.tests.llb.strategies import definitions
from llbuild.tests.proto.messages import definition

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = pb.Op(source=pb.SourceOp(identifier="local://context")).SerializeToString()
NAME = sha256_digest(CONTEXT)
LATER = pb.Op(merge=pb.MergeOp()).SerializeToString()


def wanted(*ops: bytes) -> bytes:
    return pb.Op(inputs=[pb.Input(digest=sha256_digest(op)) for op in ops]).SerializeToString()


def bytes_of(*ops: bytes, **more: Any) -> bytes:
    """A definition of these ops that wants the last of them."""
    return definition(*ops, wanted(ops[-1]), **more).SerializeToString()


def body(**fields: Any) -> bytes:
    return bytes_of(pb.Op(**fields).SerializeToString())


def action(**fields: Any) -> bytes:
    return body(file=pb.FileOp(actions=[pb.FileAction(**fields)]))


def merged(digest: str, index: int = 0) -> bytes:
    return pb.Op(inputs=[pb.Input(digest=digest, index=index)], merge=pb.MergeOp()).SerializeToString()


def placed(**location: Any) -> bytes:
    places = pb.Locations(locations=[pb.Location(**location)])
    return bytes_of(CONTEXT, Source=pb.Source(locations={NAME: places}, infos=[pb.SourceInfo()]))


BROKEN = {
    "text": (b"FROM scratch", "^not a definition of BuildKit's: field 8 has wire type 6"),
    "cut length": (b"\x0a", "end in the middle of a number"),
    "cut field": (b"\x0a\x05abc", "field 1 ends early: 5 bytes announced, 3 there"),
    "cut op": (bytes_of(CONTEXT[:-1]), "op 0: field 3 ends early"),
    "long number": (b"\x08" + b"\xff" * 10 + b"\x01", "more than 64 bits"),
    "field 0": (b"\x00\x01", "0 is not a field number"),
    "fixed field": (b"\x0d\x00\x00\x00\x00", "wire type 5, which no field of LLB has"),
    "number for text": (bytes_of(b"\x1a\x02\x08\x01"), "op 0: Op.source: SourceOp.identifier has wire type 0"),
    "not UTF-8": (bytes_of(b"\x1a\x03\x0a\x01\xff"), "SourceOp.identifier: expected text"),
    "unknown field": (bytes_of(CONTEXT + b"\x62\x00"), "op 0: Op has no field 12"),
    "unknown field inside": (bytes_of(b"\x1a\x02\x18\x01"), "op 0: Op.source: SourceOp has no field 3"),
    "unknown op": (bytes_of(b"\x4a\x00"), "op 0: Op has no field 9"),
    "two bodies": (bytes_of(CONTEXT + b"\x32\x00"), "Op has 2 of exec, source, file"),
    "a field twice": (bytes_of(CONTEXT + CONTEXT), "Op.source stands 2 times"),
    "a key twice": (bytes_of(b"\x1a\x0c" + b"\x12\x04\x0a\x00\x12\x00" * 2), "SourceOp.attrs: a key stands twice"),
    "exec without meta": (body(exec=pb.ExecOp(mounts=[pb.Mount()])), "ExecOp lacks meta"),
    "diff without upper": (body(diff=pb.DiffOp(lower=pb.LowerDiffInput())), "DiffOp lacks upper"),
    "no action": (action(), "FileAction has none of copy, mkfile"),
    "nobody": (
        action(mkdir=pb.FileActionMkDir(owner=pb.ChownOpt(user=pb.UserOpt()))),
        "UserOpt has none of byName, byID",
    ),
    "enum": (bytes_of(b"\x12\x04\x0a\x00\x18\x09"), "ExecOp.network: 9 is no NetMode"),
    "large number": (
        bytes_of(b"\x12\x08\x0a\x06\x60\x80\x80\x80\x80\x08"),
        "Meta.validExitCodes: 2147483648 is no number from",
    ),
    "missing input": (bytes_of(merged("sha256:" + "0" * 64)), "op 0: an input is missing: no op sha256:0000"),
    "no digest": (bytes_of(merged("sha256:00")), "op 0: 'sha256:00' is no digest; expected sha256: and 64 hex"),
    "out of order": (bytes_of(merged(sha256_digest(LATER)), LATER), "op 0: it stands before its input, op 1"),
    "output": (bytes_of(CONTEXT, merged(NAME, -1)), "op 1: an input is output -1 of op 0"),
    "twice": (bytes_of(CONTEXT, CONTEXT), "op 1 stands in the definition twice"),
    "twice, spelled otherwise": (bytes_of(b"\x42\x00", b"\x42\x02\x0a\x00"), "twice, in different spellings"),
    "nothing wanted": (definition(CONTEXT).SerializeToString(), "op 0: the last op must be one input and nothing else"),
    "two wanted": (
        definition(CONTEXT, LATER, wanted(CONTEXT, LATER)).SerializeToString(),
        "op 2: the last op must be one input",
    ),
    "wanted early": (bytes_of(CONTEXT, wanted(CONTEXT)), "op 1: it does nothing; only the last op may"),
    "metadata of nothing": (
        bytes_of(CONTEXT, metadata={"sha256:" + "1" * 64: pb.OpMetadata()}),
        "something is said of an op that is not there: sha256:111",
    ),
    "no such file": (placed(sourceIndex=1), "a place is in file 1, but there are 1 files"),
    "half a range": (placed(ranges=[pb.Range(start=pb.Position(line=1))]), "Range lacks end"),
}


@pytest.mark.parametrize(("data", "want"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_named(data: bytes, want: str) -> None:
    with pytest.raises(DefinitionError, match=want):
        decode_buildkit(data)


def sample() -> Definition:
    built = image("docker.io/library/alpine:3").dir("/src").copy(local("context"), "/", "/src").run("make").root
    return scratch().copy(built, "/src/app", "/app").marshal()


def test_every_beginning_of_a_definition_is_a_definition_or_an_error() -> None:
    data = encode_buildkit(sample())
    whole = 0
    for size in range(1, len(data)):
        with contextlib.suppress(DefinitionError):
            decode_buildkit(data[:size])
            whole += 1
    assert whole <= 1 + len(sample().vertices)  # at most one after the ops, and one after each entry of metadata


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_escape_the_error(data: bytes) -> None:
    with contextlib.suppress(DefinitionError):
        decode_buildkit(data)


@settings(max_examples=100, deadline=None)
@given(definitions(), st.data())
def test_flipped_bytes_give_a_definition_or_the_error(drawn: Definition, data: st.DataObject) -> None:
    good = bytearray(encode_buildkit(drawn))
    for _ in range(data.draw(st.integers(0, 4)) if good else 0):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DefinitionError):
        decode_buildkit(bytes(good))


def test_definitions_inside_each_other_have_a_bound() -> None:
    nested = Definition()
    for _ in range(9):
        nested = Definition(sources=(SourceFile(path="f", data=b"", definition=nested),))
    data = encode_buildkit(nested)
    (inner,) = pb.Definition.FromString(data).Source.infos
    assert decode_buildkit(inner.definition.SerializeToString())
    with pytest.raises(DefinitionError, match="more than 8 definitions inside each other"):
        decode_buildkit(data)


SIZE = 1 << 20


def delimited(number: int, data: bytes) -> bytes:
    return tag(number, BYTES) + varint(len(data)) + data


def filled(make_item: Callable[[int], bytes]) -> bytes:
    """As many items as fit into a mebibyte."""
    items: list[bytes] = []
    size = 0
    while size < SIZE:
        items.append(make_item(len(items)))
        size += len(items[-1])
    return b"".join(items)


def mounts(number: int) -> bytes:
    """An op of 10,000 mounts that all differ from their neighbours."""
    start = delimited(1, delimited(1, b"%d" % number))
    return delimited(1, delimited(2, start + b"".join(b"\x12\x03\x08" + varint(200 + n) for n in range(10_000))))


SHAPES = {
    "empty mounts": delimited(1, delimited(2, b"\x0a\x00" + b"\x12\x00" * (SIZE // 2))),
    "mounts": filled(mounts),
    "actions": delimited(
        1, delimited(4, filled(lambda n: b"\x12\x05" + b"\x08" + varint(200 + n % 9999) + b"\x3a\x00"))
    ),
    "many ops": filled(lambda n: delimited(1, delimited(3, delimited(1, b"%d" % n)))),
    "equal ops": b"\x0a\x00" * (SIZE // 2),
    "metadata": filled(lambda n: delimited(2, delimited(1, b"%d" % n))),
    "files of one name": delimited(3, filled(lambda n: delimited(2, delimited(2, b"%d" % n)))),
    "files in files": b"",
}
for _ in range(12):
    SHAPES["files in files"] = delimited(3, delimited(2, delimited(3, SHAPES["files in files"] or bytes(SIZE))))


@pytest.mark.slow
@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES)
def test_a_mebibyte_costs_less_than_64(data: bytes) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(DefinitionError):
            decode_buildkit(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
