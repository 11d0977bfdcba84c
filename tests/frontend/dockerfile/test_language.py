"""The language, row by row: what a file may look like, and which instructions fill in variables."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError
from llbuild.llb import FileMkfile
from llbuild.tests.frontend.dockerfile.kit import (
    MemoryLookup,
    compile_one,
    execs,
    file_ops,
    history,
)


def said(text: str) -> list[str]:
    """The history entries of the file."""
    return [line for line, _ in history(compile_one(text, everything=True))]


def commands(text: str) -> list[str]:
    """What the shells of a file are given."""
    return [op.args[-1] for op in execs(compile_one(text, everything=True).definition)]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("FROM a\nrun x", ["x"]),
        ("from a\n\n \t RuN x  \n", ["x"]),
        ("FROM a\r\nRUN x \\\r\n  y\r\n", ["x   y"]),
        ("\ufeffFROM a\nRUN x", ["x"]),
        ("FROM a\nRUN echo # x", ["echo # x"]),
        ("FROM a\nRUN a && \\\n # why\n b", ["a &&  b"]),
        ("FROM a\nRUN a && \\ \t\n\n\n b", ["a &&  b"]),
        ("# a comment \\\nFROM a\nRUN x", ["x"]),
        ("# escape=`\nFROM a\nRUN x `\n y\\", ["x  y\\"]),
        ("# escape = ` \nFROM a\nRUN dir C:\\", ["dir C:\\"]),
        ("#!/usr/bin/env x\nFROM a\nRUN x", ["x"]),
        ("FROM a\nRUN ['x']", ["['x']"]),
        ('FROM a\nRUN ["x", "y"]', ["y"]),
        ('FROM a\nRUN ["x", "y"', ['["x", "y"']),
        ("FROM a\nRUN --network=none -- --x", ["--x"]),
        ("FROM a\nRUN x --network=none", ["x --network=none"]),
        ('FROM a\nRUN --mount="type=tmpfs,target=/x y" z', ["z"]),
    ],
)
def test_lines_are_read_as_buildkit_reads_them(text: str, want: list[str]) -> None:
    assert commands(text) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("RUN <<E\nx\ny $A\nE", ["x\ny $A\n"]),
        ("RUN <<-E\n\tx\n\t\ty\n\tE", ["x\ny\n"]),
        ('RUN <<-"E"\n\tx\n\tE', ["x\n"]),
        ("RUN <<'E F'\nx\nE F", ["x\n"]),
        ("RUN << E\nx\nE", ["x\n"]),
        ("RUN 3<<E cat <&3\nx\nE", ["3<<E cat <&3\nx\nE"]),
        ("RUN cat <<E - <<F\nx\nE\ny\nF", ["cat <<E - <<F\nx\nE\ny\nF"]),
        ("RUN <<E sh\nx\nE", ["<<E sh\nx\nE"]),
        ("RUN cat \\\n<<E\nx \\\nE\n", ["cat <<E\nx \\\nE"]),
        ("RUN <<E\n# no comment\n\n\\\nE", ["# no comment\n\n\\\n"]),
        ('RUN ["<<E"]', ["<<E"]),
        ("RUN echo '<<E'", ["echo '<<E'"]),
        ("RUN cat <<<E", ["cat <<<E"]),
        ("RUN <<E\r\nx\r\nE\r\n", ["x\r\n"]),
    ],
)
def test_heredocs_of_run_go_to_the_shell(text: str, want: list[str]) -> None:
    assert commands("FROM a\n" + text) == want


@pytest.mark.parametrize(
    ("text", "path", "data"),
    [
        ("COPY <<E /d/\n$A\nE", "/E", b"1\n"),
        ("COPY <<E /d/f\nx\nE", "/E", b"x\n"),
        ("COPY <<'E' /d/\n$A\nE", "/E", b"$A\n"),
        ('ADD <<"a.txt" /d/\n$A\na.txt', "/a.txt", b"$A\n"),
        ("COPY <<-E /d/\n\t\tx\n\ty\nE", "/E", b"x\ny\n"),
        ("COPY <<E /d/\n\\$A ${A:+'q'}\nE", "/E", b"$A 'q'\n"),
        ("COPY <<E /d/\nE", "/E", b""),
    ],
)
def test_heredocs_of_copy_become_files(text: str, path: str, data: bytes) -> None:
    ops = file_ops(compile_one("FROM a\nARG A=1\n" + text).definition)
    made = [step.action for op in ops for step in op.steps if isinstance(step.action, FileMkfile)]
    assert [(action.path, action.data, action.mode) for action in made] == [(path, data, 0o644)]


def test_a_trigger_takes_its_heredoc_along() -> None:
    result = compile_one("FROM a\nONBUILD RUN <<E\nx\nE\n", everything=True)
    assert result.image.config.on_build == ("RUN <<E\nx\nE",)
    lookup = MemoryLookup(images={"docker.io/library/b:latest": result.image})
    assert [op.args[-1] for op in execs(compile_one("FROM b\nRUN y", lookup=lookup).definition)] == ["x\n", "y"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", "1:1"),
        ("\n\n# c\n", "3:1"),
        ("ARG A=1\n", "1:1"),
        ("RUN x\nFROM a", "1:1"),
        ("# escape=\\\n# escape=`\nFROM a", "2:1"),
        ("FROM a\nCOPY a <<E\nx\nE", "2:8"),
        ("FROM a\nCOPY <<E /\nx\n", "2:6"),
        ("FROM a\nRUN <<E <<F\nE\n", "2:9"),
        ("FROM a\nONBUILD COPY <<E /\n", "2:14"),
    ],
)
def test_what_is_no_dockerfile_is_refused_at_its_place(text: str, at: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        compile_one(text)
    assert str(caught.value).startswith(f"Dockerfile:{at}: ")


EXPANDED = [
    ("ARG B=$A", "ARG B=1"),
    ("ENV B=$A $A=c", "ENV B=1 1=c"),
    ("LABEL $A=b$A", "LABEL 1=b1"),
    ("EXPOSE $A", "EXPOSE [1/tcp]"),
    ("VOLUME /$A", "VOLUME [/1]"),
    ("USER $A", "USER 1"),
    ("WORKDIR /$A", "WORKDIR /1"),
    ("STOPSIGNAL $A", "STOPSIGNAL 1"),
    ("COPY --chown=$A --chmod=$A a$A /$A", "COPY --chown=1 --chmod=1 a1 /1 # buildkit"),
    ("ADD a$A /$A", "ADD a1 /1 # buildkit"),
]
LITERAL = [
    ("RUN $A", "RUN |1 A=1 /bin/sh -c $A # buildkit"),
    ('RUN ["$A"]', "RUN |1 A=1 $A # buildkit"),
    ("CMD $A", 'CMD ["/bin/sh" "-c" "$A"]'),
    ('ENTRYPOINT ["$A"]', 'ENTRYPOINT ["$A"]'),
    ('SHELL ["$A"]', "SHELL [$A]"),
    ("MAINTAINER $A", "MAINTAINER $A"),
    (
        "HEALTHCHECK CMD $A",
        "HEALTHCHECK {Test:[CMD-SHELL $A] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
    ),
]


@pytest.mark.parametrize(("line", "want"), [*EXPANDED, *LITERAL])
def test_variables_are_filled_in_where_the_instruction_takes_them(line: str, want: str) -> None:
    assert said(f"FROM a\nARG A=1\n{line}")[-1] == want


def test_variables_of_a_trigger_are_those_of_the_child() -> None:
    result = compile_one("FROM a\nARG A=1\nONBUILD LABEL l=$A")
    assert result.image.config.on_build == ("LABEL l=$A",)


def test_mounts_take_variables_and_stage_names_do_not() -> None:
    (op,) = execs(compile_one("FROM a\nARG A=1\nRUN --mount=type=tmpfs,target=/$A x").definition)
    assert [mount.dest for mount in op.mounts] == ["/", "/1"]
    with pytest.raises(DockerfileError, match="'from' takes no variables"):
        compile_one("FROM a\nARG A=1\nRUN --mount=from=$A,target=/x y")


def test_one_instruction_sees_the_variables_before_it() -> None:
    assert said("FROM a\nENV A=1\nENV A=2 B=$A\nLABEL l=$B$A")[-1] == "LABEL l=12"
