"""Definitions as bytes: what goes in comes out, and what is wrong is named."""

from __future__ import annotations

import contextlib

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.digest import Digest
from llbuild.errors import DefinitionError
from llbuild.llb import (
    BuildOp,
    CacheOptions,
    CacheSharing,
    ChownOptions,
    Definition,
    DiffOp,
    Edge,
    ExecOp,
    FileCopy,
    FileMkdir,
    FileMkfile,
    FileOp,
    FileRm,
    FileStep,
    FileSymlink,
    HostIp,
    LinuxResources,
    MergeOp,
    Metadata,
    Mount,
    MountType,
    NamedUser,
    NetMode,
    Op,
    PassthroughOp,
    ProgressGroup,
    ProxyEnv,
    SecretOptions,
    SecurityMode,
    SourceOp,
    TmpfsOptions,
    Ulimit,
    Vertex,
    critical_path,
    decode_definition,
    dependents,
    encode_definition,
    image,
    local,
    make_vertex,
    merge,
    merge_metadata,
    scratch,
    to_networkx,
    transitive_reduction,
)
from llbuild.platforms import Platform
from llbuild.span import Span
from llbuild.tests.llb.strategies import definitions
from llbuild.values import replace, value_fields

AMD64 = Platform(os="linux", architecture="amd64")

EVERY_OP: list[Op] = [
    SourceOp(identifier="docker-image://docker.io/library/busybox:latest", attrs=(("image.resolvemode", "pull"),)),
    ExecOp(
        args=("/bin/sh", "-c", "make"),
        env=("PATH=/bin", "B=2"),
        cwd="/src",
        user="nobody",
        mounts=(
            Mount(dest="/", input=0, output=0),
            Mount(dest="/tmp", mount_type=MountType.TMPFS, tmpfs=TmpfsOptions(size_bytes=1 << 20)),
            Mount(
                dest="/root/.cache",
                mount_type=MountType.CACHE,
                cache=CacheOptions(id="//c", sharing=CacheSharing.LOCKED),
            ),
            Mount(dest="/run/secrets/a", mount_type=MountType.SECRET, secret=SecretOptions(id="a", mode=0o400)),
        ),
        network=NetMode.NONE,
        security=SecurityMode.INSECURE,
        extra_hosts=(HostIp(host="db", ip="10.0.0.1"),),
        ulimits=(Ulimit(name="nofile", soft=1, hard=2),),
        proxy_env=ProxyEnv(http_proxy="http://proxy:3128"),
        valid_exit_codes=(0, 3),
    ),
    FileOp(
        steps=(
            FileStep(action=FileMkdir(path="/a", mode=0o755, make_parents=True), input=0),
            FileStep(action=FileMkfile(path="/a/f", mode=0o644, data=b"\x00\xff"), input=2),
            FileStep(
                action=FileCopy(
                    src="/x*",
                    dest="/a/",
                    owner=ChownOptions(user=NamedUser(name="app", input=0), group=7),
                    exclude_patterns=("*.o",),
                ),
                input=3,
                secondary_input=1,
            ),
            FileStep(action=FileSymlink(old_path="f", new_path="/a/l"), input=4),
            FileStep(action=FileRm(path="/a/f", allow_not_found=True), input=5, output=0),
        )
    ),
    MergeOp(inputs=(0, 1)),
    DiffOp(lower=0, upper=1),
    BuildOp(builder=-1, inputs=(("context", 0),), definition=Definition(), attrs=(("k", "v"),)),
    PassthroughOp(id="p", outputs=(0,)),
]


def sample() -> Definition:
    base = image("docker.io/library/alpine:3", platform=AMD64)
    built = base.dir("/src").copy(local("context"), "/", "/src").run("make").root
    return scratch().copy(built, "/src/app", "/app").marshal()


@pytest.mark.parametrize("op", EVERY_OP, ids=lambda op: type(op).__name__)
def test_every_op_survives_its_bytes(op: Op) -> None:
    source = make_vertex(SourceOp(identifier="local://context"), platform=AMD64)
    vertex = make_vertex(op, (Edge(source.digest), Edge(source.digest, 1)), AMD64, ("filter",))
    said = Metadata(name="a step", spans=(Span("Dockerfile", 3, 1, 4, 0),), ignore_cache=True, export_cache=False)
    definition = Definition(
        vertices=(source, vertex), root=Edge(vertex.digest), metadata=((vertex.digest, said),), sources=()
    )
    assert decode_definition(encode_definition(definition)) == definition


def test_every_field_of_every_op_is_part_of_its_digest() -> None:
    exec_op = EVERY_OP[1]
    assert isinstance(exec_op, ExecOp)
    plain = make_vertex(ExecOp(args=exec_op.args)).digest
    for item in value_fields(ExecOp):
        value = getattr(exec_op, item.name)
        if value != item.default and item.name != "args":
            assert make_vertex(replace(ExecOp(args=exec_op.args), **{item.name: value})).digest != plain, item.name


def test_digests_are_what_they_were() -> None:
    """Golden: a change here makes every stored result a miss, and must be meant."""
    vertex = make_vertex(ExecOp(args=("true",), mounts=(Mount(dest="/", input=0, output=0),)), (), AMD64)
    assert vertex.digest == "blake3:e6b7bbe3a59335f14efea33f21c20d4743f7fb04a7eac87a2b2e570d88fbbe36"


def test_equal_vertices_stand_in_a_definition_once() -> None:
    base = image("busybox")
    both = merge([base.run("make a", metadata=Metadata(name="one")).root, base.run("make a").root])
    definition = both.marshal()
    assert [type(vertex.op).__name__ for vertex in definition.vertices] == ["SourceOp", "ExecOp", "MergeOp"]
    assert [meta.name for _, meta in definition.metadata] == ["docker-image://busybox", "make a", "merge"]


def test_what_is_said_below_an_equal_vertex_counts_as_well() -> None:
    one = image("busybox").run("make", metadata=Metadata(name="one")).root.run("make test").root
    two = image("busybox").run("make", metadata=Metadata(name="two")).root.run("make test").root
    definition = merge([one, two]).marshal()
    names = ["docker-image://busybox", "two", "make test", "merge"]
    assert [meta.name for _, meta in definition.metadata] == names


ONE = Metadata(
    name="one",
    spans=(Span("Dockerfile", 1),),
    export_cache=True,
    progress_group=ProgressGroup(id="1"),
    resources=LinuxResources(memory=1),
    description=(("a", "1"), ("b", "1")),
    caps=("b",),
)
TWO = Metadata(
    name="two",
    spans=(Span("Dockerfile", 1), Span("Dockerfile", 2)),
    ignore_cache=True,
    export_cache=False,
    progress_group=ProgressGroup(id="2"),
    resources=LinuxResources(memory=2),
    description=(("b", "2"), ("c", "2")),
    caps=("a",),
)


def test_of_two_things_said_of_a_vertex_the_later_counts_and_places_and_needs_add_up() -> None:
    both = replace(TWO, description=(("a", "1"), ("b", "2"), ("c", "2")), caps=("a", "b"))
    assert merge_metadata(ONE, TWO) == both


@pytest.mark.parametrize("said", [ONE, TWO], ids=["one", "two"])
def test_what_says_nothing_changes_nothing(said: Metadata) -> None:
    assert merge_metadata(said, Metadata()) == said
    assert merge_metadata(Metadata(), said) == said


def test_no_constraints_and_none_said_are_different_vertices() -> None:
    op = SourceOp(identifier="local://context")
    assert make_vertex(op).digest != make_vertex(op, constraints=None).digest


@pytest.mark.parametrize("op", [SourceOp(identifier="\udcff"), MergeOp(inputs=(1 << 64,))], ids=["surrogate", "number"])
def test_what_bytes_cannot_hold_is_an_error_of_ours(op: Op) -> None:
    with pytest.raises(DefinitionError, match="a graph cannot hold this"):
        make_vertex(op)


@settings(max_examples=50, deadline=None)
@given(definitions())
def test_any_definition_survives_its_bytes(definition: Definition) -> None:
    data = encode_definition(definition)
    assert decode_definition(data) == definition
    assert encode_definition(decode_definition(data)) == data


def test_a_deep_chain_needs_no_recursion() -> None:
    state = image("busybox")
    for number in range(5000):
        state = state.run(f"echo {number}").root
    definition = state.marshal()
    assert len(decode_definition(encode_definition(definition)).vertices) == 5001


def rewritten(definition: Definition, **changes: object) -> bytes:
    plain = msgpack.unpackb(encode_definition(definition))
    plain.update(changes)
    packed: bytes = msgpack.packb(plain)
    return packed


def vertices_of(definition: Definition) -> list[dict[str, object]]:
    found: list[dict[str, object]] = msgpack.unpackb(encode_definition(definition))["vertices"]
    return found


def nested_definitions(depth: int) -> bytes:
    """Build ops in the definitions of build ops, put together by hand: our own encoder would not go so deep."""
    mark = "here"
    op = {"build": {"builder": 0, "definition": mark}}
    one = msgpack.packb({"vertices": [{"digest": "blake3:1", "op": op}]})
    head, _, tail = one.partition(msgpack.packb(mark))
    inner: bytes = head * depth + msgpack.packb({}) + tail * depth
    return b"\x82\xa3llb\x01" + inner[1:]


def broken_definitions() -> list[tuple[str, bytes, str]]:
    good = sample()
    vertices = vertices_of(good)
    one, two = Digest("blake3:" + "1" * 64), Digest("blake3:" + "2" * 64)
    cyclic = Vertex(digest=one, op=MergeOp(inputs=(0,)), inputs=(Edge(two),))
    other = Vertex(digest=two, op=MergeOp(inputs=(0,)), inputs=(Edge(one),))
    not_text = {"source": {"identifier": 3}}
    return [
        ("empty", b"", "not a definition"),
        ("text", b"FROM scratch", "not a definition"),
        ("other msgpack", msgpack.packb([1, 2]), "no version"),
        ("newer", rewritten(good, llb=2), "definition of version 2; this llbuild reads version 1"),
        ("unknown op", rewritten(good, vertices=[{**vertices[0], "op": {"magic": {}}}]), "unknown op 'magic'"),
        ("unknown field", rewritten(good, vertices=[{**vertices[0], "op": {"merge": {"x": 1}}}]), "no field 'x'"),
        (
            "wrong type",
            rewritten(good, vertices=[{**vertices[0], "op": not_text}]),
            "expected str",
        ),
        ("missing input", rewritten(good, vertices=vertices[1:]), "is missing: no vertex"),
        ("missing root", rewritten(good, vertices=[]), "the root is missing"),
        ("twice", rewritten(good, vertices=[vertices[0], *vertices]), "twice"),
        ("out of order", rewritten(good, vertices=vertices[::-1]), "stands before its input"),
        ("cycle", encode_definition(Definition(vertices=(cyclic, other), root=Edge(other.digest))), "has a cycle"),
        ("said twice", rewritten(good, metadata=[[vertices[0]["digest"], {}]] * 2), "spoken of twice"),
        ("said of nothing", rewritten(good, metadata=[[one, {}]]), "something is said of a vertex that is not there"),
        ("nested", nested_definitions(9), "more than 8 definitions inside each other"),
        ("nested for ever", nested_definitions(120), "more than 8 definitions inside each other"),
        ("hollow", b"\x82\xa3llb\x01\xa8vertices\xdd\x00\x01\x00\x00" + b"\x80" * (1 << 16), "more maps and arrays"),
        (
            "changed op",
            rewritten(good, vertices=[{**vertices[0], "op": {"source": {"identifier": "local://x"}}}, *vertices[1:]]),
            "has other contents",
        ),
    ]


@pytest.mark.parametrize(
    ("data", "want"), [row[1:] for row in broken_definitions()], ids=[row[0] for row in broken_definitions()]
)
def test_what_is_wrong_is_named(data: bytes, want: str) -> None:
    with pytest.raises(DefinitionError, match=want):
        decode_definition(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_escape_the_error(data: bytes) -> None:
    with pytest.raises(DefinitionError):
        decode_definition(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_flipped_bytes_give_a_definition_or_the_error(data: st.DataObject) -> None:
    good = bytearray(encode_definition(sample()))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DefinitionError):
        decode_definition(bytes(good))


def test_the_graph_says_what_depends_on_what() -> None:
    definition = sample()
    names = {meta.name: digest for digest, meta in definition.metadata}
    graph = to_networkx(definition)
    assert graph.number_of_nodes() == len(definition.vertices)
    make = names["make"]
    assert dependents(definition, names["local://context"]) == {names["copy / /src"], make, names["copy /src/app /app"]}
    durations = {names["docker-image://docker.io/library/alpine:3"]: 5.0, names["local://context"]: 1.0, make: 2.0}
    assert critical_path(definition, durations)[0] == names["docker-image://docker.io/library/alpine:3"]
    assert transitive_reduction(definition).number_of_edges() == 4
