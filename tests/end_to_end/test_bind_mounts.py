"""Bind mounts from contexts, stages and images: parts of them, and changes that are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild


def test_changes_to_what_is_bound_are_dropped_and_forbidden_where_it_is_read_only(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    folder = context(
        "FROM busybox AS stage\nRUN mkdir /s && echo stage > /s/f\n"
        "FROM busybox\n"
        "RUN --mount=type=bind,target=/ctx,rw --mount=from=stage,source=/s,target=/s,rw "
        "--mount=from=busybox,source=/etc/passwd,target=/p,rw \\\n"
        "    cat /ctx/f /s/f && echo new > /ctx/f && rm /s/f && echo new >> /p && tail -1 /p && ls -A /s\n"
        "RUN --mount=target=/ctx --mount=from=stage,source=/s,target=/s --mount=source=f,target=/f \\\n"
        "    cat /ctx/f /s/f /f; for f in /ctx/f /s/new /f; do ! echo x > $f || exit 1; done; ! rm /s/f\n"
        "RUN test ! -e /ctx && test ! -e /s && test ! -e /p && test ! -e /f\n",
        f="context\n",
    )
    outcome = llbuild.build(folder)
    assert outcome.step("rm /s/f && echo").output == b"context\nstage\nnew\n"
    said = outcome.step("for f in").output.splitlines()  # what it complains of comes through a pipe of its own
    assert [line for line in said if b"Read-only file system" not in line] == [b"context", b"stage", b"context"]
    assert outcome.step("for f in").output.count(b"ead-only file system") == 4
    assert (folder / "f").read_text() == "context\n"


def test_a_part_may_be_a_file_or_a_link_and_never_lies_outside(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    seed = (
        "FROM busybox AS seed\n"
        "RUN mkdir -p /d/e && echo inside > /d/e/f\n"
        "RUN ln -s /d/e /link && ln -s ../../../../d/e/f /up && ln -s /nowhere /out\n"
    )
    folder = context(
        seed + "FROM busybox\n"
        "RUN --mount=from=seed,source=/link,target=/a --mount=from=seed,source=/up,target=/b "
        "--mount=from=seed,source=/link/f,target=/deep/er/c cat /a/f /b /deep/er/c\n"
        "RUN test ! -e /deep && test ! -e /a\n"
    )
    assert llbuild.build(folder).step("cat /a/f").output == b"inside\n" * 3
    for source in ("/out", "/proc/self/root/etc/shadow", "/d/../../../missing"):
        wrong = context(seed + f"FROM busybox\nRUN --mount=from=seed,source={source},target=/x true\n")
        outcome = llbuild.build(wrong, exit_code=1)
        assert "No such file or directory" in outcome.stderr or "not found" in outcome.stderr
