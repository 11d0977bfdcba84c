"""Steps as BuildKit's provenance has them."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from llbuild.llb import Definition, image, source
from llbuild.platforms import Platform
from llbuild.proto import build_steps, op_digests
from llbuild.tests.frontend.dockerfile.kit import compile_one

DOCKERFILE = """FROM a
COPY --chown=1:app x /x
RUN --mount=type=secret,id=s,env=S --network=none make
"""


def steps_of(text: str) -> list[dict[str, Any]]:
    return build_steps(compile_one(text, everything=True).definition).steps


def op_of(step: dict[str, Any], kind: str) -> Any:
    return step["op"]["Op"][kind]


def test_steps_are_numbered_inputs_first_and_the_last_one_says_what_is_wanted() -> None:
    steps = steps_of(DOCKERFILE)
    assert [step["id"] for step in steps] == [f"step{number}" for number in range(len(steps))]
    seen: set[str] = set()
    for step in steps:
        assert {name.partition(":")[0] for name in step.get("inputs", [])} <= seen
        seen.add(step["id"])
    assert steps[-1] == {"id": "step4", "op": {"Op": {}}, "inputs": ["step3:0"]}


def test_the_json_is_that_of_gos_structs() -> None:
    steps = steps_of(DOCKERFILE)
    run = next(op_of(step, "exec") for step in steps if "exec" in step["op"]["Op"])
    assert run["network"] == 2  # a number, as Go has it
    assert run["mounts"] == [{"dest": "/"}]  # zeros are left out
    assert run["secretenv"] == [{"ID": "s", "name": "S", "optional": True}]
    (copy,) = next(op_of(step, "file") for step in steps if "file" in step["op"]["Op"])["actions"]
    assert (copy["input"], copy["secondaryInput"], copy["output"]) == (0, 1, 0)  # but for these
    assert copy["Action"]["copy"]["owner"]["user"] == {"User": {"byId": 1}}
    assert copy["Action"]["copy"]["owner"]["group"]["User"]["byName"]["name"] == "app"


def test_buildkits_digests_lead_to_the_steps() -> None:
    definition = compile_one(DOCKERFILE, everything=True).definition
    found = build_steps(definition)
    assert set(op_digests(definition).values()) < set(found.mapping)
    assert len(found.mapping) == len(found.steps)
    assert set(found.names) == {vertex.digest for vertex in definition.vertices}


def test_places_and_the_build_file_come_along() -> None:
    found = build_steps(compile_one(DOCKERFILE, everything=True).definition)
    (info,) = found.infos
    assert info["filename"] == "Dockerfile"
    assert b64decode(info["data"]).decode() == DOCKERFILE
    lines = {place["ranges"][0]["start"]["line"] for said in found.locations.values() for place in said["locations"]}
    assert lines == {1, 2, 3}


def test_passwords_and_what_names_a_client_are_left_out() -> None:
    attrs = {"git.fullurl": "https://me:hunter2@example.org/a.git", "local.session": "x", "local.unique": "y"}
    (step, _) = build_steps(source("git://example.org/a.git", attrs).marshal()).steps
    assert "hunter2" not in str(step)
    assert set(op_of(step, "source")["attrs"]) == {"git.fullurl"}


def test_an_empty_definition_has_no_steps() -> None:
    assert build_steps(Definition()).steps == []


def test_a_chain_longer_than_pythons_stack_is_walked() -> None:
    state = image("busybox", platform=Platform(os="linux", architecture="amd64"))
    for number in range(3000):
        state = state.run(f"mkdir /{number}").root
    assert len(build_steps(state.marshal()).steps) == 3002
