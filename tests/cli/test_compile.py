"""`llbuild compile` with stub images: every form of the definition, rejections, sessions, platforms."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.cli.compile import parse_compile, run
from llbuild.cli.main import main
from llbuild.errors import UsageError
from llbuild.llb import SourceOp, decode_definition
from llbuild.proto import encode_buildkit

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
    "history": [{"created_by": "rootfs", "created": "2026-01-01T00:00:00Z"}],
}
DOCKERFILE = "FROM alpine AS base\nCOPY a /a\nRUN --mount=type=secret,id=token \\\n  use\n"


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    path = tmp_path / "stub.json"
    refs = {"docker.io/library/other:1": {**CONFIG, "config": {"User": "me"}}}
    path.write_text(json.dumps({"digest": "sha256:" + "2" * 64, "config": CONFIG, "refs": refs}))
    return path


def context(tmp_path: Path, dockerfile: str = DOCKERFILE) -> str:
    folder = tmp_path / "context"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    return str(folder)


def compiled(tmp_path: Path, stub: Path, *words: str, dockerfile: str = DOCKERFILE) -> bytes:
    """What is written with these flags."""
    printed = tmp_path / "printed"
    assert run([f"--stub-images={stub}", f"-o={printed}", *words, context(tmp_path, dockerfile)]) == 0
    return printed.read_bytes()


def bundle(tmp_path: Path, stub: Path, *words: str, dockerfile: str = DOCKERFILE) -> Any:
    return json.loads(compiled(tmp_path, stub, "--format=bundle", *words, dockerfile=dockerfile))


def test_the_readable_form_names_everything(tmp_path: Path, stub: Path) -> None:
    document = json.loads(compiled(tmp_path, stub))
    (result,) = document["results"]
    assert [op["name"] for op in result["ops"]] == [
        "[base 1/3] FROM docker.io/library/alpine:latest@sha256:" + "2" * 64,
        "[internal] load build context",
        "[base 2/3] COPY a /a",
        "[base 3/3] RUN --mount=type=secret,id=token   use",
    ]
    assert result["root"] == "4 [base 3/3] RUN --mount=type=secret,id=token   use"
    copy, process = result["ops"][2:]
    assert copy["inputs"] == ["1 " + result["ops"][0]["name"], "2 [internal] load build context"]
    assert process["lines"] == ["Dockerfile:3-4"]
    assert process["digest"].startswith("blake3:")
    assert process["buildkit_digest"].startswith("sha256:")
    assert process["exec"]["meta"]["args"] == ["/bin/sh", "-c", "use"]
    assert result["image"]["config"] == CONFIG["config"]
    assert document["warnings"] == []


def test_every_form_is_the_same_definition(tmp_path: Path, stub: Path) -> None:
    native = decode_definition(compiled(tmp_path, stub, "--format=msgpack"))
    wire = compiled(tmp_path, stub, "--format=buildkit")
    assert wire == encode_buildkit(native)
    assert b64decode(bundle(tmp_path, stub)["definition"]) == wire


def test_a_bundle_holds_the_image_without_times(tmp_path: Path, stub: Path) -> None:
    image = bundle(tmp_path, stub)["image"]
    assert image["history"][0] == {"created_by": "rootfs"}
    assert not any("created" in entry for entry in image["history"])
    empty = bundle(tmp_path, stub, dockerfile="FROM scratch")["image"]
    assert empty["rootfs"] == {"type": "layers", "diff_ids": None}
    assert "history" not in empty


def test_a_bundle_of_a_wrong_file_says_what_and_where(tmp_path: Path, stub: Path) -> None:
    found = bundle(tmp_path, stub, dockerfile="FROM alpine\nRUNN x\n")
    assert found == {
        "definition": None,
        "image": None,
        "warnings": [],
        "error": "unknown instruction 'RUNN'",
        "error_lines": [2],
    }
    assert bundle(tmp_path, stub, "--target=nothing")["error"].startswith("there is no stage 'nothing'")
    assert bundle(tmp_path, stub, "--platform=a/b/c/d")["error_lines"] == []


def test_other_forms_report_a_wrong_file_and_fail(
    tmp_path: Path, stub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", f"--stub-images={stub}", context(tmp_path, "FROM alpine\nRUNN x\n")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert ">>> RUNN x" in said.err
    assert "error: " in said.err


def sources(data: bytes) -> dict[str, dict[str, str]]:
    ops = [vertex.op for vertex in decode_definition(data).vertices]
    return {op.identifier: dict(op.attrs) for op in ops if isinstance(op, SourceOp)}


@pytest.mark.parametrize(
    ("words", "session"),
    [([], "oracle-session"), (["--session-id=mine"], "mine"), (["--session-id="], None)],
)
def test_local_sources_name_the_session(tmp_path: Path, stub: Path, words: list[str], session: str | None) -> None:
    found = sources(compiled(tmp_path, stub, "--format=msgpack", *words))
    assert found["local://context"].get("local.session") == session


def test_without_stub_images_no_session_is_named() -> None:
    assert parse_compile(["."], {"LLBUILD_ROOT": "/x"}).session_id == ""
    assert parse_compile(["--session-id=s", "."], {"LLBUILD_ROOT": "/x"}).session_id == "s"


def test_the_client_of_stub_images_may_have_other_folders(tmp_path: Path, stub: Path) -> None:
    words = ["--opt=context:src=local:theirs", "--format=msgpack"]
    found = sources(compiled(tmp_path, stub, *words, dockerfile="FROM alpine\nCOPY --from=src a /\n"))
    assert found["local://theirs"]["local.session"] == "oracle-session"


def test_an_image_of_the_list_has_a_config_of_its_own(tmp_path: Path, stub: Path) -> None:
    found = bundle(tmp_path, stub, dockerfile="FROM other:1")
    assert found["image"]["config"]["User"] == "me"


def test_a_digest_in_the_reference_stays(tmp_path: Path, stub: Path) -> None:
    digest = "sha256:" + "3" * 64
    found = sources(compiled(tmp_path, stub, "--format=msgpack", dockerfile=f"FROM alpine@{digest}"))
    assert list(found) == [f"docker-image://docker.io/library/alpine@{digest}"]


def test_a_windows_image_has_nothing_of_the_config_for_linux(tmp_path: Path, stub: Path) -> None:
    image = bundle(tmp_path, stub, "--platform=windows(10.0.1)/amd64", dockerfile="FROM alpine")["image"]
    assert (image["os"], image["os.version"]) == ("windows", "10.0.1")
    assert image["config"] == {"Cmd": ["c:\\windows\\system32\\cmd.exe"]}


def test_several_platforms_are_several_results(tmp_path: Path, stub: Path) -> None:
    words = ["--platform=linux/amd64,linux/arm64", "--platform=linux/arm/v7"]
    document = json.loads(compiled(tmp_path, stub, *words))
    assert [result["platform"] for result in document["results"]] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert document["results"][1]["ops"][0]["name"].startswith("[linux/arm64 base 1/3] FROM")
    lines = compiled(tmp_path, stub, "--format=bundle", *words).splitlines()
    assert [json.loads(line)["platform"] for line in lines] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    with pytest.raises(UsageError, match="--format msgpack holds one definition; these are 3"):
        compiled(tmp_path, stub, "--format=msgpack", *words)


def test_the_stub_images_are_for_one_machine_wherever_they_are_used(tmp_path: Path, stub: Path) -> None:
    stub.write_text(json.dumps({"digest": "sha256:" + "2" * 64, "config": {**CONFIG, "architecture": "s390x"}}))
    found = bundle(tmp_path, stub, dockerfile="FROM alpine\nARG BUILDPLATFORM\nARG TARGETARCH\nENV A=$BUILDPLATFORM")
    assert (found["image"]["architecture"], found["image"]["config"]["Env"]) == (
        "s390x",
        ["PATH=/bin", "A=linux/s390x"],
    )


def test_a_syntax_line_leads_nowhere_with_stub_images(tmp_path: Path, stub: Path) -> None:
    assert bundle(tmp_path, stub, dockerfile="# syntax=example.com/some/language:1\nFROM alpine")["error"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "is no list of stub images: JSONDecodeError"),
        ("[]", "is no list of stub images: AttributeError"),
        ('{"config": {}}', "is no list of stub images: KeyError: 'digest'"),
        ('{"digest": "x", "config": {}}', "is no list of stub images: ValueError"),
        (
            json.dumps({"digest": "sha256:" + "2" * 64, "config": {"os": 1, "rootfs": {}}}),
            "wrong.json: image config: os: expected a string",
        ),
    ],
)
def test_a_wrong_list_of_stub_images_is_one_clear_error(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.json").write_text(text)
    assert main(["compile", "--format=bundle", f"--stub-images={tmp_path / 'wrong.json'}", context(tmp_path)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "jsn"], "--format 'jsn' (did you mean 'json'?); expected one of json, msgpack, buildkit, bundle"),
        (["--tag", "x"], "unknown flag '--tag'"),
        ([""], "the context is empty; expected a folder"),
    ],
)
def test_wrong_usage_is_one_clear_message(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_compile(words, {"LLBUILD_ROOT": "/x"})
    assert caught.value.message.startswith(message)


def test_a_binary_form_is_not_for_a_terminal(
    tmp_path: Path, stub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["compile", "--format=buildkit", f"--stub-images={stub}", context(tmp_path)]) == 2
    assert "a binary definition would be written to the terminal" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["https://h/x.git", "https://h/x.tar"])
def test_a_context_from_elsewhere_is_imagined_too(tmp_path: Path, stub: Path, url: str) -> None:
    found = bundle(tmp_path, stub, f"--opt=context={url}", dockerfile="FROM alpine\nCOPY a b\n")
    assert found["error"] is None
    assert found["definition"]
