"""`llbuild explain` after real builds: what ran, and what was different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

DOCKERFILE = """
FROM busybox AS base
ARG VERSION=1
RUN echo $VERSION > /version
COPY src /src
RUN cat /src/* > /all
FROM busybox
COPY --from=base /all /all
"""


@pytest.fixture
def folder(context: Callable[..., Path]) -> Path:
    made = context(DOCKERFILE)
    (made / "src").mkdir()
    for name in "abc":
        (made / "src" / name).write_text(name)
    return made


def told(llbuild: Llbuild, *arguments: str) -> dict[str, list[str]]:
    """The reasons of every step, by its text in the Dockerfile; cached ones have none."""
    steps = llbuild.json("explain", "--format", "json", *arguments)["steps"]
    return {step["name"].partition("] ")[2]: [reason["summary"] for reason in step["reasons"]] for step in steps}


def test_a_changed_file_is_named_and_what_follows_says_why(llbuild: Llbuild, folder: Path) -> None:
    llbuild.build("-t", "x", folder)
    (folder / "src" / "b").write_text("other")
    (folder / "src" / "c").chmod(0o755)
    plain = llbuild("build", "--progress=plain", "-t", "x", folder).stderr
    reasons = told(llbuild)
    assert reasons["RUN echo 1 > /version"] == []
    assert reasons["COPY src /src"] == ["/src: 2 of 3 files changed: b (content), c (mode 0644→0755)"]
    assert reasons["RUN cat /src/* > /all"] == ["built on another result of [base 3/4] COPY src /src"]
    assert reasons["COPY --from=base /all /all"] == ["/all: 1 of 1 file changed: all (content)"]
    said = [line.partition("not cached: ")[2] for line in plain.splitlines() if "not cached: " in line]
    assert said == [reason for step in reasons.values() for reason in step]


def test_a_changed_build_arg_and_a_changed_command_are_shown_side_by_side(llbuild: Llbuild, folder: Path) -> None:
    llbuild.build("-t", "x", folder)
    llbuild.build("-t", "x", "--build-arg", "VERSION=2", folder)
    shown = llbuild("explain", "echo").stdout
    indent = "\n" + " " * 17
    assert f"build arg or variable VERSION changed{indent}- VERSION=1{indent}+ VERSION=2\n" in shown
    (folder / "Dockerfile").write_text(DOCKERFILE.replace("cat /src/*", "cat /src/a"))
    llbuild.build("-t", "x", folder)
    shown = llbuild("explain", "last", "cat").stdout
    assert f"the command changed{indent}- cat /src/* > /all{indent}+ cat /src/a > /all\n" in shown


def test_a_moved_base_image_is_named(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    for content in ("one", "two"):
        (tmp_path / content).mkdir()
        (tmp_path / content / "file").write_text(content)
        llbuild("import", tmp_path / content, "mine")
        llbuild.build(context("FROM mine\nCOPY Dockerfile /copy\n"))
    ((reason,),) = [reasons for name, reasons in told(llbuild).items() if name.startswith("COPY")]
    assert reason.startswith("base image docker.io/library/mine:latest moved from sha256:")


def test_a_failed_step_is_explained_and_so_is_its_next_try(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN --mount=type=cache,target=/c test -e /c/ready\n")
    llbuild("build", folder, exit_code=1)
    llbuild("build", folder, exit_code=1)
    ((reason,),) = [reasons for name, reasons in told(llbuild).items() if name.startswith("RUN")]
    assert reason == "it failed the last time, so no result of it is stored"


def test_no_cache_is_the_reason_where_it_was_given(llbuild: Llbuild, folder: Path) -> None:
    llbuild.build(folder)
    llbuild.build("--no-cache", folder)
    assert {reason for step in told(llbuild).values() for reason in step} == {
        "the cache was to be ignored (--no-cache)"
    }


def test_a_lost_layer_is_told(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo x > /x\n")
    llbuild.build("-o", f"type=local,dest={folder.parent / 'out'}", folder)
    for layer in (llbuild.root / "snapshots").glob("run-*"):
        layer.rename(layer.with_name("elsewhere-" + layer.name))
    llbuild.build("-o", f"type=local,dest={folder.parent / 'out'}", folder)
    ((reason,),) = [reasons for name, reasons in told(llbuild).items() if name.startswith("RUN")]
    assert reason == "its stored result is gone"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("last", "7"), "the build has no step '7'"),
        (("nonsense",), "the build has no step 'nonsense'"),
        (("99",), "no build '99' is recorded"),
        (("last", "["), "several steps match '['"),
    ],
)
def test_what_is_not_there_is_one_clear_line(
    llbuild: Llbuild, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    llbuild.build(folder)
    said = llbuild("explain", *arguments, exit_code=1).stderr
    assert said.startswith(f"error: {message}")
    assert "hint: " in said


def test_where_nothing_was_built_that_is_said_and_nothing_is_made(llbuild: Llbuild, tmp_path: Path) -> None:
    said = llbuild("explain", "--root", tmp_path / "nowhere", exit_code=1).stderr
    assert said.startswith("error: no build is recorded here yet")
    assert not (tmp_path / "nowhere").exists()
