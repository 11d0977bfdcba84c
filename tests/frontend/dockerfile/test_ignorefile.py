"""`.dockerignore`: lines to patterns, and what is too much."""

from __future__ import annotations

import pytest
from llbuild.errors import SourceError
from llbuild.frontend.dockerfile.ignorefile import MAX_PATTERNS, parse_ignore_file
from llbuild.frontend.dockerfile.source import MAX_LINE
from llbuild.patterns import IgnoreList


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", ()),
        ("\n \t\n", ()),
        ("a\nb/c\n", ("a", "b/c")),
        ("\ufeffa\r\nb \r\n", ("a", "b")),
        ("# c\na # b\n #d", ("a # b", "#d")),  # a comment begins in the first column
        ("  a  ", ("a",)),
        ("/a\n//b/\n/", ("a", "b", "/")),
        ("./a\na/../b\nc//d/.\n..", ("a", "b", "c/d", "..")),
        ("!a\n! /b\n!", ("!a", "!b", "!")),
        ("**/*.o\n!keep.o\n[a-c]?", ("**/*.o", "!keep.o", "[a-c]?")),
        ("a\u00a0", ("a",)),
        ("\\#a\n\\!b", ("\\#a", "\\!b")),
    ],
)
def test_a_line_is_a_pattern_cleaned_as_a_path(text: str, want: tuple[str, ...]) -> None:
    assert parse_ignore_file(text.encode()) == want


@pytest.mark.parametrize(
    ("text", "path", "excluded"),
    [
        ("a", "a/b", True),
        ("*\n!a/b", "a/b", False),
        ("*\n!a/b\na/b", "a/b", True),
        ("**/x\n!y/x", "y/x", False),
        ("/a", "a", True),
        ("a/", "a/b", True),
    ],
)
def test_the_last_line_that_matches_decides(text: str, path: str, excluded: bool) -> None:
    assert IgnoreList(parse_ignore_file(text.encode())).excludes(path) == excluded


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\n" * (MAX_PATTERNS + 1), "it holds more than 50,000 patterns"),
        (b"b\n" + b"a" * (MAX_LINE + 1), "line 2 is longer than 65535 characters"),
    ],
)
def test_what_is_too_much_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        parse_ignore_file(data)
