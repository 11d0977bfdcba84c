"""What runs again after a change, and what does not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.oci import read_image

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
CMD ["cat", "/output"]
"""


def test_nothing_changed_nothing_runs_and_the_image_is_the_same(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context(DOCKERFILE, input="text")
    first = llbuild.build("-o", f"type=oci,dest={tmp_path / 'first.tar'}", folder)
    assert len(first.ran()) == 4
    again = llbuild.build("-o", f"type=oci,dest={tmp_path / 'again.tar'}", folder)
    assert again.ran() == []
    assert read_image(tmp_path / "again.tar").digest == read_image(tmp_path / "first.tar").digest


def test_a_touched_file_is_no_change(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, input="text")
    llbuild.build("-t", "x", folder)
    os.utime(folder / "input", (1, 1))
    assert llbuild.build("-t", "x", folder).ran() == []


def test_a_changed_file_runs_only_what_depends_on_it(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, input="text")
    llbuild.build("-t", "x", folder)
    (folder / "input").write_text("other")
    again = llbuild.build("-t", "x", folder)
    assert len(again.ran()) == 2
    assert not again.step("RUN echo tool").ran
    assert again.step("COPY input").ran
    assert again.step("RUN tr").ran
    assert llbuild("run", "x").stdout == "OTHER"


def test_a_file_nobody_copies_does_not_matter(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, input="text")
    llbuild.build("-t", "x", folder)
    (folder / "stranger").write_text("not copied")
    assert llbuild.build("-t", "x", folder).ran() == []


def test_no_cache_runs_everything_again(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, input="text")
    llbuild.build("-t", "x", folder)
    assert len(llbuild.build("--no-cache", "-t", "x", folder).ran()) == 4


def test_a_build_argument_matters_from_where_it_is_used(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo before > /before\nARG WHAT=one\nRUN echo $WHAT > /what\n")
    llbuild.build("-t", "x", folder)
    again = llbuild.build("-t", "x", "--build-arg", "WHAT=two", folder)
    assert [name for name in again.ran() if "before" in name] == []
    assert llbuild("run", "x", "cat", "/what").stdout == "two\n"


def test_dockerignore_keeps_files_out(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context("FROM scratch\nCOPY . /\n", keep="1", secret="2")
    (folder / ".dockerignore").write_text("secret\nDockerfile\n.dockerignore\n")
    llbuild.build("-o", f"type=local,dest={tmp_path / 'out'}", folder)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["keep"]


# What costs more to import than a fully cached build may take. The test of the same list for folders: test_imports.py
HEAVY = {"anyio", "asyncio", "httpx", "networkx", "rich", "ssl", "structlog", "tarfile", "trio", "zstandard"}


def test_a_fully_cached_build_imports_nothing_heavy(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, input="text")
    llbuild.build("-t", "x", folder)
    loaded = llbuild.modules_after("build", "--progress=plain", "-t", "x", folder)
    assert not loaded & HEAVY
    assert not loaded & {"tomllib", "llbuild.solver.gc", "llbuild.cli.storage", "llbuild.worker.upkeep"}
    assert not loaded & {"argparse", "llbuild.frontend.dockerfile.compiler", "llbuild.exporter.transfer"}


def test_where_no_file_is_copied_nothing_that_reads_files_is_loaded(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    command = (
        "build",
        "--progress=quiet",
        "-o",
        f"type=oci,dest={tmp_path / 'x.tar'}",
        context("FROM busybox\nRUN ls\n"),
    )
    llbuild(*command)
    loaded = llbuild.modules_after(*command)
    assert not loaded & {f"llbuild.worker.snapshot.{name}" for name in ("folder", "contents", "merged", "removal")}
    assert not loaded & {"llbuild.patterns", "llbuild.exporter.tar_stream", "pathlib", "shutil", "threading"}


def test_a_build_file_that_changed_is_compiled_anew_and_one_that_did_not_is_not(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    compiler = "llbuild.frontend.dockerfile.compiler"
    folder = context("FROM busybox\nARG A=1\nLABEL a=$A\n")
    command = ("build", "--progress=quiet", "-t", "x", folder)
    assert compiler in llbuild.modules_after(*command)
    assert compiler not in llbuild.modules_after(*command)
    assert compiler in llbuild.modules_after(*command, "--build-arg=A=2")
    assert llbuild.json("inspect", "x")["config"]["Labels"] == {"a": "2"}
    assert compiler not in llbuild.modules_after(*command)
    assert llbuild.json("inspect", "x")["config"]["Labels"] == {"a": "1"}
    (folder / "Dockerfile").write_text("FROM busybox\nLABEL a=3\n")
    assert compiler in llbuild.modules_after(*command)
    assert llbuild.json("inspect", "x")["config"]["Labels"] == {"a": "3"}
    llbuild("builds", "rm", "--all")
    assert compiler in llbuild.modules_after(*command)


@pytest.mark.parametrize(
    "command", [["--version"], ["images"], ["builds"], ["history", "busybox"], ["inspect", "busybox"]]
)
def test_a_listing_imports_nothing_heavy(llbuild: Llbuild, command: list[str]) -> None:
    heavy = llbuild.modules_after(*command) & (HEAVY - {"tarfile", "zstandard"})  # history may have to measure a layer
    assert not heavy


def test_another_path_with_the_same_last_part_is_another_file(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    base = "FROM busybox AS base\nRUN mkdir /one /two && echo 1 > /one/x && echo 2 > /two/x\n"
    for folder, text in (("one", "1\n"), ("two", "2\n"), ("one", "1\n")):
        llbuild.build("-t", "x", context(f"{base}FROM busybox\nCOPY --from=base /{folder}/x /x\n"))
        assert llbuild("run", "x", "cat", "/x").stdout == text
        mount = f"RUN --mount=from=base,source=/{folder},target=/in cat /in/x > /y\n"
        llbuild.build("-t", "y", context(f"{base}FROM busybox\n{mount}"))
        assert llbuild("run", "y", "cat", "/y").stdout == text
