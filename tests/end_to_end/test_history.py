"""What a build leaves on record, and what it looks like drawn."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from llbuild.tests.end_to_end.driver import wait_for_end
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

DOCKERFILE = """
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
COPY --from=tools /tool /tool
COPY input /input
RUN tr a-z A-Z < /input > /output
"""


def drawn(llbuild: Llbuild, *words: str | Path) -> Any:
    return llbuild.json("graph", "--format", "json", *words)


def outcomes(llbuild: Llbuild, build: str = "last") -> dict[str, str]:
    """By instruction."""
    return {
        vertex["text"].partition("@")[0]: vertex["outcome"] for vertex in drawn(llbuild, "--build", build)["vertices"]
    }


def test_a_build_is_listed_with_what_it_did_and_drawn_with_how_it_went(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context(DOCKERFILE, input="text")
    llbuild.build("-t", "x", folder)
    (folder / "input").write_text("other")
    llbuild.build("-t", "x", folder)
    llbuild.build("-t", "x", folder)
    third, second, first = llbuild.json("builds", "--format", "json")
    assert [build["id"] for build in (first, second, third)] == [1, 2, 3]
    assert first["names"] == ["docker.io/library/x:latest"]
    assert first["context"] == str(folder)
    assert {build["status"] for build in (first, second, third)} == {"completed"}
    assert third["result"] == second["result"] != first["result"]
    assert (first["cached_steps"], first["executed_steps"]) == (0, 6)
    assert (third["cached_steps"], third["executed_steps"]) == (6, 0)
    assert outcomes(llbuild, "2") == {
        "FROM docker.io/library/busybox:latest": "not needed",
        "RUN echo tool > /tool": "not needed",
        "COPY --from=tools /tool /tool": "cached",
        "load build context": "executed",
        "COPY input /input": "executed",
        "RUN tr a-z A-Z < /input > /output": "executed",
    }
    assert set(outcomes(llbuild).values()) == {"cached", "not needed"}
    llbuild("graph", "--build", "2", "-o", tmp_path / "graph.svg")
    assert ET.parse(tmp_path / "graph.svg").getroot().tag.endswith("svg")


def test_a_build_file_is_drawn_without_being_built(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    found = drawn(llbuild, context(DOCKERFILE, input="text"))
    assert found["stages"] == ["tools", "stage-1"]
    assert [vertex["text"] for vertex in found["vertices"] if vertex.get("target")] == [
        "RUN tr a-z A-Z < /input > /output"
    ]
    assert "build" not in found
    assert llbuild.json("builds", "--format", "json") == []


def test_a_failed_build_is_on_record_with_its_reason(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo fine\nRUN exit 7\nRUN echo never\n")
    llbuild.build(folder, exit_code=1)
    (build,) = llbuild.json("builds", "--format", "json")
    assert build["status"] == "failed"
    assert "exited with code 7" in build["error"]
    assert build["result"] is None
    assert {text: outcome for text, outcome in outcomes(llbuild).items() if text.startswith("RUN")} == {
        "RUN echo fine": "executed",
        "RUN exit 7": "failed",
        "RUN echo never": "canceled",
    }


def test_a_mistake_in_the_build_file_is_on_record_too(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild.build(context("FROM busybox\nRUNN echo\n"), exit_code=1)
    (build,) = llbuild.json("builds", "--format", "json")
    assert build["status"] == "failed"
    assert build["error"].startswith("Dockerfile:2:")
    told = llbuild("graph", "--build", "last", exit_code=1)
    assert "has no graph" in told.stderr
    assert "Dockerfile:2:" in told.stderr


def test_an_interrupted_build_is_on_record_as_canceled(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo under-way && sleep 100004\nRUN echo never\n")
    with llbuild.start("build", "--progress=plain", folder) as process:
        assert process.stderr is not None
        while b"under-way\n" not in (line := process.stderr.readline()) or b"echo" in line:
            assert line, "ended early"
        os.killpg(process.pid, signal.SIGINT)
        wait_for_end(process, 15)
    (build,) = llbuild.json("builds", "--format", "json")
    assert (build["status"], build["error"]) == ("canceled", "")
    assert outcomes(llbuild)["RUN echo under-way && sleep 100004"] == "canceled"


def test_a_history_that_cannot_be_written_fails_no_build(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo fine\n")
    llbuild.build("-t", "x", folder)
    with closing(sqlite3.connect(llbuild.root / "state.db")) as database, database:
        database.execute("DROP TABLE builds")
    told = llbuild("build", "--progress=plain", "-t", "x", folder).stderr
    assert "error" not in told
    assert "build_not_recorded" in llbuild("build", "--debug", "-t", "x", folder).stderr


def test_what_platforms_have_in_common_is_drawn_once(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM scratch AS x\nCOPY input /\n", input="text")
    found = drawn(llbuild, "--platform", "linux/amd64,linux/arm64", folder)
    assert [vertex["op"] for vertex in found["vertices"]] == ["source", "file"]


def test_a_definition_of_either_form_is_drawn(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context(DOCKERFILE, input="text")
    counts = []
    for form in ("msgpack", "buildkit", "bundle"):
        llbuild("compile", "--format", form, "-o", tmp_path / form, folder)
        counts.append(len(drawn(llbuild, "--definition", tmp_path / form)["vertices"]))
    assert counts == [6, 6, 6]


def test_the_example_is_drawn_in_every_format(llbuild: Llbuild) -> None:
    example = ROOT / "examples" / "hello"
    assert llbuild("graph", example).stdout.count('class="frame"') == 4
    assert llbuild("graph", "--format", "dot", example).stdout.startswith("digraph")
    assert llbuild("graph", "--format", "mermaid", example).stdout.startswith("flowchart")
    assert len(drawn(llbuild, example)["vertices"]) == 11
