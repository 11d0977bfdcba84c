"""Whatever the text, compiling ends with a graph that holds together or with an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.errors import DockerfileError, LlbuildError
from llbuild.llb import validate
from llbuild.tests.frontend.dockerfile.kit import compile_all

if TYPE_CHECKING:
    from llbuild.frontend import PlatformResult

WORDS = st.sampled_from(
    [
        *(
            "a",
            "b.c",
            "/x/",
            ".",
            "..",
            "*",
            "$A",
            "${A:-b}",
            "${A",
            "'q",
            '"q r"',
            "\\",
            "A=1",
            "A=$B",
            "=",
            "80",
            "1-9",
        ),
        *("--from=s0", "--from=0", "--from=x", "--chown=a:b", "--chmod=7", "--link", "--mount=target=/m,from=s1", "--"),
        *(
            "<<E",
            "<<-'F'",
            '["a","b"]',
            "[1]",
            "[",
            "CMD",
            "NONE",
            "AS s0",
            "as s1",
            "scratch",
            "@",
            "http://x/y",
            "a\tb",
        ),
        *("--platform=linux/arm64", "--mount=type=cache,target=/c,uid=1", "git@h:a", "\u00a0", "\u2028", "é", "#"),
    ]
)
NAMES = st.sampled_from(
    [
        *(
            "FROM",
            "FROM",
            "RUN",
            "COPY",
            "ADD",
            "ENV",
            "ARG",
            "LABEL",
            "WORKDIR",
            "USER",
            "CMD",
            "ENTRYPOINT",
            "EXPOSE",
        ),
        *("VOLUME", "STOPSIGNAL", "SHELL", "HEALTHCHECK", "ONBUILD", "MAINTAINER", "ONBUILD COPY", "nope", "E", "\tF"),
    ]
)
INSTRUCTIONS = st.builds(lambda name, words: " ".join([name, *words]), NAMES, st.lists(WORDS, max_size=4))
FILES = st.lists(INSTRUCTIONS, max_size=8).map(lambda lines: "\n".join(["FROM base AS s0", *lines]))


@settings(max_examples=300, deadline=None)
@given(FILES, st.sampled_from(["", "s0", "s1"]))
def test_any_instructions_compile_or_are_refused(text: str, target: str) -> None:
    line = 1
    results: tuple[PlatformResult, ...] = ()
    try:
        results = compile_all(text, {"target": target, "build-arg:B": "x y"}, everything=True).results
    except DockerfileError as error:
        line = error.at.line
    assert 1 <= line <= text.count("\n") + 1
    for result in results:
        validate(result.definition)
        assert all(vertex.digest in dict(result.definition.metadata) for vertex in result.definition.vertices)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_compile_or_are_refused(data: bytes, more: bytes) -> None:
    for text in (data, b"FROM a\n" + data, b"FROM a\nCOPY <<E /\n" + more + b"\nE\nRUN " + data):
        try:
            compile_all(text, everything=True)
        except LlbuildError:
            continue
