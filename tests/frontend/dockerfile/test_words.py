"""Expansion of words: every operator, quoting, escapes, nesting, fields, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.frontend.dockerfile.words import MAX_WORD, WordError, expand, split_fields

ENV = {"v": "value", "e": "", "file": "archive.tar.gz", "path": "/usr/lib/x/y.so", "sp": "one  two", "dollar": "$v"}


@pytest.mark.parametrize(
    ("word", "want"),
    [
        ("plain", "plain"),
        ("$v", "value"),
        ("${v}", "value"),
        ("a${v}b", "avalueb"),
        ("$v-$e-$none", "value--"),
        ("$1$@$9x", "x"),
        ("$", "$"),
        ("$.", "$."),
        ("a$", "a$"),
        ("${v:-d}${e:-d}${none:-d}", "valuedd"),
        ("${v-d}${e-d}${none-d}", "valued"),
        ("${v:+a}${e:+a}${none:+a}", "a"),
        ("${v+a}${e+a}${none+a}", "aa"),
        ("${v:?no}${v?no}", "valuevalue"),
        ("${e?no}", ""),
        ("${none:-${e:-${v}}}", "value"),
        ("${none:-'$v'}", "$v"),
        ('${none:-"$v b"}', "value b"),
        ("${file#*.}", "tar.gz"),
        ("${file##*.}", "gz"),
        ("${file%.*}", "archive.tar"),
        ("${file%%.*}", "archive"),
        ("${path#/*/}", "lib/x/y.so"),
        ("${path##/*/}", "y.so"),
        ("${path%/*}", "/usr/lib/x"),
        ("${v#val?e}", ""),
        ("${v#zzz}", "value"),
        ("${none#x}", ""),
        ("${path/x/z}", "/usr/lib/z/y.so"),
        ("${path//\\//-}", "-usr-lib-x-y.so"),
        ("${v//a*/b}", "vb"),
        ("${v/#/x}", "value"),
        ("'$v'", "$v"),
        ('"$v"', "value"),
        ('"a\'b"', "a'b"),
        ("'a\"b'", 'a"b'),
        ("\\$v", "$v"),
        ("\\\\$v", "\\value"),
        ('"\\$v \\" \\n"', '$v " \\n'),
        ("a\\ b", "a b"),
        ("end\\", "end"),
        ("$dollar", "$v"),
        ("ä$v€", "ävalue€"),
    ],
)
def test_a_word_expands(word: str, want: str) -> None:
    assert expand(word, ENV).text == want


def test_the_escape_character_can_be_a_backtick() -> None:
    assert expand("c:\\a`$v$v", ENV, escape="`").text == "c:\\a$vvalue"


def test_used_and_unset_variables_are_told() -> None:
    expansion = expand("$v ${none:-$e} ${gone/x/y}", ENV)
    assert (expansion.found, expansion.missing) == (frozenset({"v", "e"}), frozenset({"none", "gone"}))


def test_quotes_can_stay_and_unset_variables_too() -> None:
    assert expand("\"$v\" '$v' $x ${x:-$v}", ENV, keep_quotes=True, keep_unset=True).text == (
        "\"value\" '$v' $x ${x:-value}"
    )
    assert expand("${x//a/b}", ENV, keep_unset=True).text == "${x/a/b}"


def test_without_quotes_only_dollars_and_escapes_count() -> None:
    assert expand('it\'s "$v" \\$v', ENV, quotes=False).text == 'it\'s "value" $v'


@pytest.mark.parametrize(
    ("word", "message", "offset"),
    [
        ("a'b", "the single quote is never closed", 1),
        ('ab"c', "the double quote is never closed", 2),
        ('"a\\"', "the double quote is never closed", 0),
        ("x${v", "'${' has no closing '}'", 1),
        ("${", "'${' has no closing '}'", 0),
        ("a${v:-b", "'${' has no closing '}'", 1),
        ("${}", "bad substitution: a variable's name must follow '${', not '}'", 0),
        ("${{v}}", "bad substitution: a variable's name must follow '${', not '{'", 0),
        ("${v/x}", "the pattern of '${…/pattern/replacement}' has no second '/'", 0),
        ("${v!x}", "'!' is not an operator of '${…}'; there are :- - :+ + :? ? # ## % %% / //", 0),
        ("${v:=x}", "':=' is not an operator of '${…}'; there are :- - :+ + :? ? # ## % %% / //", 0),
        ("..${none:?set it}", "none: set it", 2),
        ("${none?}", "none: is not allowed to be unset", 0),
        ("${e:?}", "e: is not allowed to be empty", 0),
        ("${v#\\a}", "'\\a' is not an escape of a pattern; there are \\* \\? \\\\", 0),
    ],
)
def test_a_wrong_word_says_what_is_wrong_and_where(word: str, message: str, offset: int) -> None:
    with pytest.raises(WordError) as caught:
        expand(word, ENV)
    assert (caught.value.message, caught.value.offset) == (message, offset)


@pytest.mark.parametrize(
    ("word", "want"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("$sp", ["one", "two"]),
        ('"$sp"', ["one  two"]),
        ("x$sp y", ["xone", "two", "y"]),
        ("'a b' c", ["a b", "c"]),
        ("a\\ b c", ["a b", "c"]),
        ("$none", []),
        ("''", []),
        ("8${none:-0}80 8${none}0", ["080", "80"]),
        ("cat << EOF", ["cat", "<< EOF"]),
    ],
)
def test_a_word_splits_into_fields(word: str, want: list[str]) -> None:
    assert split_fields(word, ENV) == want


def test_an_operator_drops_what_stood_before_it_in_its_field() -> None:
    assert split_fields("1 8${A:+0} 9$A", {"A": "x"}) == ["1", "0", "9x"]


def test_nesting_needs_no_stack() -> None:
    depth = 100_000
    assert expand("${x:-" * depth + "deep" + "}" * depth, {}).text == "deep"


def test_what_a_word_grows_to_is_bounded() -> None:
    with pytest.raises(WordError, match="longer than"):
        expand("$a$a", {"a": "x" * MAX_WORD})
    with pytest.raises(WordError, match="longer than"):
        expand("${a//x/$a}", {"a": "x" * 2000})


@given(st.text())
def test_single_quotes_keep_any_text(text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert expand(quoted, ENV).text == text


@given(st.text(alphabet="${}:-+?#%/\\'\"<ab *", max_size=40))
def test_any_word_expands_or_is_refused(text: str) -> None:
    offset = 0
    try:
        expand(text, {"a": "b"})
        split_fields(text, {"a": "b"}, keep_quotes=True, keep_escapes=True, keep_unset=True)
    except WordError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)
