"""Go's durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.frontend.dockerfile.duration import format_duration, parse_duration

SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("30s", 30 * SECOND),
        ("1m30s", 90 * SECOND),
        ("1.5h", 5400 * SECOND),
        ("500ms", SECOND // 2),
        (".5s", SECOND // 2),
        ("1us", 1000),
        ("1µs", 1000),
        ("7ns", 7),
        ("-2s", -2 * SECOND),
        ("+2s", 2 * SECOND),
    ],
)
def test_a_duration_is_read(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1 s", "1s2", "-", ".s", "1d", "99999999h", "1..s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration|unit|longer"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1100, "1.1µs"),
        (SECOND // 2, "500ms"),
        (SECOND, "1s"),
        (1500 * 10**6, "1.5s"),
        (60 * SECOND, "1m0s"),
        (3600 * SECOND, "1h0m0s"),
        (3661 * SECOND + 5, "1h1m1.000000005s"),
        (-90 * SECOND, "-1m30s"),
    ],
)
def test_a_duration_is_written(ns: int, text: str) -> None:
    assert format_duration(ns) == text


@given(st.integers(0, 1 << 62))
def test_what_is_written_reads_back(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns
