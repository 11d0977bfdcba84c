"""Definitions as JSON: the schema's names, everything said."""

from __future__ import annotations

import json

from hypothesis import given, settings
from llbuild.llb import (
    Definition,
    Edge,
    FileMkfile,
    FileOp,
    FileStep,
    Metadata,
    SourceOp,
    image,
    make_vertex,
)
from llbuild.platforms import Platform
from llbuild.proto import encode_buildkit, op_digests, plain_definition
from llbuild.proto import ops_pb2 as pb
from llbuild.tests.llb.strategies import definitions


def test_a_source_says_its_fields_by_the_names_of_the_schema() -> None:
    definition = image("busybox", platform=Platform(os="linux", architecture="arm64")).marshal()
    (digest,) = op_digests(definition).values()
    last = list(getattr(pb.Definition.FromString(encode_buildkit(definition)), "def"))[-1]
    plain = plain_definition(definition)
    assert plain["ops"] == [
        {
            "digest": digest,
            "type": "source",
            "inputs": [],
            "platform": {"Architecture": "arm64", "OS": "linux", "Variant": "", "OSVersion": "", "OSFeatures": []},
            "constraints": {"filter": []},
            "source": {"identifier": "docker-image://busybox", "attrs": {}},
            "metadata": {
                "ignore_cache": False,
                "description": {"llb.customname": "docker-image://busybox"},
                "caps": ["source.image"],
            },
        }
    ]
    root = plain["root"]
    assert (root["op"], root["output"], root["caps"]) == (0, 0, ["constraints", "meta.description", "platform"])
    assert last.startswith(b"\x0a\x49\x0a\x47" + digest.encode())


def test_enums_are_names_bytes_are_base64_and_inputs_are_numbers() -> None:
    run = image("busybox").run("make").root.marshal()
    exec_op = plain_definition(run)["ops"][1]
    assert exec_op["inputs"] == [{"op": 0, "output": 0}]
    assert exec_op["exec"]["network"] == "UNSET"
    assert exec_op["exec"]["mounts"][0]["mountType"] == "BIND"
    assert "secretOpt" not in exec_op["exec"]["mounts"][0]
    made = make_vertex(FileOp(steps=(FileStep(action=FileMkfile(path="/f", mode=0o644, data=b"\xff")),)))
    (file_op,) = plain_definition(Definition(vertices=(made,), root=Edge(made.digest)))["ops"]
    (action,) = file_op["file"]["actions"]
    assert action == {
        "input": -1,
        "secondaryInput": -1,
        "output": -1,
        "mkfile": {"path": "/f", "mode": 0o644, "data": "/w==", "timestamp": -1},
    }


def test_what_is_said_of_an_op_stands_under_the_names_of_the_schema() -> None:
    vertex = make_vertex(SourceOp(identifier="local://context"))
    said = Metadata(ignore_cache=True, export_cache=False, caps=("b", "a"))
    definition = Definition(vertices=(vertex,), root=Edge(vertex.digest), metadata=((vertex.digest, said),))
    plain = plain_definition(definition)
    assert plain["ops"][0]["metadata"] == {
        "ignore_cache": True,
        "description": {},
        "export_cache": {"Value": False},
        "caps": ["a", "b"],
    }
    assert plain["root"]["caps"] == ["constraints", "meta.exportcache", "meta.ignorecache", "platform"]


def test_an_empty_filesystem_has_no_ops_and_no_root() -> None:
    assert plain_definition(Definition()) == {"ops": [], "root": None}


@settings(max_examples=30, deadline=None)
@given(definitions())
def test_every_definition_is_plain_json(definition: Definition) -> None:
    plain = plain_definition(definition)
    assert json.loads(json.dumps(plain)) == plain
    assert [item["digest"] for item in plain["ops"]] == list(op_digests(definition).values())
