"""What provenance says of a build."""

from __future__ import annotations

from typing import Any

import pytest
from llbuild.digest import sha256_digest
from llbuild.exporter.attest import BuildFacts, Mode, ProvenanceForm, make_provenance
from llbuild.image import Descriptor, MediaType
from llbuild.llb import Definition, Edge
from llbuild.platforms import Platform
from llbuild.tests.frontend.dockerfile.kit import compile_one
from llbuild.values import replace
from llbuild.worker.source import Material

HERE = Platform(os="linux", architecture="amd64")
SHA, COMMIT = "a" * 64, "b" * 40
IMAGE = Material(scheme="docker-image", name="docker.io/library/busybox:1", digest=f"sha256:{SHA}", platform=HERE)
REPO = Material(scheme="git", name="https://example.org/a.git#refs/heads/main", digest=f"sha1:{COMMIT}")
MIN = ProvenanceForm(mode=Mode.MIN)
SECRETS = """FROM busybox
RUN --mount=type=secret,id=tok,required --mount=type=ssh one
RUN --mount=type=secret,id=tok --mount=type=secret,id=maybe,env=X two
"""


def facts(dockerfile: str = "FROM busybox\nRUN make\n", **said: Any) -> BuildFacts:
    start = BuildFacts(
        frontend="dockerfile",
        options={"build-arg:TOKEN": "hunter2", "label:a": "b", "target": "x", "platform": "linux/amd64"},
        build_file="Dockerfile",
        materials=(IMAGE,),
        folders=("dockerfile", "context"),
        definition=compile_one(dockerfile, everything=True).definition if dockerfile else Definition(),
        builder=HERE,
        started=1_700_000_000.25,
        finished=1_700_000_001.0,
        invocation="abc",
        layers={},
    )
    return replace(start, **said)


def told(given: BuildFacts, form: ProvenanceForm | None = None) -> dict[str, Any]:
    return make_provenance(given, form or ProvenanceForm()).document


def request_of(document: dict[str, Any]) -> Any:
    return document["buildDefinition"]["externalParameters"]["request"]


def test_max_tells_arguments_steps_and_source() -> None:
    document = told(facts())
    assert request_of(document) == {
        "frontend": "dockerfile.v0",
        "args": {"build-arg:TOKEN": "hunter2", "label:a": "b", "target": "x"},
        "locals": [{"name": "context"}, {"name": "dockerfile"}],
    }
    assert len(document["buildDefinition"]["internalParameters"]["buildConfig"]["llbDefinition"]) == 3
    metadata = document["runDetails"]["metadata"]
    assert metadata["buildkit_metadata"]["source"]["infos"][0]["filename"] == "Dockerfile"
    assert metadata["buildkit_completeness"] == {"request": True, "resolvedDependencies": False}


def test_min_tells_no_argument_no_secret_and_no_step() -> None:
    document = told(facts(SECRETS), MIN)
    assert "hunter2" not in str(document)
    assert request_of(document).keys() == {"frontend", "args", "locals"}
    assert request_of(document)["args"] == {"target": "x"}
    assert document["buildDefinition"]["internalParameters"] == {"builderPlatform": "linux/amd64"}
    assert document["runDetails"]["metadata"]["buildkit_metadata"] == {}
    assert document["runDetails"]["metadata"]["buildkit_completeness"]["request"] is False


def test_secrets_are_named_by_id_and_optional_only_if_no_step_insists() -> None:
    request = request_of(told(facts(SECRETS)))
    assert request["secrets"] == [{"id": "maybe", "optional": True}, {"id": "tok"}]
    assert request["ssh"] == [{"id": "default", "optional": True}]


def test_times_and_names_are_those_of_the_build() -> None:
    details = told(facts(), replace(MIN, builder_id="https://ci.example/1", reproducible=True))["runDetails"]
    assert details["builder"]["id"] == "https://ci.example/1"
    assert details["builder"]["version"]["llbuild"]
    metadata = details["metadata"]
    assert metadata["invocationId"] == "abc"
    assert metadata["startedOn"] == "2023-11-14T22:13:20.25Z"
    assert metadata["finishedOn"] == "2023-11-14T22:13:21Z"
    assert metadata["buildkit_reproducible"] is True


def test_dependencies_are_urls_with_digests() -> None:
    pinned = replace(IMAGE, name="docker.io/library/alpine")
    layout = replace(IMAGE, scheme="oci-layout", name="/srv/base")
    file = Material(scheme="http", name="https://example.org/f", digest=f"sha512:{SHA}{SHA}")
    found = told(facts(materials=(IMAGE, pinned, layout, REPO, file)), MIN)["buildDefinition"]["resolvedDependencies"]
    assert found == [
        {"uri": "pkg:docker/busybox@1?platform=linux%2Famd64", "digest": {"sha256": SHA}},
        {"uri": "pkg:docker/alpine@latest?platform=linux%2Famd64", "digest": {"sha256": SHA}},
        {"uri": "pkg:oci/%2Fsrv%2Fbase?platform=linux%2Famd64", "digest": {"sha256": SHA}},
        {"uri": "https://example.org/a.git#refs/heads/main", "digest": {"sha1": COMMIT}},
        {"uri": "https://example.org/f", "digest": {"sha512": SHA + SHA}},
    ]


@pytest.mark.parametrize(
    ("context", "repository"),
    [
        ("https://example.org/a.git#main", "https://example.org/a.git#main"),
        ("https://example.org/a.git#main:docs", "https://example.org/a.git#main"),
        ("https://example.org/a.git?branch=main", "https://example.org/a.git#refs/heads/main"),
        ("example.org/a.git", "https://example.org/a.git"),
        ("https://xxxxx:xxxxx@example.org/a.git", "https://xxxxx:xxxxx@example.org/a.git"),
    ],
)
def test_a_build_of_a_repository_says_of_which_commit(context: str, repository: str) -> None:
    given = facts(materials=(IMAGE, replace(REPO, name=repository)), folders=(), options={"context": context})
    source = told(given, MIN)["buildDefinition"]["externalParameters"]["configSource"]
    assert source == {"uri": context, "digest": {"sha1": COMMIT}, "path": "Dockerfile"}


def test_passwords_in_urls_are_hidden() -> None:
    options = {"context": "https://me:hunter2@example.org/a.git", "context:foo": "https://me:hunter2@example.org/b"}
    options |= {"vcs:source": "https://me:hunter2@example.org/c", "vcs:revision": "1", "filename": "x"}
    document = told(facts(options=options))
    assert "hunter2" not in str(document)
    assert request_of(document)["args"] == {"context:foo": "https://xxxxx:xxxxx@example.org/b"}
    assert document["runDetails"]["metadata"]["buildkit_metadata"]["vcs"] == {
        "revision": "1",
        "source": "https://xxxxx:xxxxx@example.org/c",
    }


@pytest.mark.parametrize(
    ("dockerfile", "folders", "hermetic"),
    [
        ("FROM busybox\nRUN --network=none x\n", (), True),
        ("FROM busybox\nENV A=1\n", (), True),
        ("FROM busybox\nRUN x\n", (), False),
        ("FROM busybox\nRUN --network=none x\n", ("context",), False),
    ],
)
def test_a_build_is_hermetic_without_network_and_folders(
    dockerfile: str, folders: tuple[str, ...], hermetic: bool
) -> None:
    metadata = told(facts(dockerfile, folders=folders), MIN)["runDetails"]["metadata"]
    assert metadata["buildkit_hermetic"] is hermetic


def test_layers_are_told_by_step() -> None:
    given = facts()
    base = Edge(vertex=given.definition.vertices[0].digest, output=0)
    layer = Descriptor(media_type=MediaType.OCI_LAYER_GZIP, digest=sha256_digest(b"x"), size_bytes=1)
    layers = told(replace(given, layers={base: (layer,)}))["runDetails"]["metadata"]["buildkit_metadata"]["layers"]
    assert layers == {"step0:0": [[{"mediaType": layer.media_type, "digest": layer.digest, "size": 1}]]}


def test_a_definition_has_no_frontend_and_its_request_is_not_complete() -> None:
    document = told(facts(frontend="definition", options={}, build_file="", folders=()))
    assert "frontend" not in request_of(document)
    assert document["runDetails"]["metadata"]["buildkit_completeness"]["request"] is False


def test_the_older_version_says_the_same_in_its_words() -> None:
    predicate = make_provenance(facts(), ProvenanceForm(version="v0.2", builder_id="me"))
    assert predicate.type == "https://slsa.dev/provenance/v0.2"
    document = predicate.document
    assert document.keys() == {"builder", "buildType", "materials", "invocation", "metadata", "buildConfig"}
    assert document["builder"] == {"id": "me"}
    assert document["invocation"]["configSource"] == {"entryPoint": "Dockerfile"}
    assert document["invocation"]["environment"] == {"platform": "linux/amd64"}
    assert document["metadata"]["completeness"] == {"parameters": True, "environment": True, "materials": False}
    assert document["metadata"]["https://mobyproject.org/buildkit@v1#hermetic"] is False
    assert document["materials"][0]["digest"] == {"sha256": SHA}
