"""Stages to one graph: what is built, asked for, and said about it; sizes and times."""

from __future__ import annotations

from llbuild.frontend import MoreNeeded
from llbuild.frontend.dockerfile import FRONTEND
from llbuild.image import ContainerConfig
from llbuild.llb import (
    FileMkdir,
    validate,
)
from llbuild.span import Span
from llbuild.tests.frontend.dockerfile.kit import (
    DIGEST,
    PATH,
    MemoryLookup,
    compile_one,
    execs,
    file_ops,
    history,
    names,
    ops,
    request,
    sources,
)

TWO_STAGES = """\
FROM golang:1.22 AS build
WORKDIR /src
COPY go.mod *.go ./
RUN go build -o /app
FROM scratch
COPY --from=build /app /app
ENTRYPOINT ["/app"]
"""


def test_a_multi_stage_file_becomes_one_graph() -> None:
    result = compile_one(TWO_STAGES)
    validate(result.definition)
    assert names(result.definition) == [
        f"[build 1/4] FROM docker.io/library/golang:1.22@{DIGEST}",
        "[build 2/4] WORKDIR /src",
        "[internal] load build context",
        "[build 3/4] COPY go.mod *.go ./",
        "[build 4/4] RUN go build -o /app",
        "[stage-1 1/1] COPY --from=build /app /app",
    ]
    assert sources(result.definition)["local://context"] == {
        "local.followpaths": '["*.go","go.mod"]',
        "local.sharedkeyhint": "context",
    }
    assert history(result) == [("COPY /app /app # buildkit", False), ('ENTRYPOINT ["/app"]', True)]
    assert result.image.config == ContainerConfig(env=(PATH,), entrypoint=("/app",), working_dir="/")


def test_an_unused_stage_is_neither_asked_for_nor_built() -> None:
    lookup = MemoryLookup()
    result = compile_one("FROM a AS one\nRUN x\nFROM b AS two\nFROM c\nCOPY --from=two /x /x", None, lookup)
    assert names(result.definition) == [
        f"[stage-2 1/2] FROM docker.io/library/c:latest@{DIGEST}",
        f"[two 1/1] FROM docker.io/library/b:latest@{DIGEST}",
        "[stage-2 2/2] COPY --from=two /x /x",
    ]
    assert not any("library/a" in question for question in lookup.asked)


def test_everything_is_asked_for_before_anything_is_waited_for() -> None:
    lookup = MemoryLookup(slow=True)
    rounds = []
    for _ in range(9):
        before = len(lookup.asked)
        try:
            compile_one(TWO_STAGES.replace("scratch", "alpine"), None, lookup)
        except MoreNeeded:
            rounds.append(set(lookup.asked[before:]))
            continue
        break
    assert rounds == [
        {"dockerfile:Dockerfile", "dockerfile:Dockerfile.dockerignore", "context:.dockerignore"},
        {
            *("dockerfile:Dockerfile", "dockerfile:Dockerfile.dockerignore", "context:.dockerignore"),
            *("docker.io/library/golang:1.22 linux/amd64", "docker.io/library/alpine:latest linux/amd64"),
        },
    ]


def test_the_frontend_is_registered_by_its_entry_point_name() -> None:
    lookup = MemoryLookup(files={("dockerfile", "Dockerfile"): b"FROM scratch\nCMD x"})
    (result,) = FRONTEND.compile(request(), lookup).results
    assert (FRONTEND.name, result.definition.root) == ("dockerfile", None)


def test_the_target_can_be_an_earlier_stage_whatever_its_case() -> None:
    assert len(ops(compile_one(TWO_STAGES, {"target": "Build"}).definition)) == 5


def test_a_lower_case_dockerfile_serves_too() -> None:
    lookup = MemoryLookup(files={("dockerfile", "sub/dockerfile"): b"FROM a"})
    result = compile_one("", {"filename": "sub/Dockerfile"}, lookup)
    assert result.definition.sources[0].path == "sub/dockerfile"


def test_places_stay_with_the_vertices() -> None:
    definition = compile_one("FROM a\nRUN x && \\\n  y\nCOPY <<E /f\nz\nE\n").definition
    said = definition.metadata_of()
    spans = {said[vertex.digest].name: said[vertex.digest].spans for vertex in definition.vertices}
    assert spans["[2/3] RUN x &&   y"] == (Span("Dockerfile", 2, 1, 3, 0),)
    assert spans["[3/3] COPY <<E /f"] == (Span("Dockerfile", 4, 1, 6, 0),)


def test_source_date_epoch_fixes_times() -> None:
    result = compile_one("FROM a\nWORKDIR /w\nENV A=1", {"build-arg:SOURCE_DATE_EPOCH": "86400"})
    (make,) = file_ops(result.definition)
    assert isinstance(make.steps[0].action, FileMkdir)
    assert make.steps[0].action.timestamp == 86400 * 10**9
    assert [entry.created for entry in result.image.history] == ["", "1970-01-02T00:00:00Z", "1970-01-02T00:00:00Z"]


def test_a_large_file_compiles() -> None:
    stages = "".join(
        f"FROM a AS s{number}\nENV V=$PATH:{number}\nRUN make {number}\nCOPY f{number} /d/\n" for number in range(300)
    )
    copies = "".join(f"COPY --from=s{number} /out /out/{number}\n" for number in range(300))
    result = compile_one(stages + "FROM a\n" + copies)
    assert len(ops(result.definition)) == 1 + 1 + 600 + 300


def test_a_long_chain_of_stages_needs_no_stack() -> None:
    text = "FROM a AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nRUN {n}\n" for n in range(1500))
    assert len(execs(compile_one(text).definition)) == 1500
