"""Texts as Go prints them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.frontend.dockerfile.gofmt import go_json, go_list, go_quote, go_quoted_list


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a b", '"a b"'),
        ('"\\', '"\\"\\\\"'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("\0\x7f", '"\\x00\\x7f"'),
        ("äé€😀", '"äé€😀"'),
        ("\xa0\u2028\U000e0001", '"\\u00a0\\u2028\\U000e0001"'),
    ],
)
def test_a_text_is_quoted(text: str, want: str) -> None:
    assert go_quote(text) == want


def test_lists_are_written_with_blanks_between() -> None:
    assert go_list(["a", "b c"]) == "[a b c]"
    assert go_quoted_list(["a", "b c"]) == '["a" "b c"]'


@given(st.lists(st.text()))
def test_json_reads_back_and_is_safe_in_html(items: list[str]) -> None:
    text = go_json(items)
    assert json.loads(text) == items
    assert not set("<>&\u2028\u2029") & set(text)
