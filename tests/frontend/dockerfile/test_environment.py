"""ARG, ENV and the environment of processes: scopes, order, precedence."""

from __future__ import annotations

from llbuild.image import ContainerConfig
from llbuild.llb import (
    SourceOp,
)
from llbuild.tests.frontend.dockerfile.kit import (
    BASE,
    DIGEST,
    PATH,
    MemoryLookup,
    compile_one,
    execs,
    history,
    ops,
)
from llbuild.values import replace


def test_processes_see_variables_in_order_of_last_assignment_and_the_config_of_first() -> None:
    result = compile_one("FROM a\nENV A=1 B=2\nARG X=9\nENV A=3\nRUN x")
    (run,) = execs(result.definition)
    assert run.env == (PATH, "B=2", "X=9", "A=3")
    assert result.image.config.env == (PATH, "A=3", "B=2")


def test_a_line_sees_the_environment_before_it() -> None:
    result = compile_one("FROM a\nENV A=1\nENV A=2 B=$A\nENV C=$B$A")
    assert result.image.config.env == (PATH, "A=2", "B=1", "C=12")
    assert history(result) == [("ENV A=1", True), ("ENV A=2 B=1", True), ("ENV C=12", True)]


def test_args_have_scopes_and_precedence() -> None:
    text = (
        "ARG G=global\nARG H=$G-$TARGETARCH\nFROM a AS one\nARG G\nARG H=own\nARG N\nARG D=default\n"
        "ENV E=$G/$H/$N/$D\nFROM one\nRUN $G\nFROM a\nRUN $G"
    )
    options = {"build-arg:D": "given", "target": "stage-1"}
    result = compile_one(text.replace("FROM one", "FROM one AS stage-1"), options)
    (run,) = execs(result.definition)
    assert run.env == ("G=global", "H=own", "D=given", PATH, "E=global/own//given")
    assert result.image.history[-1].created_by == "RUN |4 G=global H=own N= D=given /bin/sh -c $G # buildkit"
    assert history(result)[:4] == [("ARG G=global", True), ("ARG H=own", True), ("ARG N", True), ("ARG D=given", True)]
    (run,) = execs(compile_one(text, options | {"target": ""}).definition)
    assert run.env == (PATH,)


def test_global_args_reach_from_lines_only() -> None:
    result = compile_one("ARG V=3\nARG BASE=alpine:$V\nFROM ${BASE}\nRUN x", {"build-arg:V": "4"})
    assert [op.identifier for op in ops(result.definition) if isinstance(op, SourceOp)] == [
        f"docker-image://docker.io/library/alpine:4@{DIGEST}"
    ]


def test_env_wins_over_arg_in_what_history_says() -> None:
    result = compile_one("FROM a\nARG A=1\nENV A=2\nRUN x")
    assert result.image.history[-1].created_by == "RUN |1 A=2 /bin/sh -c x # buildkit"


def test_proxies_are_passed_on_without_a_trace() -> None:
    options = {"build-arg:HTTP_PROXY": "http://p", "build-arg:no_proxy": "x"}
    result = compile_one("FROM a\nRUN x", options)
    (run,) = execs(result.definition)
    assert run.env == (PATH,)
    assert run.proxy_env is not None
    assert (run.proxy_env.http_proxy, run.proxy_env.no_proxy) == ("http://p", "x")
    assert result.image.history[-1].created_by == "RUN /bin/sh -c x # buildkit"


def test_a_base_without_path_gets_one() -> None:
    lookup = MemoryLookup(images={"docker.io/library/a:latest": replace(BASE, config=ContainerConfig(env=("X=1",)))})
    result = compile_one("FROM a", None, lookup)
    assert result.image.config.env == ("X=1", PATH)
