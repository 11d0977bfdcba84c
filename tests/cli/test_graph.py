"""`llbuild graph`: what is drawn, where it goes, and what cannot be drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.cli import graph
from llbuild.cli.graph import parse_graph
from llbuild.cli.state import open_state
from llbuild.errors import UsageError
from llbuild.llb import encode_definition
from llbuild.solver import BuildRecord, BuildStatus, BuildSummary, History
from llbuild.tests.cli.drawing.samples import half_cached, two_stages

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {"LLBUILD_ROOT": "/nowhere"}


@pytest.fixture
def definition_file(tmp_path: Path) -> Path:
    path = tmp_path / "definition"
    path.write_bytes(encode_definition(two_stages()))
    return path


def draw(state_root: Path, *words: str | Path) -> int:
    return graph.run(["--root", str(state_root), *map(str, words)])


@pytest.mark.parametrize(
    ("words", "form"),
    [
        ([], "svg"),
        (["-o", "x.svg"], "svg"),
        (["-o", "x.dot"], "dot"),
        (["-o", "x.GV"], "dot"),
        (["-o", "x.mmd"], "mermaid"),
        (["-o", "x.json"], "json"),
        (["-o", "x"], "svg"),
        (["-o", "x.svg", "--format", "dot"], "dot"),
    ],
)
def test_the_format_is_as_said_or_as_the_file_is_called(words: list[str], form: str) -> None:
    assert parse_graph(words, ENVIRONMENT).form == form


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "mermade"], "--format 'mermade' (did you mean 'mermaid'?); expected one of"),
        (["--build", ""], "--build is empty; expected a number, or 'last'"),
        (["--definition", ""], "--definition is empty; expected a file, or - for stdin"),
        (["--build", "1", "elsewhere"], "a build, a definition and a build file cannot be drawn at once"),
        (["--build", "1", "--definition", "x"], "a build, a definition and a build file cannot be drawn at once"),
        (["--definition", "x", "--target", "t"], "a build, a definition and a build file cannot be drawn at once"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_graph(words, ENVIRONMENT)
    assert caught.value.message.startswith(message)


def test_a_definition_is_drawn(
    state_root: Path, definition_file: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert draw(state_root, "--definition", definition_file) == 0
    assert capsysbinary.readouterr().out.startswith(b"<?xml")
    assert draw(state_root, "--definition", definition_file, "--format", "json") == 0
    assert len(json.loads(capsysbinary.readouterr().out)["vertices"]) == 6


def test_a_drawing_goes_into_a_file(
    state_root: Path, definition_file: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert draw(state_root, "--definition", definition_file, "-o", tmp_path / "graph.mmd") == 0
    assert (tmp_path / "graph.mmd").read_text().startswith("flowchart TB\n")
    assert capsysbinary.readouterr() == (b"", b"")


def test_a_recorded_build_is_drawn_with_what_it_did(
    state_root: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    history = History(open_state(str(state_root)).database)
    history.record(half_cached())
    history.record(half_cached())
    assert draw(state_root, "--build", "last", "--format", "json") == 0
    found = json.loads(capsysbinary.readouterr().out)
    assert found["build"]["id"] == 2
    assert [vertex["outcome"] for vertex in found["vertices"]].count("executed") == 4
    assert draw(state_root, "--build", "1", "--format", "json") == 0
    assert json.loads(capsysbinary.readouterr().out)["build"]["id"] == 1


def test_links_left_out_are_drawn_when_asked_for(state_root: Path, tmp_path: Path) -> None:
    from llbuild.llb import image, local

    context = local("context")
    twice = image("docker.io/library/busybox:latest").copy(context, "/a", "/a").copy(context, "/b", "/b")
    (tmp_path / "twice").write_bytes(encode_definition(twice.marshal()))
    counts = []
    for words in ([], ["--full"]):
        draw(state_root, "--definition", tmp_path / "twice", "-o", tmp_path / "out.json", *words)
        counts.append(len(json.loads((tmp_path / "out.json").read_text())["edges"]))
    assert counts == [3, 4]


def test_an_unknown_build_is_answered_with_the_known_ones(state_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    History(open_state(str(state_root)).database).record(half_cached())
    assert draw(state_root, "--build", "9") == 1
    assert capsys.readouterr().err == (
        "error: no build '9' is recorded\nhint: known builds: last, 1 ('llbuild builds' lists them)\n"
    )


def test_a_build_that_failed_before_it_had_a_graph_says_why(
    state_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = BuildSummary(started=0, completed=1, status=BuildStatus.FAILED, error="Dockerfile:1:1: unknown")
    History(open_state(str(state_root)).database).record(BuildRecord(summary=summary))
    assert draw(state_root, "--build", "last") == 1
    assert capsys.readouterr().err == (
        "error: build 1 has no graph: it ended before there was one\nhint: it said: Dockerfile:1:1: unknown\n"
    )


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 100, b"text"])
def test_what_is_no_definition_is_refused(
    state_root: Path, tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(data)
    assert draw(state_root, "--definition", tmp_path / "file") == 1
    assert capsys.readouterr().err.startswith("error: ")
