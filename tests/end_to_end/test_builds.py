"""What `llbuild builds` knows of real builds: logs, options, warnings, failures; and what a report shows of them."""

from __future__ import annotations

import json
import os
import signal
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from llbuild.llb import decode_definition
from llbuild.tests.end_to_end.driver import wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

DOCKERFILE = """
FROM busybox AS tools
ARG VERSION=1
RUN echo "tool $VERSION" && echo quietly >&2 && echo tool > /tool
FROM busybox as last
COPY --from=tools /tool /tool
COPY input /input
RUN cat /input
"""


def shown(llbuild: Llbuild, build: str = "last") -> Any:
    return llbuild.json("builds", "show", build, "--format", "json")


def test_a_build_is_on_record_with_what_was_asked_and_what_it_said(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    folder = context(DOCKERFILE, input="some <text>\n")
    llbuild("build", "-q", "-t", "x", "--build-arg", "VERSION=2", "--target", "last", folder)
    found = shown(llbuild)
    assert (found["frontend"], found["options"]) == ("dockerfile", {"build-arg:VERSION": "2", "target": "last"})
    assert found["cpus"] == len(os.sched_getaffinity(0))
    assert [(warning["rule"], warning["line"]) for warning in found["warnings"]] == [("FromAsCasing", 5)]
    lines = llbuild("builds", "logs").stdout.splitlines()
    told = [line.partition(" ")[2].partition(" ")[2] for line in lines]
    assert {"tool 2", "quietly", "some <text>"} <= set(told)
    readable = llbuild("builds", "show").stdout
    assert "FromAsCasing" in readable
    assert "FROM busybox as last" in readable


def test_what_a_cached_build_did_not_print_costs_nothing(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, input="text")
    llbuild.build("-t", "x", folder)
    llbuild.build("-t", "x", folder)
    first, second = (llbuild.json("builds", "export", build) for build in "12")
    assert len(first["logs"]) == 2
    assert second["logs"] == []
    assert second["definitions"] == first["definitions"]
    assert "CACHED" in llbuild("builds", "logs", "2", "quietly").stdout


def test_a_failed_build_keeps_its_log_its_report_and_an_export_of_all(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    folder = context("FROM busybox\nRUN echo about-to-fail; exit 7\n")
    told = llbuild("build", "--progress=plain", folder, exit_code=1).stderr
    assert "about-to-fail" in llbuild("builds", "logs", "last", "exit 7").stdout
    found = llbuild.json("builds", "export")
    assert told.endswith(found["report"])
    assert "2 | >>> RUN echo" in found["report"]
    assert llbuild("builds", "show").stdout.endswith(found["report"])
    (definition,) = found["definitions"]
    assert decode_definition(b64decode(definition)).sources[0].data == b"FROM busybox\nRUN echo about-to-fail; exit 7\n"
    reasons = [reason["summary"] for step in found["steps"] for reason in step["reasons"]]
    assert "no step like it was run here before" in reasons


def test_of_a_build_file_that_is_wrong_its_text_and_the_error_are_kept(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    llbuild.build(context("FROM busybox\nRUNN echo\n"), exit_code=1)
    found = llbuild.json("builds", "export")
    assert found["definitions"] == []
    assert {one["filename"]: b64decode(one["data"]) for one in found["sources"]} == {
        "Dockerfile": b"FROM busybox\nRUNN echo\n"
    }
    assert "2 | >>> RUNN echo" in found["report"]


def test_an_interrupted_build_keeps_what_was_printed_until_then(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo under-way && sleep 100005\n")
    with llbuild.start("build", "--progress=plain", folder) as process:
        assert process.stderr is not None
        while b"under-way\n" not in (line := process.stderr.readline()) or b"echo" in line:
            assert line, "ended early"
        os.killpg(process.pid, signal.SIGINT)
        wait_for_end(process, 15)
    assert shown(llbuild)["status"] == "canceled"
    assert "under-way\n" in llbuild("builds", "logs", "last", "sleep").stdout


def test_a_noisy_step_is_kept_at_both_ends(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild.build(context("FROM busybox\nRUN seq 1 400000\n"))
    lines = llbuild("builds", "logs", "last", "seq").stdout.splitlines()
    numbers = [line.split()[-1] for line in lines if line.split()[-1].isdecimal()]
    assert (numbers[0], numbers[1]) == ("400000", "1")  # the command, then its output
    assert numbers[-1] == "400000"
    assert any("bytes were not kept" in line for line in lines)
    assert len("".join(lines)) < 3_000_000


def test_a_report_has_the_layers_of_the_image_and_its_steps(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context(DOCKERFILE, input="some <text>\n")
    llbuild.build("-t", "x", folder)
    assert llbuild("builds", "report", "-o", tmp_path / "page.html").stdout == f"{tmp_path / 'page.html'}\n"
    page = (tmp_path / "page.html").read_text()
    assert "some &lt;text&gt;" in page
    assert "Size by layer" in page
    assert page.count("COPY input /input") > 2
    trace = json.loads(llbuild("builds", "report", "--format", "chrome-trace", "-o", "-").stdout)
    named = {event["name"]: event for event in trace["traceEvents"] if event["ph"] == "X"}
    run = next(event for name, event in named.items() if "RUN cat" in name)
    assert run["args"]["outcome"] == "executed"


def test_numbers_go_on_where_all_builds_were_removed(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo fine\n")
    llbuild.build(folder)
    llbuild("builds", "rm", "--all")
    assert llbuild.json("builds", "--format", "json") == []
    llbuild.build(folder)
    assert [build["id"] for build in llbuild.json("builds", "--format", "json")] == [2]
