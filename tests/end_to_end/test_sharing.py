"""Several builds at once on one state folder: what they share is done once."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from llbuild.tests.end_to_end.driver import wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

_NOTED = (
    "RUN --mount=type=cache,id=notes,target=/notes echo {name} >> /notes/ran && sleep 0.2 && echo {name} > /{name}\n"
)


def _noted(name: str) -> str:
    """A step that leaves its name in a folder all builds share, each time it runs."""
    return _NOTED.format(name=name)


def _overlapping(number: int) -> str:
    """Of eight, all share the first stage, four each the second, and every one has a step of its own."""
    return (
        f"FROM busybox AS tools\n{_noted('tools')}"
        f"FROM tools AS half\n{_noted(f'half{number % 2}')}"
        f"FROM busybox AS other\n{_noted('other')}"
        f"FROM half\nCOPY --from=other /other /copied\n{_noted(f'own{number}')}"
    )


def test_eight_builds_at_once_run_every_shared_step_once(llbuild: Llbuild, tmp_path: Path) -> None:
    builds = []
    for number in range(8):
        context = tmp_path / f"context{number}"
        context.mkdir()
        (context / "Dockerfile").write_text(_overlapping(number))
        builds.append(llbuild.start("build", "--progress=plain", "-t", f"image{number}", context))
    try:
        for process in builds:
            _, stderr = wait_for_end(process, 120)
            assert process.returncode == 0, stderr.decode(errors="replace")
    finally:
        for process in builds:
            process.kill()
            process.communicate()
    (notes,) = (llbuild.root / "cache-mounts").glob("*/ran")
    ran = Counter(notes.read_text().split())
    assert ran == {"tools": 1, "half0": 1, "half1": 1, "other": 1, **{f"own{number}": 1 for number in range(8)}}
    assert llbuild("run", "image3", "cat", "/copied", "/half1").stdout == "other\nhalf1\n"


def test_the_lock_files_stay_small_and_nothing_else_is_left(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild.build(context(f"FROM busybox\n{_noted('once')}"))
    left = sorted((entry.name, entry.stat().st_size) for entry in os.scandir(llbuild.root / "locks"))
    assert left == [("cache-mounts", 0), ("gc", 0), ("leases", 0), ("results", 16), ("steps", 8192)]
