"""Arguments: what is read by the table is read by argparse in the same way, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.cli.parser import REST, CommandParser
from llbuild.cli.usage import read_all_forms
from llbuild.errors import UsageError

PLACES: dict[str, list[tuple[str, str | None]]] = {
    "none": [],
    "one": [("image", None)],
    "one or none": [("context", "?")],
    "two or fewer": [("build", "?"), ("step", "?")],
    "any": [("builds", "*")],
    "some": [("names", "+")],
    "one and some": [("image", None), ("names", "+")],
    "one and the rest": [("image", None), ("command", REST)],
}
WORDS = [
    *(
        "a",
        "b c",
        "",
        "-",
        "--",
        "-x",
        "-1",
        "--flag",
        "--flag=true",
        "--flag=0",
        "--flag=yes",
        "--flag=",
        "-f",
        "-f=1",
    ),
    *("--value", "--value=x", "--value=", "--value=-y", "-v", "-v=x", "-vx", "--many", "--many=a=b", "-fv", "--val=x"),
    *("--", "--root", "--root=/r", "--debug", "- x", "--many=-"),
]


def command(place: str) -> CommandParser:
    parser = CommandParser("test", "Test.")
    for dest, nargs in PLACES[place]:
        parser.add_word(dest, metavar=dest.upper(), nargs=nargs, default="none" if nargs == "?" else None, help="x")
    parser.add_flag("-f", "--flag", help="x")
    parser.add_flag("--two-words", help="x")
    parser.add_value("-v", "--value", metavar="V", help="x")
    parser.add_value("--many", metavar="M", many=True, help="x")
    parser.set_defaults(two_words=None)
    return parser


@given(st.sampled_from(list(PLACES)), st.lists(st.sampled_from(WORDS), max_size=6))
def test_what_the_table_reads_argparse_reads_in_the_same_way(place: str, argv: list[str]) -> None:
    parser = command(place)
    found = parser.read_plain(argv)
    if found is not None:
        assert found == vars(read_all_forms(parser, argv))


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("none", ""),
        ("one", "--flag a"),
        ("one or none", "--value x -v y"),
        ("two or fewer", "-f a b --many=1 --many 2"),
        ("any", "a b c --two-words=false"),
        ("some", "--flag=1 a -"),
        ("one and some", "a b --value -"),
    ],
)
def test_usual_words_need_no_argparse(place: str, line: str) -> None:
    assert command(place).read_plain(line.split()) is not None


@pytest.mark.parametrize(
    ("place", "argv", "want"),
    [
        ("one", [], "IMAGE is missing"),
        ("some", ["--flag"], "NAMES is missing"),
        ("one and the rest", ["--flag"], "IMAGE is missing"),
        ("one", ["a", "b"], "unexpected argument 'b'"),
        ("none", ["--value"], "flag -v/--value needs a value"),
        ("none", ["--value", "--flag"], "flag -v/--value needs a value"),
        ("none", ["--flag=perhaps"], "flag -f/--flag takes no value other than true or false"),
        ("none", ["--flog"], "unknown flag '--flog' \\(did you mean '--flag'\\?\\)"),
        ("none", ["--val=x"], "unknown flag '--val' \\(did you mean '--value'\\?\\)"),
    ],
)
def test_what_is_wrong_is_told(place: str, argv: list[str], want: str) -> None:
    with pytest.raises(UsageError, match=want):
        command(place).parse(argv)


def test_all_that_is_left_goes_to_another_program() -> None:
    found = command("one and the rest").parse(["-f", "image", "ls", "-l", "--flag=no"])
    assert (found.flag, found.image, found.command) == (True, "image", ["ls", "-l", "--flag=no"])


def test_the_other_forms_are_understood_as_well() -> None:
    found = command("some").parse(["-fvx", "--", "-b", "a"])
    assert (found.flag, found.value, found.names) == (True, "x", ["-b", "a"])


def test_help_shows_words_and_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command("one and some").parse(["--help"])
    text = capsys.readouterr().out
    assert "usage: llbuild test" in text
    assert "  -v, --value V" in text
    assert "  -h, --help" in text
    assert "--flag=true" not in text
