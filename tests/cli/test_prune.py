"""`llbuild prune`'s arguments and its words."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.main import main
from llbuild.cli.prune import parse_prune, render_pruned
from llbuild.cli.storage import Collected
from llbuild.errors import UsageError
from llbuild.solver.gc import Entry, EntryType, Rule, Space, parse_filter

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("", Rule()),
        ("--all", Rule(all_types=True, images=True)),
        ("--keep-storage 10GB", Rule(reserved_space=Space(10**10))),
        ("--reserved-space 10GB --max-used-space 50% --min-free-space 1GiB", Rule(
            reserved_space=Space(10**10), max_used_space=Space(percent=50), min_free_space=Space(1 << 30)
        )),
        ("--keep-duration 72h", Rule(keep_duration_s=259200)),
        ("--filter type=blob --filter until=1h", Rule(filters=(parse_filter("type=blob,until=1h"),))),
    ],
)  # fmt: skip
def test_flags_make_a_rule(line: str, rule: Rule) -> None:
    assert parse_prune(line.split(), {"LLBUILD_ROOT": "/r", "LLBUILD_CONFIG": ""}).rule == rule


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--keep-storage 1x", "--keep-storage: expected an amount"),
        ("--keep-duration soon", "--keep-duration: expected a duration"),
        ("--keep-storage 1 --reserved-space 1", "are the same"),
        ("--filter colour", "unknown key"),
        ("--fitler x", "did you mean '--filter'"),
    ],
)
def test_wrong_flags(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_prune(line.split(), {"LLBUILD_ROOT": "/r", "LLBUILD_CONFIG": ""})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("yes\n", 0), ("\n", 1), ("n\n", 1), ("", 1)])
def test_on_a_terminal_it_asks(
    answer: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["prune", "--all", "--root", str(tmp_path / "state")]) == code
    assert "all images" in capsys.readouterr().err


def test_it_tells_what_went_and_the_sum() -> None:
    layer = Entry(type=EntryType.REGULAR, id="run-" + "0" * 32, size_bytes=1500, description="RUN \x1b[31mmake")
    linked = Entry(type=EntryType.BLOB, id="sha256:" + "1" * 64, size_bytes=500, linked=True)
    said = render_pruned(Collected(entries=(layer, linked), freed_bytes=1500))
    assert said == (
        "ID                    TYPE      SIZE      DESCRIPTION\n"
        "run-000000000000      regular   1.5kB     RUN make\n"
        "sha256:111111111111   blob      0B\n"
        "\n"
        "Total: 1.5kB\n"
    )
    assert render_pruned(Collected()) == "Total: 0B\n"
