"""Every Dockerfile of the corpus compiles to the graph that BuildKit makes of it, or is rejected at the same place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.conformance.compared import command_line, compare, compiled_here
from llbuild.tests.end_to_end.driver import Llbuild

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.tests.conformance.corpus import Corpus
    from llbuild.tests.conformance.score import Scoreboard

_PROCESSES = 6  # cases that go through a process of their own


@pytest.fixture(scope="module")
def compiled(corpus: Corpus, board: Scoreboard, tmp_path_factory: pytest.TempPathFactory) -> Scoreboard:
    """The scoreboard, with every case of the corpus on it."""
    folder = tmp_path_factory.mktemp("conformance")
    for case in corpus.cases():
        compare(case, compiled_here(case, corpus, folder), board)
    return board


@pytest.mark.parametrize("what", ["ops", "root", "image", "warnings", "rejected", "rejected there"])
def test_cases_come_out_as_buildkit_has_them(compiled: Scoreboard, what: str) -> None:
    shortfall = compiled.shortfall(what)
    assert not shortfall, shortfall


def test_the_command_line_gives_the_same_bundles(corpus: Corpus, tmp_path: Path) -> None:
    llbuild = Llbuild(root=tmp_path / "state")
    cases = corpus.cases()
    for case in cases[:: max(1, len(cases) // _PROCESSES)]:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        printed = llbuild("compile", *command_line(case, corpus, tmp_path / "a")).stdout
        assert json.loads(printed) == compiled_here(case, corpus, tmp_path / "b"), case.name
        (tmp_path / "a").rename(tmp_path / f"{case.name}-a")
        (tmp_path / "b").rename(tmp_path / f"{case.name}-b")
    assert not (tmp_path / "state").exists(), "nothing but the context is read"
