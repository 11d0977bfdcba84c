"""Where things stand: instructions written in any layout, and the places the parser gives to every piece of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.errors import DockerfileError
from llbuild.frontend.dockerfile.parser import parse
from llbuild.span import Span
from llbuild.tests.fuzz.targets import check_places
from llbuild.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llbuild.frontend.dockerfile.parser import Node
    from llbuild.frontend.dockerfile.source import Word


class Page:
    """A Dockerfile while it is written; notes where each piece was put."""

    def __init__(self, newline: str) -> None:
        self.newline = newline
        self.text = ""
        self.line = self.column = 1

    def put(self, piece: str) -> Span:
        """A piece on one line."""
        start = self.column
        self.text += piece
        self.column += len(piece)
        return Span("D", self.line, start, self.line, self.column)

    def layout(self, text: str) -> None:
        for char in text:
            if char == "\n":
                self.text += self.newline
                self.line, self.column = self.line + 1, 1
            else:
                self.put(char)


NEWLINES = st.sampled_from(["\n", "\r\n", "\r\r\n"])
INDENTS = st.sampled_from(["", " ", "\t", "\u2003", " \t ", "\n", "# comment\n", "\n\n  # é\n\t"])
GAPS = st.sampled_from(
    [" ", "\t", "  ", " \\\n", "\\\n ", " \\ \t\n\t", " \\\n# why\n \\\n\n  ", " \\\n  # é\n\t", "\t\\\n\\\n "]
)
WORDS = st.sampled_from(
    ["a", "bc/d", "é", "日本", "$A", "${A:-b}", '"q"', "x\\y", "\ufeffz", "\u200b", "a#b", "\U0001f433"]
)
FLAGS = st.sampled_from(["--link", "--from=b", "--chown=é:日本", "--exclude=a"])
ENDS = st.sampled_from(["", " ", "\t ", "\\", " \\", "\n", " \n\nRUN b\n", " \\\n\n\n", "\n# c"])


@st.composite
def written(draw: st.DrawFn, pieces: Sequence[str]) -> tuple[Page, list[Span]]:
    """The pieces with gaps between them, on a page that may hold something already; and where each one is."""
    page = Page(draw(NEWLINES))
    page.layout(draw(INDENTS))
    places = [page.put(pieces[0])]
    for piece in pieces[1:]:
        page.layout(draw(GAPS))
        places.append(page.put(piece))
    page.layout(draw(ENDS))
    return page, places


def parsed(page: Page, *, bom: bool) -> Node:
    data = page.text.encode()
    document = parse(b"\xef\xbb\xbf" + data if bom else data, "D")
    check_places(data, document.nodes)
    return document.nodes[0]


def at(words: Sequence[Word]) -> list[Span]:
    return [word.at for word in words]


@settings(deadline=None)
@given(st.data(), st.lists(FLAGS, max_size=3), st.lists(WORDS, min_size=2, max_size=4), st.booleans())
def test_flags_and_words_know_their_places(data: st.DataObject, flags: list[str], words: list[str], bom: bool) -> None:
    page, places = data.draw(written(["COPY", *flags, *words]))
    node = parsed(page, bom=bom)
    assert [word.text for word in node.arguments.words] == words
    assert [node.keyword.at, *at(node.flags), *at(node.arguments.words)] == places


@settings(deadline=None)
@given(st.data(), st.lists(WORDS, min_size=1, max_size=4), st.booleans())
def test_pairs_know_their_places(data: st.DataObject, values: list[str], bom: bool) -> None:
    page, places = data.draw(written(["ENV", *(f"k={value}" for value in values)]))
    pairs = parsed(page, bom=bom).arguments.pairs
    assert at([pair.key for pair in pairs]) == [replace(place, end_column=place.column + 1) for place in places[1:]]
    assert at([pair.value for pair in pairs]) == [replace(place, column=place.column + 2) for place in places[1:]]


@settings(deadline=None)
@given(st.data(), st.lists(WORDS.filter(lambda word: "\\" not in word and '"' not in word), min_size=1, max_size=4))
def test_words_in_json_know_their_places(data: st.DataObject, words: list[str]) -> None:
    pieces = [piece for word in words for piece in (f'"{word}"', ",")]
    page, places = data.draw(written(["CMD", "[", *pieces[:-1], "]"]))
    arguments = parsed(page, bom=False).arguments
    if not arguments.json:  # a no-break space is no blank to JSON
        return
    assert [word.text for word in arguments.words] == words
    assert at(arguments.words) == places[2:-1:2]


@settings(deadline=None)
@given(st.data(), st.sampled_from(["E", '"E"', "-E", "-'E'"]), st.sampled_from(["RUN", "COPY", "ONBUILD"]))
def test_heredocs_know_their_places(data: st.DataObject, name: str, keyword: str) -> None:
    first = ["ONBUILD", "RUN"] if keyword == "ONBUILD" else [keyword]
    page, places = data.draw(written([*first, f"<<{name}", "x", "3<<F", "/y"]))
    last = places[-1].line
    head = page.text[: page.text.rindex("/y") + 2]
    document = f"{head}{page.newline}1{page.newline}E{page.newline}2{page.newline}3{page.newline}F{page.newline}"
    (node,) = parse(document.encode(), "D").nodes
    assert [heredoc.word.at for heredoc in node.heredocs] == [places[-4], places[-2]]
    bodies = [(heredoc.first_line, heredoc.content.count("\n")) for heredoc in node.heredocs]
    assert bodies == [(last + 1, 1), (last + 3, 2)]
    assert (node.line.first, node.line.last) == (places[0].line, last + 5)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("FROM a\r\nENV A=1 \\\r\n\tB", (3, 2, 3, 3)),
        ("\ufeffFROM a\nCMD [1]", (2, 5, 2, 8)),
        ("FROM a\nENV é=日本 \\\n  # why\n 日本", (4, 2, 4, 4)),
        ("FROM a\nRUN <<E \\\n  <<'F G'\nE\n", (3, 3, 3, 10)),
        ("FROM a\nONBUILD \\\n ENV X", (3, 6, 3, 7)),
        ("\tFROM a\n\t COPY <<\\\nE /", (2, 8, 3, 2)),
    ],
)
def test_errors_stand_at_the_piece_that_is_wrong(text: str, place: tuple[int, int, int, int]) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text.encode(), "D")
    assert caught.value.at == Span("D", *place)
