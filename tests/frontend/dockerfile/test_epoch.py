"""SOURCE_DATE_EPOCH: numbers, and sources whose time it is."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError
from llbuild.frontend import MoreNeeded
from llbuild.llb import FileMkdir
from llbuild.tests.frontend.dockerfile.kit import MemoryLookup, compile_one, execs, file_ops, history

ARG = "build-arg:SOURCE_DATE_EPOCH"
REST = "FROM busybox\nARG SOURCE_DATE_EPOCH\nWORKDIR /w\nRUN x\n"
STAGE = "FROM scratch AS src\nARG U=https://h/x.tar\nADD $U /\n"
TIMES = {"git://h/x.git": 10, "https://h/x.tar": 20, "https://other/y": 30}


def seen(text: str, options: dict[str, str]) -> str:
    """What a RUN sees: the number, or "none"."""
    result = compile_one(text, options, MemoryLookup(times=TIMES), everything=True)
    (process,) = execs(result.definition)
    env = dict(item.split("=", 1) for item in process.env)
    actions = [step.action for op in file_ops(result.definition) for step in op.steps]
    stamps = {action.timestamp for action in actions if isinstance(action, FileMkdir)}
    value = env.get("SOURCE_DATE_EPOCH", "none")
    assert stamps == {-1 if value == "none" else int(value) * 10**9}
    assert {item.created for item in result.image.history if item.comment} == {
        "" if value == "none" else f"1970-01-01T00:00:{value}Z"
    }
    return value


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        (REST, {ARG: "+012"}, "12"),
        ("ARG SOURCE_DATE_EPOCH=15\n" + REST, {}, "15"),
        ("ARG SOURCE_DATE_EPOCH=15\n" + REST, {ARG: "16"}, "16"),
        ("ARG SOURCE_DATE_EPOCH=15\n" + REST, {ARG: ""}, "none"),
        (REST, {ARG: "context"}, "none"),  # a folder
        (REST, {ARG: "context", "context": "https://h/x.git"}, "10"),
        (REST, {ARG: "context", "context": "https://h/x.git", "contextsubdir": "sub"}, "10"),
        (REST, {ARG: "context", "context": "https://h/unknown.git"}, "none"),
        (REST, {ARG: "n", "context:n": "https://h/x.tar"}, "20"),
        (REST, {ARG: "n", "context:n": "local:n"}, "none"),
        (REST, {ARG: "n", "context:n": "docker-image://busybox"}, "none"),
        (STAGE + REST, {ARG: "src"}, "20"),
        (STAGE + REST, {ARG: "src", "build-arg:U": "https://other/y"}, "30"),
        ("ARG SOURCE_DATE_EPOCH=src\n" + STAGE + REST, {}, "20"),
        ("FROM scratch AS src\nADD https://h/x.git /\n" + REST, {ARG: "src"}, "10"),
    ],
)
def test_the_time_is_a_number_or_that_of_a_source(text: str, options: dict[str, str], value: str) -> None:
    assert seen(text, options) == value


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        (REST, "x", "there is neither"),
        (REST, "A/b", "not 'A/b'"),
        (REST, "999999999999", "between the years 1 and 9999"),
        ("FROM busybox AS src\nADD https://h/x /\n" + REST, "src", "is not FROM scratch"),
        ("FROM scratch AS src\nADD https://h/x /\nRUN x\n" + REST, "src", "has RUN on line 3"),
        ("FROM scratch AS src\nADD https://h/x /\nADD https://h/x /\n" + REST, "src", "more than one ADD"),
        ("FROM scratch AS src\nADD https://h/x https://h/y /\n" + REST, "src", "more than one thing"),
        ("FROM scratch AS src\n" + REST, "src", "adds nothing"),
        ("FROM scratch AS src\nADD folder /\n" + REST, "src", "adds 'folder'"),
    ],
)
def test_what_has_no_time_to_take_is_explained(text: str, value: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        compile_one(text, {ARG: value}, everything=True)
    assert value != "src" or caught.value.at.line == 1


def test_a_time_that_is_not_known_yet_is_asked_for() -> None:
    lookup = MemoryLookup(times=TIMES, slow=True)
    for _ in range(3):
        try:
            result = compile_one(STAGE + REST, {ARG: "src"}, lookup, everything=True)
        except MoreNeeded:
            continue
    assert history(result)[0] == ("ARG SOURCE_DATE_EPOCH=20", True)
    assert any("https://h/x.tar" in question for question in lookup.asked)
