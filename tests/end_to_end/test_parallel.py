"""Independent stages run at the same time, equal ones once. Told by the events, not by a stop-watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.tests.end_to_end.driver import overlap
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild


def test_three_stages_of_the_hello_example_overlap(llbuild: Llbuild) -> None:
    outcome = llbuild.build("-t", "hello", ROOT / "examples/hello")
    sleepers = outcome.named("RUN sleep 1")
    assert len(sleepers) == 3
    assert overlap(sleepers) >= 2  # all three, but for a machine that has much else to do
    said = llbuild("run", "hello").stdout
    assert "Hello from llbuild" in said
    assert "primes up to 200: 46, the last is 199" in said
    assert "(4 lines)" in said


def test_forty_stages_overlap(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    meet = "until [ $(ls /met | wc -l) -gt 20 ]; do sleep 0.1; done"
    run = f"RUN --mount=type=cache,id=met,target=/met touch /met/$n; {meet}; echo $n > /n"
    stages = "".join(f"FROM busybox AS s{n}\nARG n={n}\n{run}\n" for n in range(40))
    copies = "".join(f"COPY --from=s{n} /n /all/{n}\n" for n in range(40))
    outcome = llbuild.build("-o", f"type=local,dest={tmp_path / 'out'}", context(f"{stages}FROM scratch\n{copies}"))
    meeting = outcome.named("touch /met")
    assert len(meeting) == 40
    assert overlap(meeting) > 20
    assert sorted(int(path.read_text()) for path in (tmp_path / "out/all").iterdir()) == list(range(40))


def test_equal_stages_run_once(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    dockerfile = """
FROM busybox AS first
RUN cat /proc/sys/kernel/random/uuid > /made
FROM busybox AS second
RUN cat /proc/sys/kernel/random/uuid > /made
FROM scratch
COPY --from=first /made /first
COPY --from=second /made /second
"""
    out = tmp_path / "out"
    outcome = llbuild.build("-o", f"type=local,dest={out}", context(dockerfile))
    assert len([step for step in outcome.named("RUN cat") if step.ran]) == 1
    assert (out / "first").read_bytes() == (out / "second").read_bytes()


def test_a_stage_the_target_does_not_need_never_runs(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    dockerfile = """
FROM busybox AS unused
RUN exit 7
FROM busybox AS wanted
RUN echo yes > /yes
FROM busybox
RUN exit 8
"""
    outcome = llbuild.build("--target", "wanted", "-t", "wanted", context(dockerfile))
    assert [name for name in outcome.ran() if "exit" in name] == []
    assert llbuild("run", "wanted", "cat", "/yes").stdout == "yes\n"
