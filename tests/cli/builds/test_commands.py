"""`llbuild builds COMMAND`: found, told apart from flags, and answering for what is not there."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.cli import builds
from llbuild.cli.builds.command import COMMANDS
from llbuild.errors import ExportError, NotFoundError, UsageError
from llbuild.llb import decode_definition
from llbuild.tests.cli.builds.recorded import DOCKERFILE, completed, failed, history_in, logs, vertex
from llbuild.tests.cli.drawing.samples import two_stages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(state_root: Path) -> Path:
    """A state folder with two builds: 1 completed, 2 failed."""
    history = history_in(state_root)
    history.record(completed(), logs())
    history.record(failed())
    return state_root


class Run:
    """Runs `llbuild builds`, gives back what it printed."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._root = root
        self._capsys = capsys

    def __call__(self, *words: str) -> str:
        assert builds.run(["--root", str(self._root), *words]) == 0
        return self._capsys.readouterr().out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words))


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(root, capsys)


@pytest.mark.parametrize("words", [(), ("ls",), ("--format", "json"), ("ls", "--format", "json")])
def test_without_a_command_builds_are_listed(run: Run, words: tuple[str, ...]) -> None:
    shown = run(*words)
    assert shown == run("ls", *(word for word in words if word != "ls"))
    assert "app" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        builds.run([command, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: llbuild builds {'[ls]' if command == 'ls' else command}")


def test_the_help_of_all_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        builds.run(["--help"])
    assert "show, logs, rm, export, report" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("shwo",), "unknown command 'builds shwo' (did you mean 'show'?)"),
        (("12",), "unknown command 'builds 12'"),
        (("rm",), "a build is missing"),
        (("rm", "1", "--all"), "builds are named, and --all given"),
        (("report", "--format", "htm"), "--format 'htm' (did you mean 'html'?); expected one of html, chrome-trace"),
        (("show", "--format", "xml"), "--format 'xml'; expected one of table, json"),
        (("show", "1", "2"), "unexpected argument '2'"),
    ],
)
def test_wrong_usage_is_one_clear_line(run: Run, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(*words)
    assert caught.value.message == message


@pytest.mark.parametrize("command", ["show", "logs", "rm", "export", "report"])
def test_a_build_that_is_not_there_is_answered_with_those_that_are(run: Run, command: str) -> None:
    with pytest.raises(NotFoundError, match="no build '9' is recorded"):
        run(command, "9", *(["COPY"] if command == "logs" else []))


def test_show_tells_what_was_asked_and_what_came_of_it(run: Run) -> None:
    lines = run("show", "1").splitlines()
    assert lines[0] == "build 1: app"
    assert "status:     completed" in lines
    assert "context:    /src/app" in lines
    assert "machine:    2 CPUs" in lines
    assert lines[lines.index("options:") + 1 :][:2] == ["  build-arg:VERSION=1 2", "  no-cache="]
    assert '   4  ran       [build 3/3] RUN make "all" && <check>  2.5s' in lines
    assert lines[-1] != ""
    assert " - SomeRule: write <it> otherwise (Dockerfile:3)" in lines
    assert "   3 | >>> COPY src /src" in lines


def test_show_ends_with_the_failure(run: Run) -> None:
    assert run("show").endswith("\n\nerror: make: <exit code 2>\nhint: look\n")


def test_show_as_json_has_every_step_with_its_inputs(run: Run) -> None:
    found = run.json("show", "1", "--format", "json")
    assert found["options"] == {"build-arg:VERSION": "1\n2", "no-cache": ""}
    assert (found["frontend"], found["llbuild"], found["cpus"], found["id"]) == ("dockerfile", "9.8.7", 2, 1)
    assert found["sources"] == ["Dockerfile"]
    assert [warning["line"] for warning in found["warnings"]] == [3, None]
    steps = {step["number"]: step for step in found["steps"]}
    assert [(number, step["outcome"]) for number, step in steps.items()] == [
        *((1, "spared"), (2, "cached"), (3, "ran"), (4, "ran"), (5, "ran"), (6, "ran"), (7, "ran"))
    ]
    make = next(step for step in steps.values() if step["name"].endswith("<check>"))
    copy = next(step for step in steps.values() if step["name"].endswith("COPY src /src"))
    assert make["inputs"] == [copy["vertex"]]
    assert steps[7]["name"] == "exporting image"


def test_logs_are_told_step_by_step_as_plain_progress_does(run: Run) -> None:
    told = run("logs", "1")
    assert (
        '#4 [build 3/3] RUN make "all" && <check>\n'
        "#4 1.050 cc <a.c> && red\n"
        "#4 1.300 warning\n"
        "#4 1.050 part\n"
        "#4 … 12,345 bytes were not kept …\n"
        "#4 2.300 the end\n"
        "#4 DONE 2.5s\n"
    ) in told
    assert "#7 exporting image\n#7 DONE 1.1s\n" in told


def test_of_a_failed_build_logs_tell_what_was_reached(run: Run) -> None:
    told = run("logs")
    assert '#4 ERROR: process "make" exited with code 2\n' in told
    assert "RUN adduser app\n#2 CANCELED\n" in told
    assert "COPY --from=build" not in told


@pytest.mark.parametrize("words", [("1", "4"), ("1", "make"), ("1", vertex("<check>").hex[:9])])
def test_logs_of_one_step_are_chosen_as_explain_does(run: Run, words: tuple[str, ...]) -> None:
    told = run("logs", *words).splitlines()
    assert told[0] == '#4 [build 3/3] RUN make "all" && <check>'
    assert {line.split()[0] for line in told} == {"#4"}


def test_a_lone_word_is_a_step_of_the_last_build(run: Run) -> None:
    assert run("logs", "adduser") == "#2 [stage-1 2/3] RUN adduser app\n#2 CANCELED\n"


def test_an_export_has_everything(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "build.json"
    assert run("export", "1", "-o", str(file)) == ""
    found = json.loads(file.read_text())
    assert found == run.json("export", "1")
    assert found["version"] == 1
    assert [decode_definition(b64decode(data)) for data in found["definitions"]] == [two_stages()]
    assert [(one["filename"], b64decode(one["data"])) for one in found["sources"]] == [("Dockerfile", DOCKERFILE)]
    (log,) = found["logs"]
    assert (log["vertex"], log["dropped_bytes"], log["dropped_after"]) == (vertex("<check>"), 12_345, 2)
    assert [b64decode(chunk["data"]) for chunk in log["chunks"]] == [chunk.data for chunk in logs()[0].chunks]
    shown = run.json("show", "1", "--format", "json")
    assert {name: value for name, value in found.items() if name in shown and name != "sources"} == {
        name: value for name, value in shown.items() if name != "sources"
    }


def test_removed_builds_are_named_and_gone(run: Run) -> None:
    assert run("rm", "last", "1", "2") == "1\n2\n"
    assert run.json("ls", "--format", "json") == []
    assert run("rm", "--all") == ""


def test_one_wrong_number_removes_nothing(run: Run) -> None:
    with pytest.raises(NotFoundError):
        run("rm", "1", "9")
    assert len(run.json("ls", "--format", "json")) == 2


def test_a_report_is_written_beside_its_reader_and_says_where(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("report", "1") == "llbuild-report-1.html\n"
    assert run("report", "--format", "chrome-trace") == "llbuild-trace-2.json\n"
    assert (tmp_path / "llbuild-report-1.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((tmp_path / "llbuild-trace-2.json").read_text())["otherData"]["status"] == "failed"
    with pytest.raises(ExportError, match="there is no folder"):
        run("report", "-o", "nowhere/x.html")


def test_a_report_may_go_to_stdout(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert builds.run(["--root", str(root), "report", "-o", "-"]) == 0
    assert capfdbinary.readouterr().out.endswith(b"</html>\n")
