"""`llbuild builds`: the list, as a table and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.cli import builds
from llbuild.cli.builds import build_title, render_builds
from llbuild.digest import Digest
from llbuild.solver import BuildStatus, BuildSummary

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_700_000_000.0
DONE = BuildSummary(
    id=12,
    started=T0,
    completed=T0 + 75.2,
    status=BuildStatus.COMPLETED,
    names=("docker.io/library/hello:latest", "ghcr.io/me/hello:1"),
    context="/home/me/hello",
    platform="linux/amd64",
    result=Digest("sha256:" + "1" * 64),
    cached=3,
    executed=4,
)
FAILED = BuildSummary(
    id=11,
    started=T0 - 7200,
    completed=T0 - 7199.75,
    status=BuildStatus.FAILED,
    error="Dockerfile:7:5: no",
    context="/home/me/hello",
    target="test",
)


def test_the_table_shows_what_became_of_each_build() -> None:
    assert render_builds([DONE, FAILED], now=T0 + 120).splitlines() == [
        "ID        STARTED         NAME                        STATUS      CACHED    EXECUTED   DURATION",
        "12        2 minutes ago   hello, ghcr.io/me/hello:1   completed   3         4          1m15s",
        "11        2 hours ago     hello (test)                failed      0         0          250ms",
    ]


def test_json_has_every_field() -> None:
    (found,) = json.loads(render_builds([FAILED], as_json=True))
    assert found == {
        "id": 11,
        "started": "2023-11-14T20:13:20Z",
        "completed": "2023-11-14T20:13:20.25Z",
        "duration_s": 0.25,
        "status": "failed",
        "error": "Dockerfile:7:5: no",
        "names": [],
        "context": "/home/me/hello",
        "target": "test",
        "platform": "",
        "result": None,
        "cached_steps": 0,
        "executed_steps": 0,
    }


@pytest.mark.parametrize(
    ("names", "context", "target", "title"),
    [
        (("docker.io/library/a:latest",), "/x/y", "t", "a"),
        (("docker.io/me/a:1",), "", "", "me/a:1"),
        ((), "/x/y", "", "y"),
        ((), "/x/y", "t", "y (t)"),
        ((), "/", "", "/"),
        ((), "", "", "(a definition)"),
    ],
)
def test_a_build_is_called_after_its_image_or_where_it_came_from(
    names: tuple[str, ...], context: str, target: str, title: str
) -> None:
    summary = BuildSummary(
        started=0, completed=0, status=BuildStatus.COMPLETED, names=names, context=context, target=target
    )
    assert build_title(summary) == title


def test_where_nothing_was_built_the_list_is_empty_and_nothing_is_made(
    state_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builds.run(["--root", str(state_root)]) == 0
    assert capsys.readouterr().out.split() == ["ID", "STARTED", "NAME", "STATUS", "CACHED", "EXECUTED", "DURATION"]
    assert not state_root.exists()
