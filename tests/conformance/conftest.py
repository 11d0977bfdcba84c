"""The corpus, the scores of everything that was compared with it, and the table at the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.tests.conformance.corpus import Corpus, find_corpus
from llbuild.tests.conformance.score import BARS, Scoreboard

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_BOARD = pytest.StashKey[Scoreboard]()


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    found = find_corpus()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def board(request: pytest.FixtureRequest) -> Scoreboard:
    return request.config.stash.setdefault(_BOARD, Scoreboard())


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    board = config.stash.get(_BOARD, None)
    if board is None or not board.scores:
        return
    terminalreporter.section("conformance")
    terminalreporter.write(board.table())
    for what in BARS:
        differences = board.differences(what)
        if differences:
            terminalreporter.write(f"\n{what}, differing:\n{differences}\n")
