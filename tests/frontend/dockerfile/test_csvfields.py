"""Comma-separated values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.frontend.dockerfile.csvfields import split_csv


@given(st.lists(st.text(alphabet='ab," '), min_size=1))
def test_what_is_quoted_reads_back(fields: list[str]) -> None:
    line = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert split_csv(line) == fields


@pytest.mark.parametrize("line", ["", 'a"b', '"a', '"a"b', 'a,"'])
def test_a_broken_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="quote|empty"):
        split_csv(line)
