"""How a build goes on after a failure, and which stages run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

BROKEN = """
FROM busybox AS one
RUN exit 3
FROM busybox AS two
RUN sleep 0.3 && exit 4
FROM busybox AS fine
RUN sleep 0.3 && echo fine > /fine
FROM busybox
COPY --from=fine /fine /
COPY --from=one /x /
COPY --from=two /x /
"""


def test_a_build_stops_at_the_first_failure(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    failed = llbuild.build(context(BROKEN), exit_code=1)
    assert "exited with code 3" in failed.stderr
    assert "exited with code 4" not in failed.stderr


def test_or_goes_on_with_what_does_not_need_it_and_reports_every_failure(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    folder = context(BROKEN)
    failed = llbuild("build", "--progress=plain", "--keep-going", folder, exit_code=1)
    report = failed.stderr
    assert report.index("Dockerfile:3\n") < report.rindex("exited with code 3")
    assert report.index("Dockerfile:5\n") < report.rindex("exited with code 4")
    assert report.endswith("error: 2 steps failed\n")
    again = llbuild.build(folder, exit_code=1)
    assert again.step("RUN sleep 0.3 && echo fine").cached


STAGES = """
FROM busybox AS one
RUN echo one > /one
FROM busybox AS two
RUN echo two > /two
FROM busybox
COPY --from=one /one /
COPY --from=two /two /
"""


def test_only_the_stages_that_are_named_run_again(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(STAGES)
    llbuild.build("-t", "x", folder)
    again = llbuild.build("-t", "x", "--no-cache-filter", "one", folder)
    assert any("echo one" in name for name in again.ran())
    assert not any("echo two" in name for name in again.ran())
    both = llbuild.build("-t", "x", "--no-cache-filter", "one,TWO", folder)
    assert sum("echo" in name for name in both.ran()) == 2
