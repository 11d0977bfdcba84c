"""Compiled here or elsewhere, built there: definitions through `llbuild compile` and `llbuild solve`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.llb import State, encode_definition, image, local, scratch, source
from llbuild.proto import encode_buildkit
from llbuild.tests.end_to_end.oci import read_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild, Outcome

DOCKERFILE = """
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
ENV GREETING=hello
COPY --from=tools /tool /tool
COPY input /input
RUN cat /tool /input > /output
CMD ["cat", "/output"]
"""


def solve(llbuild: Llbuild, *arguments: str | Path, exit_code: int = 0) -> Outcome:
    return llbuild("solve", "--progress=rawjson", *arguments, exit_code=exit_code)


@pytest.mark.parametrize("form", ["msgpack", "buildkit", "bundle"])
def test_a_compiled_definition_is_built(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    folder = context(DOCKERFILE, input="text")
    definition = tmp_path / "definition"
    llbuild("compile", "--format", form, "--session-id=elsewhere", "-o", definition, folder)
    outcome = solve(llbuild, "-o", f"type=oci,dest={tmp_path / 'x.tar'}", f"--local=context={folder}", definition)
    assert len(outcome.ran()) == 4
    built = read_image(tmp_path / "x.tar")
    assert built.config["config"].get("Cmd") == (["cat", "/output"] if form == "bundle" else None)
    again = llbuild.build("-t", "x", folder)
    assert again.ran() == [], "the definition said the same as the Dockerfile"
    assert llbuild("run", "x").stdout == "tool\ntext"


def test_a_definition_is_read_from_stdin(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo made > /made\n")
    llbuild.pipe(["compile", "--format=buildkit", str(folder)], ["solve", "-t", "piped"])
    assert llbuild("run", "piped", "cat", "/made").stdout == "made\n"


def test_what_was_written_in_python_is_built(llbuild: Llbuild, tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("from python\n")
    base = image("docker.io/library/busybox:latest")
    state: State = base.copy(local("words"), "/a.txt", "/a.txt").run("tr a-z A-Z < /a.txt > /b.txt").root
    result = scratch().copy(state, "/b.txt", "/b.txt")
    for name, data in (("native", encode_definition(result.marshal())), ("wire", encode_buildkit(result.marshal()))):
        (tmp_path / name).write_bytes(data)
        solve(llbuild, "-o", tmp_path / f"{name}-out", f"--local=words={tmp_path / 'words'}", tmp_path / name)
        assert (tmp_path / f"{name}-out" / "b.txt").read_text() == "FROM PYTHON\n"


def test_the_image_has_the_config_that_is_given(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context("FROM busybox\nRUN echo made > /made\n")
    llbuild("compile", "--format=msgpack", "-o", tmp_path / "definition", folder)
    config = {"os": "linux", "architecture": "amd64", "config": {"Cmd": ["cat", "/made"]}, "rootfs": {"type": "layers"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    solve(llbuild, "-t", "x", f"--image-config={tmp_path / 'config.json'}", tmp_path / "definition")
    assert llbuild("run", "x").stdout == "made\n"


def test_no_cache_runs_everything_again(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context("FROM busybox\nRUN echo made > /made\n")
    llbuild("compile", "--format=msgpack", "-o", tmp_path / "definition", folder)
    assert len(solve(llbuild, "-t", "x", tmp_path / "definition").ran()) == 1
    assert solve(llbuild, "-t", "x", tmp_path / "definition").ran() == []
    assert len(solve(llbuild, "--no-cache", "-t", "x", tmp_path / "definition").ran()) == 1


def test_a_failing_step_still_shows_its_place(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context("FROM busybox\nRUN exit 3\n")
    for form in ("msgpack", "buildkit"):
        llbuild("compile", "--format", form, "-o", tmp_path / form, folder)
        outcome = solve(llbuild, tmp_path / form, exit_code=1)
        assert ">>> RUN exit 3" in outcome.stderr
        assert "exited with code 3" in outcome.stderr


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ("FROM busybox\nRUN --security=insecure x\n", "the step wants to run without confinement"),
        ("FROM busybox\nRUN --network=host x\n", "the step wants the network of the machine"),
    ],
)
def test_what_cannot_be_built_compiles_and_is_refused_by_solve(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, dockerfile: str, said: str
) -> None:
    folder = context(dockerfile)
    llbuild("compile", "--format=buildkit", "-o", tmp_path / "definition", folder)
    outcome = solve(llbuild, f"--local=context={folder}", tmp_path / "definition", exit_code=1)
    assert said in outcome.stderr
    assert "Dockerfile:2" in outcome.stderr
    assert outcome.ran() == []


def test_bad_input_is_one_clear_error(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context("FROM busybox\nCOPY input /\n", input="text")
    llbuild("compile", "--format=buildkit", "-o", tmp_path / "good", folder)
    good = (tmp_path / "good").read_bytes()
    cases = {
        "empty": (b"", "the definition is empty"),
        "garbage": (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "error: "),
        "truncated": (good[: len(good) // 2], "error: "),
        "text": (b"FROM busybox\n", "error: "),
        "msgpack": (b"\x81\xa3llb\x63", "version 99"),
        "bundle": (b'{"definition": "!"}', "no base64"),
        "rejected": (b'{"definition": null, "error": "no such instruction"}', "no such instruction"),
        "unnamed folder": (good, "hint: give it with --local context=DIR"),
    }
    for name, (data, said) in cases.items():
        (tmp_path / "bad").write_bytes(data)
        outcome = llbuild("solve", tmp_path / "bad", exit_code=1)
        assert said in outcome.stderr, name
        assert "Traceback" not in outcome.stderr, name
        assert "this is a bug" not in outcome.stderr, name
    assert "does not exist" in llbuild("solve", "--local=context=/nowhere", tmp_path / "good", exit_code=1).stderr
    assert "cannot read" in llbuild("solve", tmp_path / "nothing", exit_code=1).stderr


def test_a_folder_may_be_restricted_and_an_image_cut_short(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    llbuild("build", "-t", "three", context("FROM busybox\nRUN echo >/one\nRUN echo >/two\n"))
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (folder / name).write_text(name)
    base = source("docker-image://docker.io/library/three:latest", {"image.layerlimit": "2"})
    for number, (what, files) in enumerate(
        {
            "include": (local("folder", include=["a", "sub"]), ["a", "sub", "sub/c"]),
            "follow": (local("folder", follow=["b"]), ["b"]),
        }.values()
    ):
        out, state = tmp_path / f"out{number}", base.copy(what, "/", "/in")
        (tmp_path / "definition").write_bytes(encode_definition(state.marshal()))
        llbuild("solve", "--local", f"folder={folder}", "-o", f"type=local,dest={out}", tmp_path / "definition")
        assert sorted(str(path.relative_to(out / "in")) for path in (out / "in").rglob("*")) == files
        assert (out / "one").exists()
        assert not (out / "two").exists()
