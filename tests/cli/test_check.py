from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.cli import build, check
from llbuild.cli.call import Call, parse_call
from llbuild.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

STUB: dict[str, Any] = {
    "digest": "sha256:" + "2" * 64,
    "config": {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to check, current; images are answered from a file, state would be kept beside."""
    monkeypatch.setenv("LLBUILD_ROOT", str(tmp_path / "state"))
    (tmp_path / "app").mkdir()
    (tmp_path / "stub.json").write_text(json.dumps(STUB))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "app"


def checked(folder: Path, dockerfile: str, *words: str) -> int:
    (folder / "Dockerfile").write_text(dockerfile)
    return check.run(["--stub-images", "stub.json", *words, "app"])


CLEAN = "FROM alpine\nRUN make\n"
WARNED = "FROM alpine AS Base\nRUN make\n"
WRONG = "FROM alpine AS Base\nRUNN make\n"


@pytest.mark.parametrize(
    ("dockerfile", "words", "code"),
    [
        (CLEAN, [], 0),
        (CLEAN, ["--strict"], 0),
        (WARNED, [], 0),
        (WARNED, ["--strict"], 1),
        (WARNED, ["--format", "json", "--strict"], 1),
        (f"# check=error=true\n{WARNED}", [], 1),
        (WARNED, ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true"], 1),
        (f"# check=error=true\n{WARNED}", ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"], 0),
        (WRONG, [], 1),
        (WRONG, ["--format", "json"], 1),
        (WRONG, ["--format", "github"], 1),
    ],
)
def test_findings_fail_when_asked_to_and_errors_always(
    folder: Path, dockerfile: str, words: list[str], code: int
) -> None:
    assert checked(folder, dockerfile, *words) == code


def test_nothing_but_the_folder_is_needed(folder: Path) -> None:
    checked(folder, CLEAN)
    assert not (folder.parent / "state").exists()


def test_findings_go_to_stdout_and_the_error_to_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked(folder, WRONG)
    out, err = capsys.readouterr()
    assert out.startswith("1 warning found:\n - StageNameCasing: ")
    assert "     |                    ^^^^\n" in out
    assert err.endswith("error: Dockerfile:2:1: unknown instruction 'RUNN'\nhint: did you mean RUN?\n")
    assert "StageNameCasing" not in err
    assert checked(folder, CLEAN) == 0
    assert capsys.readouterr() == ("no findings\n", "")


def test_annotations_name_the_file_as_seen_from_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked(folder, WRONG, "--format", "github")
    out, err = capsys.readouterr()
    assert [line.partition(",")[0] for line in out.splitlines()] == [
        "::warning file=app/Dockerfile",
        "::error file=app/Dockerfile",
    ]
    assert err == ""


def test_json_holds_the_file_and_the_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked(folder, WRONG, "--format", "json")
    document = json.loads(capsys.readouterr().out)
    assert document["warnings"][0]["ruleName"] == "StageNameCasing"
    assert document["sources"][0]["filename"] == "Dockerfile"
    assert document["buildError"]["location"] == {"ranges": [{"start": {"line": 2}, "end": {"line": 2}}]}


def test_a_file_from_stdin_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WARNED.encode())))
    assert check.run(["--stub-images", "stub.json", "-f", "-", "--strict", str(folder)]) == 1
    assert "StageNameCasing" in capsys.readouterr().out


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UsageError, match="--format 'jsn' .did you mean 'json'"):
        check.run(["--format", "jsn"])


@pytest.mark.parametrize("word", ["--check", "--call=check", "--call=lint"])
def test_build_can_check_too(folder: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text("FROM scratch AS Base\nCOPY a /\n")
    assert build.run([word, str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "StageNameCasing" in out
    assert err == ""
    assert build.run(["--call", "check,strict", str(folder)]) == 1


def test_build_can_describe_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text("# base it is\nFROM scratch AS base\n# A first\nARG A=1\n")
    assert build.run(["--call", "targets", str(folder)]) == 0
    assert capsys.readouterr().out == "TARGET           DESCRIPTION\nbase (default)   it is\n"
    assert build.run(["--call", "outline,format=json", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["args"][0]["description"] == "first"


def test_build_can_convert_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text("FROM scratch AS Base\nCOPY a /\n")
    assert build.run(["--call", "convert-llb", str(folder)]) == 0
    out, err = capsys.readouterr()
    kinds = [kind for op in json.loads(out)["def"].values() for kind in op if kind in {"source", "file"}]
    assert sorted(kinds) == ["file", "source"]
    assert "StageNameCasing" in err
    with pytest.raises(UsageError, match="one --platform at a time"):
        build.run(["--call", "convert-llb", "--opt", "platform=linux/amd64,linux/arm64", str(folder)])


def test_a_failing_build_shows_what_it_noticed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text("FROM scratch AS Base\nCOPY a\n")
    assert build.run([str(folder)]) == 1
    err = capsys.readouterr().err
    assert err.index("StageNameCasing") < err.index("error: Dockerfile:2")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("build", None),
        ("check", Call(method="check")),
        ("lint,format=github", Call(method="check", form="github")),
        ("check,format=text,strict", Call(method="check", strict=True)),
        ("check,strict=false", Call(method="check")),
        ("targets,format=json", Call(method="targets", form="json")),
        ("convertllb", Call(method="convert-llb", form="json")),
    ],
)
def test_a_call_is_read(text: str, call: Call | None) -> None:
    assert parse_call(text) == call


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chek", "--call 'chek': unknown method (did you mean 'check'?)"),
        ("", "--call '': unknown method"),
        ("outline,format=github", "--call outline,format=github: outline has no format 'github'"),
        ("check,fast", "--call check,fast: unknown setting 'fast'"),
    ],
)
def test_a_wrong_call_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_call(text)
    assert caught.value.message == message


def test_check_and_another_call_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="--check and --call outline contradict each other"):
        build.run(["--check", "--call", "outline"])
