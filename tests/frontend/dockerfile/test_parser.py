"""Text to nodes: lines, comments, continuations, directives, flags, JSON, heredocs, places, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.errors import DockerfileError
from llbuild.frontend.dockerfile.parser import MAX_INSTRUCTIONS, Node, parse, parse_trigger
from llbuild.frontend.dockerfile.source import MAX_LINE, MAX_WORDS, Word
from llbuild.span import Span


def nodes(text: str | bytes) -> list[Node]:
    return parse(text.encode() if isinstance(text, str) else text, "D").nodes


def only(text: str | bytes) -> Node:
    (node,) = nodes(text)
    return node


def texts(words: tuple[Word, ...]) -> list[str]:
    return [word.text for word in words]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("RUN a", "RUN a"),
        ("  \t RUN a  ", "RUN a  "),
        ("RUN a \\\n  b", "RUN a   b"),
        ("RUN a \\ \t\n  b", "RUN a   b"),
        ("RUN a \\\n# comment\n  b", "RUN a   b"),
        ("RUN a \\\n   # comment\n  b", "RUN a   b"),
        ("RUN a \\\n\n  b", "RUN a   b"),
        ("RUN a \\\\\n", "RUN a \\\\"),
        ("RUN a # b", "RUN a # b"),
        ("RUN a\\", "RUN a"),
        ("\\\nRUN a", "RUN a"),
        ("RUN a \\\r\n  b\r\n", "RUN a   b"),
        ("\ufeffRUN a", "RUN a"),
        ("\n\n# c\nRUN a", "RUN a"),
        ("# escape=`\nRUN a `\n b\\", "RUN a  b\\"),
    ],
)
def test_a_logical_line_is_joined(text: str, want: str) -> None:
    assert only(text).line.text == want


def test_comments_above_belong_to_the_instruction() -> None:
    first, second = nodes("# syntax=x\n# one\n#\n# two\n# three\n  # four\nFROM a\nRUN b\n")
    assert first.comments == ("two", "three", "# four")
    assert second.comments == ()


def test_a_blank_line_in_a_continuation_is_noticed() -> None:
    first, second = nodes("RUN a \\\n\n b\nRUN c \\\n# x\n d")
    assert (first.blank_in_continuation, second.blank_in_continuation) == (True, False)


def test_directives_are_read_until_something_else_comes() -> None:
    found = parse(b"# Syntax = docker/dockerfile:1 \n#escape=`\n# check=skip=all\n# other=1\n# escape=\\\nFROM a", "D")
    directives = found.directives
    assert directives.escape == "`"
    assert {key: item.value for key, item in directives.found.items()} == {
        "syntax": "docker/dockerfile:1",
        "escape": "`",
        "check": "skip=all",
    }
    assert directives.syntax is not None
    assert directives.syntax.at == Span("D", 1)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "\n# escape=`\nRUN a",
            "# hello\n# escape=`\nRUN a",
            "RUN b\n# escape=`\nRUN a",
            "# escape=\n# escape=`\nRUN a",
        ),
        *("#!/bin/x\n# escape=`\nRUN a", "# esca pe=`\nRUN a", "# e\u017fcape=`\nRUN a", "# escape\u2003=`\nRUN a"),
    ],
)
def test_a_late_directive_is_a_comment(text: str) -> None:
    assert parse(text.encode(), "D").directives.escape == "\\"


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("COPY --from=a --link b c", ["--from=a", "--link"], "b c"),
        ('COPY --chown="a b" b c', ["--chown=a b"], "b c"),
        ("COPY --a='x \"y' b c", ['--a=x "y'], "b c"),
        ("COPY --a=x\\ y b c", ["--a=x y"], "b c"),
        ("RUN -- --x", [], "--x"),
        ("RUN --a -- --x", ["--a"], "--x"),
        ("RUN -x --y", [], "-x --y"),
        ("RUN --mount=type=cache,target=/a make", ["--mount=type=cache,target=/a"], "make"),
    ],
)
def test_flags_come_before_the_arguments(text: str, flags: list[str], rest: str) -> None:
    node = only(text)
    assert (texts(node.flags), node.arguments.rest.text) == (flags, rest)


@pytest.mark.parametrize(
    ("text", "json", "words"),
    [
        ('CMD ["a", "b c"]', True, ["a", "b c"]),
        ('CMD [ "a\\n" , "\\u00e4\\ud83d\\ude00" ]', True, ["a\n", "ä😀"]),
        ('CMD ["\\ud800"]', True, ["\ufffd"]),
        ("CMD []", True, []),
        ("CMD ['a']", False, ["['a']"]),
        ('CMD ["a"', False, ['["a"']),
        ('CMD ["a",]', False, ['["a",]']),
        ('CMD ["a"] b', False, ['["a"] b']),
        ("CMD a b", False, ["a b"]),
        ("CMD", False, []),
        ('COPY ["a b", "c"]', True, ["a b", "c"]),
        ("COPY a  b\tc", False, ["a", "b", "c"]),
        ('HEALTHCHECK CMD ["a"]', True, ["CMD", "a"]),
        ("HEALTHCHECK cmd a b", False, ["cmd", "a b"]),
        ("VOLUME a b", False, ["a", "b"]),
        ('ARG a b="c d" e=', False, ["a", 'b="c d"', "e="]),
    ],
)
def test_arguments_are_cut_as_each_instruction_wants(text: str, json: bool, words: list[str]) -> None:
    arguments = only(text).arguments
    assert (arguments.json, texts(arguments.words)) == (json, words)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV a=b", [("a", "b", False)]),
        ("ENV a=b c=d", [("a", "b", False), ("c", "d", False)]),
        ("ENV a=\"b c\" d='e f' g=h\\ i", [("a", '"b c"', False), ("d", "'e f'", False), ("g", "h\\ i", False)]),
        ("ENV a=", [("a", "", False)]),
        ("ENV a b=c  d", [("a", "b=c  d", True)]),
        ("LABEL a.b=c=d", [("a.b", "c=d", False)]),
    ],
)
def test_pairs_have_a_new_form_and_an_old_one(text: str, pairs: list[tuple[str, str, bool]]) -> None:
    found = only(text).arguments.pairs
    assert [(pair.key.text, pair.value.text, pair.legacy) for pair in found] == pairs


def test_heredocs_follow_their_line() -> None:
    text = (
        'COPY <<one.txt <<-"two" /dest/\na $x\n\nb\none.txt\n\t\tc $x\n\ttwo\n'
        "RUN python3 <<EOF && 3<<'E F' cat\nx\nEOF\ny\nE F\n"
        "ONBUILD RUN <<EOT\nz\nEOT\n"
        'RUN ["<<NO"]\n'
    )
    copy, run, onbuild, plain = nodes(text)
    seen = [(doc.name, doc.expand, doc.text, doc.first_line) for doc in copy.heredocs]
    assert seen == [("one.txt", True, "a $x\n\nb\n", 2), ("two", False, "c $x\n", 6)]
    assert [(doc.name, doc.descriptor, doc.content) for doc in run.heredocs] == [("EOF", 0, "x\n"), ("E F", 3, "y\n")]
    assert [doc.content for doc in onbuild.heredocs] == ["z\n"]
    assert plain.heredocs == ()
    assert (copy.line.first, copy.line.last) == (1, 7)


@pytest.mark.parametrize(
    "text", ["RUN cat <<<word", "RUN echo 1<<", "RUN x=$((1<<3<4))", 'RUN echo "<<EOF', "CMD <<EOF"]
)
def test_what_only_looks_like_a_heredoc_is_none(text: str) -> None:
    assert only(text).heredocs == ()


def test_a_heredoc_body_keeps_its_line_ends_and_bytes() -> None:
    (doc,) = only(b"COPY <<E /\na\r\n\xff\nE").heredocs
    assert doc.text.encode("utf-8", "surrogateescape") == b"a\r\n\xff\n"


def test_places_survive_continuations() -> None:
    node = only("COPY --from=x \\\n  # why\n  src \\\n\tdest\n")
    flag, (src, dest) = node.flags[0], node.arguments.words
    assert flag.at == Span("D", 1, 6, 1, 14)
    assert src.at == Span("D", 3, 3, 3, 6)
    assert dest.at == Span("D", 4, 2, 4, 6)
    assert node.keyword.at == Span("D", 1, 1, 1, 5)
    assert node.line.at == Span("D", 1, 1, 4, 0)


def test_places_of_json_words_and_pairs_are_exact() -> None:
    assert [word.at.column for word in only('CMD ["a", "bc"]').arguments.words] == [6, 11]
    (pair,) = only('ENV key="a $x"').arguments.pairs
    assert (pair.key.at.column, pair.value.at.column) == (5, 9)
    assert pair.value.at_offset(3).column == 12


def test_a_trigger_stands_where_it_is_run() -> None:
    at = Span("D", 7, 1, 7, 0)
    node = parse_trigger("COPY a b", at)
    assert node.line.at == at
    assert node.arguments.words[0].at == at


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "D:1:1: the Dockerfile is empty"),
        ("# a\n\n", "D:2:1: the file holds no instruction"),
        ("# escape=x\nFROM a", "D:1:1: 'x' cannot be the escape character"),
        ("# escape= \nFROM a", "D:1:1: ' ' cannot be the escape character"),
        ("# escape=`\n# escape=`\nFROM a", "D:2:1: only one escape directive is allowed; the first is on line 1"),
        ("FROM a\nCMD [1]", "D:2:5: a JSON array must hold strings only"),
        ('CMD ["a", {"b": null}]', "D:1:5: a JSON array must hold strings only"),
        ("FROM a\nENV \\\n  A", "D:3:3: ENV A has no value"),
        ("ENV A=1 B", "D:1:9: 'B' has no '='; ENV takes name=value"),
        ("RUN <<EOF\nx\n", "D:1:5: the heredoc <<EOF has no end"),
        ("RUN " + "x" * MAX_LINE, f"D:1:1: the line is longer than {MAX_LINE} bytes"),
    ],
)
def test_what_cannot_be_parsed_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        nodes(text)
    assert str(caught.value) == message


def test_the_number_of_instructions_is_bounded() -> None:
    with pytest.raises(DockerfileError) as caught:
        nodes("RUN a\n" * (MAX_INSTRUCTIONS + 9))
    assert str(caught.value) == "D:50001:1: the file holds more than 50,000 instructions"


@pytest.mark.parametrize(
    "text",
    [
        "ENV" + " \\\n a=b" * (MAX_WORDS + 1),
        "ARG" + " \\\n a" * (MAX_WORDS + 1),
        "CMD [" + '\\\n"a",' * MAX_WORDS + '"b"]',
        "RUN" + " \\\n --a" * (MAX_WORDS + 1) + " b",
        "FROM a\n" + ("COPY" + " a" * 5000 + "\n") * 20,
    ],
)
def test_the_number_of_words_is_bounded(text: str) -> None:
    with pytest.raises(DockerfileError, match="the instructions hold more than 100,000 words"):
        nodes(text)


def test_the_number_of_heredocs_of_an_instruction_is_bounded() -> None:
    with pytest.raises(DockerfileError, match="one instruction opens more than 1,000 heredocs"):
        nodes("RUN" + " <<a" * 1001)


def test_a_long_line_of_a_heredoc_is_refused_too() -> None:
    with pytest.raises(DockerfileError) as caught:
        nodes("RUN <<E\n" + "x" * (MAX_LINE + 1) + "\nE")
    assert str(caught.value) == f"D:2:1: the line is longer than {MAX_LINE} bytes"


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert only(b"LABEL a=caf\xe9\xe9").arguments.pairs[0].value.text == "caf\ufffd\ufffd"


def test_flags_are_read_byte_by_byte() -> None:
    (node,) = parse("RUN --mount=target=/é --network=none\u00a0x é".encode(), "Dockerfile").nodes
    assert [flag.text for flag in node.flags] == ["--mount=target=/\u00c3\u00a9", "--network=none\u00c2"]
    assert node.arguments.rest.text == "x é"
    assert node.arguments.rest.at.column == 38


def test_a_deep_onbuild_needs_no_stack() -> None:
    node = only("ONBUILD " * 8000 + "RUN a")
    assert node.trigger is not None
    assert node.trigger.trigger is None


def test_many_continuations_take_no_quadratic_time() -> None:
    node = only("RUN a" + " \\\n b" * 50_000)
    assert len(node.line.lines) == 50_001
    assert node.line.span(len(node.line.text) - 1, len(node.line.text)).line == 50_001


LINES = st.lists(
    st.sampled_from(
        [
            *(
                "FROM a",
                "RUN b \\",
                "# c",
                "",
                "  d",
                "COPY <<E /",
                "E",
                "\tE",
                "CMD [",
                '["x"]',
                "ENV a=b c",
                "\\",
                "`",
            ),
            *("# escape=`", "# check=x", "ONBUILD RUN <<-E", "LABEL a 'b", 'ARG "a\\', "HEALTHCHECK CMD", "--x=", "\r"),
        ]
    ),
    max_size=12,
)


@given(LINES.map("\n".join))
def test_any_lines_parse_or_are_refused(text: str) -> None:
    places = []
    try:
        for node in nodes(text):
            places += [word.at for word in (node.keyword, *node.flags, *node.arguments.words)]
    except DockerfileError as error:
        places.append(error.at)
    lines = text.split("\n")
    for at in places:
        assert 1 <= at.line <= at.last_line <= len(lines)
        assert 1 <= at.column <= len(lines[at.line - 1]) + 1


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        parse(data, "D")
    except DockerfileError:
        return
