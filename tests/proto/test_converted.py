from __future__ import annotations

from google.protobuf.json_format import ParseDict
from llbuild.llb import Definition
from llbuild.proto import converted_definition, encode_buildkit, op_digests
from llbuild.proto import ops_pb2 as pb
from llbuild.tests.frontend.dockerfile.kit import compile_one

DOCKERFILE = "FROM a\nCOPY --link --chown=1 x /\nRUN --mount=type=cache,target=/c --mount=type=secret,id=s,env=S make\n"


def test_every_op_and_what_is_said_of_it_stands_under_its_digest() -> None:
    definition = compile_one(DOCKERFILE, everything=True).definition
    converted = converted_definition(definition)
    digests = set(op_digests(definition).values())
    assert digests < converted["def"].keys()
    (last,) = converted["def"].keys() - digests
    assert converted["def"][last].keys() == {"inputs"}
    assert converted["metadata"].keys() == converted["def"].keys()
    assert converted["source"]["infos"][0]["filename"] == "Dockerfile"
    assert converted["source"]["locations"].keys() <= digests


def test_programs_that_know_the_schema_read_the_same_ops() -> None:
    definition = compile_one(DOCKERFILE, everything=True).definition
    wire = pb.Definition.FromString(encode_buildkit(definition))
    read = [ParseDict(op, pb.Op()) for op in converted_definition(definition)["def"].values()]
    assert read == [pb.Op.FromString(data) for data in getattr(wire, "def")]


def test_metadata_is_named_as_gos_json_names_it() -> None:
    definition = compile_one(DOCKERFILE, {"no-cache": ""}, everything=True).definition
    said = [meta for meta in converted_definition(definition)["metadata"].values() if "progress_group" in meta]
    assert said
    assert all(meta["ignore_cache"] for meta in said)


def test_nothing_is_converted_to_nothing() -> None:
    assert converted_definition(Definition()) == {"def": {}, "metadata": {}, "source": {}}
