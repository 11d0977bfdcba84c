"""Patterns of `#`, `%` and `/`, against a translation to regular expressions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.frontend.dockerfile.shellglob import GlobError, replace_pattern, trim_prefix, trim_suffix

PATTERNS = st.text(alphabet="ab*?", max_size=6)
VALUES = st.text(alphabet="ab\n", max_size=12)


def regex(pattern: str, *, greedy: bool) -> str:
    star = ".*" if greedy else ".*?"
    return "".join(star if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)


@given(VALUES, PATTERNS, st.booleans())
def test_a_prefix_is_what_the_regular_expression_matches(value: str, pattern: str, greedy: bool) -> None:
    match = re.match(regex(pattern, greedy=greedy), value)
    assert trim_prefix(value, pattern, greedy=greedy) == (value[match.end() :] if match else value)


@given(VALUES, PATTERNS, st.booleans())
def test_a_suffix_is_a_prefix_backwards(value: str, pattern: str, greedy: bool) -> None:
    assert trim_suffix(value, pattern, greedy=greedy) == trim_prefix(value[::-1], pattern[::-1], greedy=greedy)[::-1]


@given(VALUES, PATTERNS)
def test_the_first_match_is_replaced(value: str, pattern: str) -> None:
    want = re.sub(regex(pattern, greedy=True), "X", value, count=1)
    assert replace_pattern(value, pattern, "X", every=False, limit=1000) == want


@given(VALUES, st.text(alphabet="ab?", min_size=1, max_size=3))
def test_every_match_is_replaced(value: str, pattern: str) -> None:
    want = re.sub(regex(pattern, greedy=True), "X", value)
    assert replace_pattern(value, pattern, "X", every=True, limit=1000) == want


@pytest.mark.parametrize(
    ("value", "pattern", "replacement", "want"),
    [
        ("abc", "", "-", "-a-b-c-"),
        ("aXb", "*", "-", "-"),
        ("a*b", "\\*", "-", "a-b"),
        ("a/b", "\\/", "-", "a-b"),
        ("a\\b", "\\\\", "-", "a-b"),
        ("aa", "a", "$1", ""),
        ("aa", "a", "$$", "$$"),
    ],
)
def test_replacing_all_knows_empty_matches_and_go_references(
    value: str, pattern: str, replacement: str, want: str
) -> None:
    assert replace_pattern(value, pattern, replacement, every=True, limit=1000) == want


def test_many_stars_take_no_exponential_time() -> None:
    assert trim_prefix("a" * 5000, "*a" * 500 + "b", greedy=True) == "a" * 5000


@pytest.mark.parametrize("pattern", ["\\a", "a\\"])
def test_an_unknown_escape_is_refused(pattern: str) -> None:
    with pytest.raises(GlobError, match="is not an escape of a pattern"):
        trim_prefix("a", pattern, greedy=False)
