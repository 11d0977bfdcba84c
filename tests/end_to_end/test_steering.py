"""How a build goes on after a failure, and which stages run again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llbuild.solver import Slots
from llbuild.tests.end_to_end.driver import overlap, wait_for_end

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
    assert again.ran() == ["[one 2/2] RUN echo one > /one"]  # its file came out the same: copies of it are stored
    both = llbuild.build("-t", "x", "--no-cache-filter", "one,TWO", folder)
    assert sum("echo" in name for name in both.ran()) == 2


def test_the_config_file_limits_steps_and_copies(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    stages = "".join(f"FROM busybox AS s{n}\nRUN echo {n} > /n\nFROM scratch AS c{n}\nCOPY . /{n}\n" for n in range(6))
    copies = "".join(f"COPY --from=s{n} /n /{n}/n\nCOPY --from=c{n} / /\n" for n in range(6))
    folder = context(f"{stages}FROM scratch\n{copies}", **{f"f{n}": "x" for n in range(50)})
    config = tmp_path / "config.toml"
    config.write_text("[build]\nmax-parallelism = 1\nmax-copies = 1\n")
    outcome = llbuild.build("-o", "type=cacheonly", folder, env={"LLBUILD_CONFIG": str(config)})
    for kind, count in (("RUN", 6), ("COPY", 18)):
        assert len(outcome.named(kind)) == count
        assert overlap(outcome.named(kind)) == 1


def test_a_build_of_two_steps_that_comes_later_is_not_starved_by_one_of_forty(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    """Steps write down that they start, and wait until both builds are there."""

    def stages(letter: str, count: int) -> str:
        step = f"echo {letter} >> /o/log; until [ -e /o/go ]; do sleep 0.05; done"
        run = "RUN --mount=type=cache,id=order,target=/o"
        made = "".join(f"FROM busybox AS {letter}{n}\n{run} {step}; echo {n} > /n\n" for n in range(count))
        return f"{made}FROM scratch\n" + "".join(f"COPY --from={letter}{n} /n /{n}\n" for n in range(count))

    def started() -> str:
        found = (path.read_text() for path in (llbuild.root / "cache-mounts").glob("*/log"))
        return "".join(next(found, "").split())

    folder = context(stages("l", 40))
    (folder / "small").write_text(stages("s", 2))
    common = ("build", "--shared-parallelism=2", "-o", "type=cacheonly")
    large = llbuild.start(*common, folder)
    small = None
    watching = Slots(tmp_path / "state/locks/steps", 1)
    try:
        _wait_until(lambda: started() == "ll")
        small = llbuild.start(*common, "-f", folder / "small", folder)
        _wait_until(lambda: sum(build.waiting > 0 for build in watching.builds()) == 2)
        assert started() == "ll"
        next((llbuild.root / "cache-mounts").glob("*/")).joinpath("go").touch()
        for process in (small, large):
            wait_for_end(process, 240)
            assert process.returncode == 0
    finally:
        watching.close()
        for process in filter(None, (large, small)):
            process.kill()
            process.communicate()
    order = started()
    assert (order.count("l"), order.count("s")) == (40, 2)
    # Of 42. The builds take turns; steps that start together write in any order, and a busy machine starts some late.
    assert order.rindex("s") < 16


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
