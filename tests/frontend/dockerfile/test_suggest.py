"""The nearest known word."""

from __future__ import annotations

import pytest
from llbuild.frontend.dockerfile.suggest import did_you_mean, nearest

KNOWN = ["FROM", "RUN", "COPY", "CMD"]


@pytest.mark.parametrize(
    ("word", "want"),
    [("FORM", "FROM"), ("COPPY", "COPY"), ("RU", "RUN"), ("XYZZY", ""), ("RUN", ""), ("C" * 100, "")],
)
def test_the_nearest_word_is_found(word: str, want: str) -> None:
    assert nearest(word, KNOWN) == want


def test_a_hint_takes_over_the_case() -> None:
    assert did_you_mean("form", KNOWN, ignore_case=True) == "did you mean from?"
    assert did_you_mean("nothing", KNOWN) == ""
