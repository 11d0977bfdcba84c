"""Patterns: tables of filepath.Match and of moby/patternmatcher's lists, and what must hold for any list."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.patterns import (
    IgnoreList,
    _goes_astray,
    _regex,
    _translate,
    _Walk,
    clean_path,
    compile_match,
    has_wildcards,
)

MATCH = [  # as in Go's own tests, path/filepath/match_test.go: (pattern, name, matches)
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "ab/c", False),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False),
    ("ab[^b-d]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("[a-ö]*", "ä", True),
    ("*[a-ö]", "A", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    ("[\\]a]", "]", True),
    ("[\\-]", "-", True),
    ("[x\\-]", "x", True),
    ("[x\\-]", "z", False),
    ("[\\-x]", "a", False),
    ("*x", "xxx", True),
    ("a[b-a]", "ab", False),
    ("a.c", "abc", False),
    ("a+", "a+", True),
    ("*", "a\nb", True),
    ("\udcff*", "\udcffx", True),
]

MALFORMED = ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "a[x", "\\", "[a-", "[\\"]

LISTS = [  # (lines, path, excluded); facts: moby/patternmatcher's tests, and trials against BuildKit
    (["**"], "file", True),
    (["**"], "dir/file", True),
    (["**/"], "dir/file", True),
    (["**/**"], "dir/file", True),
    (["dir/**"], "dir/dir2/file", True),
    (["dir/**"], "dir", False),
    (["**/dir2/*"], "dir/dir2/file", True),
    (["**/dir2/**"], "dir/dir2/dir2/file", True),
    (["**file"], "dir/afile", True),  # a suffix
    (["**file*"], "dir/afile", False),  # no suffix any more
    (["**/file"], "afile", False),
    (["**/a/b"], "x/a/b", True),
    (["**/a/b"], "xa/b", False),
    (["a/**/b"], "a/b", True),
    (["a/**/b"], "a/x/y/b", True),
    (["a/**/b"], "ab", False),
    (["a**"], "abc/d", True),
    (["a**b"], "axb", False),
    (["*.txt"], "a.txt", True),
    (["*.txt"], "d/a.txt", False),
    (["**/*.txt"], "d/e/a.txt", True),
    (["**/*.txt"], "a.txt", True),
    (["d"], "d/e/f", True),
    (["d/e"], "d/e/f", True),
    (["d/"], "d/x", True),
    (["./d/../e"], "e", True),
    (["/d"], "d", True),
    (["../d"], "d", False),
    (["."], "d", False),
    (["*", "!keep"], "keep", False),
    (["*", "!keep"], "keep/this", False),
    (["*", "!keep", "keep/not"], "keep/not", True),
    (["*", "!a/b"], "a/b", False),
    (["*", "!a/b"], "a/b/c", False),
    (["*", "!a/b"], "a/c", True),
    (["!keep", "*"], "keep", True),
    (["d", "!d/*.md", "d/README.md"], "d/README.md", True),
    (["d", "!d/*.md", "d/README.md"], "d/other.md", False),
    (["**", "!**/*.go"], "a/b/c.go", False),
    (["**", "!src"], "src/a/b", False),
    (["a", "!a/b", "a*"], "a/b", False),  # moby: `a*` is not tried on a, which `a` matched; so b does not inherit it
    (["a.c"], "abc", False),
    (["a[^b]c"], "a/c", True),  # a class matches '/' in a list
    (["*[^a]*b"], "x/b", True),
    (["*[^a]*b"], "b", False),
    (["**/a/**/b/**/c"], "x/a/b/y/z/c", True),
    (["**/a/**/b/**/c"], "x/a/y/c", False),
    (["**/a*/**/b"], "aa/x/b/c", True),
    (["**/**/**"], "a/b", True),
    (["a**b**c"], "ax/bx/c", True),  # `**` inside of names: nothing, or anything up to a slash
    (["a**b**c"], "axbxc", False),
    (["a**b**c"], "a/x/b/c", True),
    (["**/[^a]/**/b"], "x/b", True),
    (["***/x"], "a/b/x", True),
    (["x\\*"], "x*", True),
    (["x\\*"], "xy", False),
    (["[a-c]"], "b", True),
    ([" padded "], "padded", True),
    (["", "  "], "a", False),
    (["naïve*"], "naïve.txt", True),
    (["(x)"], "(x)", True),
    (["a|b"], "a", False),
]


@pytest.mark.parametrize(("pattern", "name", "matches"), MATCH)
def test_a_pattern_matches_as_in_go(pattern: str, name: str, matches: bool) -> None:
    assert (compile_match(pattern).fullmatch(name) is not None) == matches


@pytest.mark.parametrize("pattern", MALFORMED)
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        compile_match(pattern)
    with pytest.raises(ValueError, match="pattern"):
        IgnoreList(["fine", pattern])


@pytest.mark.parametrize(("lines", "path", "excluded"), LISTS)
def test_a_list_excludes_as_moby_does(lines: list[str], path: str, excluded: bool) -> None:
    assert IgnoreList(lines).excludes(path) == excluded


def test_an_exception_without_a_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="'!'"):
        IgnoreList(["!"])


def test_an_empty_list_is_false_and_excludes_nothing() -> None:
    nothing = IgnoreList(["", "."])
    assert not nothing
    assert not nothing.excludes("a/b")
    assert not nothing.has_exceptions


def test_a_pattern_of_absurd_length_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        compile_match("a" * 100_000)


@pytest.mark.parametrize(
    ("text", "special"),
    [("a", False), ("a*", True), ("a?", True), ("[a]", True), ("a\\*", False), ("\\[a", False), ("\\\\*", True)],
)
def test_only_unquoted_characters_are_wildcards(text: str, special: bool) -> None:
    assert has_wildcards(text) == special


@pytest.mark.parametrize(
    ("path", "clean"),
    [("/", ""), ("", ""), ("/a//b/", "a/b"), ("./a/.", "a"), ("../a", "a"), ("a/../b", "b"), ("a/b/../../..", "")],
)
def test_a_path_is_cleaned_below_its_root(path: str, clean: str) -> None:
    assert clean_path(path) == clean


NAMES = st.text("ab", min_size=1, max_size=2)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(NAMES | st.sampled_from(["*", "**", "a*", "?", "[a]"]), min_size=1, max_size=3).map("/".join)


@given(st.lists(PATTERNS, max_size=5), PATHS)
def test_without_exceptions_a_list_excludes_what_one_of_its_lines_does(lines: list[str], path: str) -> None:
    assert IgnoreList(lines).excludes(path) == any(IgnoreList([line]).excludes(path) for line in lines)


@given(st.lists(st.tuples(st.booleans(), PATTERNS), max_size=6), PATHS)
def test_lines_tried_together_give_what_they_give_one_by_one(lines: list[tuple[bool, str]], path: str) -> None:
    """Against moby's loop, one line and one folder at a time."""
    want = _one_by_one([(again, IgnoreList([pattern])) for again, pattern in lines], path)
    assert IgnoreList([("!" if again else "") + pattern for again, pattern in lines]).excludes(path) == want


def _one_by_one(lines: list[tuple[bool, IgnoreList]], path: str) -> bool:
    inherited = [False] * len(lines)
    matched = False
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        here = "/".join(parts[:count])
        matched = False
        for number, (again, line) in enumerate(lines):
            if not inherited[number]:
                if again != matched:
                    continue
                inherited[number] = line.step(here)[0]
            if inherited[number]:
                matched = not again
    return matched


REACHES = [
    (["*", "!src"], "other", False),
    (["*", "!src"], "src", False),  # what the line says of src itself, src hands down
    (["*", "!src/keep"], "src", True),
    (["*", "!src/keep"], "src/keep", False),
    (["*", "!*/keep"], "any", True),
    (["*", "!*/keep"], "any/thing", False),
    (["*", "!**/keep"], "a/b/c", True),
    (["*", "!a/**"], "a/b", True),
    (["*", "!a/**"], "b", False),
    (["a/b", "c/d"], "a", False),
    (["*", "!x[/]y/z"], "x", True),
]


@pytest.mark.parametrize(("lines", "folder", "may"), REACHES)
def test_folders_in_which_nothing_can_be_included_again_are_known_by_their_names(
    lines: list[str], folder: str, may: bool
) -> None:
    assert IgnoreList(lines).may_include_below(folder) == may


@given(st.lists(st.tuples(st.booleans(), PATTERNS), max_size=5), PATHS)
def test_what_is_included_again_in_an_excluded_folder_was_foreseen(lines: list[tuple[bool, str]], path: str) -> None:
    ignore = IgnoreList([("!" if again else "") + pattern for again, pattern in lines])
    parent = path.rpartition("/")[0]
    if parent and ignore.excludes(parent) and not ignore.excludes(path):
        assert ignore.may_include_below(parent)


PIECES = st.lists(st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "[^a]", "[a-c]", "\\*"]), max_size=9)


@given(PIECES.map("".join), st.text("abc/", max_size=12))
def test_a_pattern_matches_the_same_paths_however_it_is_matched(pattern: str, path: str) -> None:
    """As one plain regular expression, as one that does not go back, and all ways at once."""
    pieces = _translate(pattern, deep=True)
    want = re.fullmatch("".join(pieces), path, re.DOTALL) is not None
    assert _Walk(pieces).fullmatch(path) == want
    if not _goes_astray(pieces):
        assert (re.fullmatch(_regex(pieces), path, re.DOTALL) is not None) == want


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "**/**/**/**/**/**/**/**/x",
            "**/a/**/a/**/a/**/a/**/a/**/b",
            "a**a**a**a**a**a**b",
            "**/*a*/**/*a*/**/*a*/b",
        ),
        *("*a*a*a*a*a*a*b", "*" * 5000 + "b", "**/" * 5000 + "b", "a**" * 500 + "b", "[^b]*" * 500 + "c", "?" * 5000),
    ],
)
def test_no_pattern_tries_ways_by_the_million(pattern: str) -> None:
    for path in ("a/" * 150 + "c", "a" * 250, "aa/" * 80 + "c"):
        assert not IgnoreList([pattern]).excludes(path)


def test_a_list_of_many_lines_costs_little_until_it_is_used() -> None:
    ignore = IgnoreList([f"dir{number}/**/*.o" for number in range(2000)] + ["**/x"] * 50_000)
    assert ignore.excludes("dir7/a/b.o")
    assert not ignore.excludes("dirx/a/b.o")
    assert ignore.excludes("a/x")


def test_the_number_of_slow_patterns_is_bounded() -> None:
    with pytest.raises(ValueError, match="more than 1000 patterns"):
        IgnoreList([f"a**{number}**b**c" for number in range(1001)])


@given(st.lists(st.text(max_size=8), max_size=4), st.text(min_size=1, max_size=8))
def test_no_list_escapes_value_error(lines: list[str], path: str) -> None:
    try:
        ignore = IgnoreList(lines)
    except ValueError:
        return
    ignore.excludes(path)
