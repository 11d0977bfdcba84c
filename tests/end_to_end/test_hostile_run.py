"""A whole build of a Dockerfile that means no good: what it prints, what it finds, what it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import processes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

TOKEN = "8e1f5c1d-only-for-llbuild"
GIB = 1 << 30
MOST_BYTES = 200 << 20


def test_neither_the_environment_nor_the_state_folder_is_within_reach(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    (llbuild.root / "planted").write_text(TOKEN)
    folder = context(
        "FROM busybox\n"
        "RUN env > /seen; for f in /proc/*/environ /proc/*/cmdline; do cat $f >> /seen 2>/dev/null; done; true\n"
        f"RUN ls -la {llbuild.root} .. ../../{llbuild.root} /proc/1/root{llbuild.root} >> /seen 2>/dev/null; true\n"
        "RUN find / -xdev -name planted -o -xdev -name state.db >> /seen\n"
        "RUN cat /seen\n"
    )
    outcome = llbuild.build("-t", "seen", folder, env={"LLBUILD_TEST_TOKEN": TOKEN, "GITHUB_TOKEN": TOKEN})
    output = outcome.step("cat /seen").output.decode()
    assert "PATH=" in output
    assert TOKEN not in output
    assert "TOKEN" not in output
    assert "planted" not in output
    assert "state.db" not in output


def test_what_is_printed_cannot_drive_the_terminal(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(
        "FROM busybox\n"
        r"RUN printf '\033]0;renamed\007\033[2J\033[1;1Hfaked\r#9 DONE\n\302\23331mred \220\233 \377\376\n'"
        "\n"
    )
    outcome = llbuild("build", "--progress=plain", folder)
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(outcome.stderr)
    (printed,) = [line for line in outcome.stderr.splitlines() if "red" in line and "RUN" not in line]
    assert printed.split()[-3:] == ["red", "\ufffd\ufffd", "\ufffd\ufffd"]


def test_a_step_that_daemonizes_ends_with_its_build(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(
        "FROM busybox\n"
        "RUN trap '' TERM HUP INT; (setsid sh -c 'trap \"\" TERM; sleep 4242' < /dev/null > /dev/null 2>&1 &)\n"
    )
    llbuild.build(folder)
    assert processes_of(llbuild.root) == []


@pytest.mark.slow
def test_a_gigabyte_of_output_takes_little_memory(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(f"FROM busybox\nRUN head -c {GIB} /dev/zero; echo; echo the end\n")
    assert llbuild.peak_bytes("build", "--progress=plain", folder) < MOST_BYTES
    log = llbuild("builds", "logs").stdout
    assert len(log) < 64 << 20
