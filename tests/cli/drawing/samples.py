"""Graphs to draw, and a build that went through one of them."""

from __future__ import annotations

from llbuild.llb import Definition, Metadata, image, local, source
from llbuild.solver import BuildRecord, BuildStatus, BuildSummary, Outcome, Step
from llbuild.span import Span

T0 = 1_700_000_000.0
ODD_NAMES = (
    *(
        "RUN echo \"a\" && echo 'b' > /c & <!-- ]]> -->",
        "RUN <<EOF\nline\n\tone\nEOF",
        "",
        " ",
        "\\",
        '"',
        "\\n",
        "#quot;",
    ),
    *(
        "\x1b[31mred\x00\x08\ufffe\uffff",
        "\u202eabc",
        "日本語の名前" * 9,
        "x" * 500,
        "a\u0301" * 60,
        "%s {0} $HOME `id`",
        "]",
    ),
    *(
        "end",
        "subgraph x",
        "--> n0",
        "[a 1/2] RUN x",
        "]\"] click n0 'x'",
        "\udce9",
        "🦊" * 40,
        "&amp;&#0;",
        "**bold** _it_",
    ),
)


def two_stages() -> Definition:
    """Stage `build` reads the context; the last stage copies from it. Both are on one image."""
    base = source(
        f"docker-image://docker.io/library/busybox:latest@sha256:{'1' * 64}",
        metadata=Metadata(name=f"[stage-1 1/3] FROM docker.io/library/busybox:latest@sha256:{'1' * 64}"),
    )
    context = source("local://context", metadata=Metadata(name="[internal] load build context"))
    built = base.copy(context, "/src", "/src", metadata=Metadata(name="[build 2/3] COPY src /src", spans=(at(3),)))
    built = built.run("make", metadata=Metadata(name='[build 3/3] RUN make "all" && <check>', spans=(at(4),))).root
    last = base.run("adduser app", metadata=Metadata(name="[stage-1 2/3] RUN adduser app", spans=(at(6),))).root
    return last.copy(
        built, "/app", "/", metadata=Metadata(name="[stage-1 3/3] COPY --from=build /app /", spans=(at(7),))
    ).marshal()


def at(line: int) -> Span:
    return Span("Dockerfile", line)


def odd_chain() -> Definition:
    """A step per odd name, and a stage of an odd name."""
    state = image("docker.io/library/busybox:latest")
    for number, name in enumerate(ODD_NAMES):
        state = state.run(f"true {number}", metadata=Metadata(name=name)).root
    odd = Metadata(name='[<s> & "t" 1/2] RUN true')
    return state.run("true", metadata=odd).root.copy(local("context"), "/", "/").marshal()


def record_of(definition: Definition, outcomes: dict[str, Step]) -> BuildRecord:
    """A build in which the steps whose names end so went so; all others were not needed."""
    names = {said.name: digest for digest, said in definition.metadata}
    steps = []
    for name, digest in names.items():
        found = next((step for ending, step in outcomes.items() if name.endswith(ending)), None)
        steps.append(
            Step(vertex=digest, outcome=Outcome.UNNEEDED)
            if found is None
            else Step(
                vertex=digest,
                outcome=found.outcome,
                started=found.started,
                completed=found.completed,
                error=found.error,
            )
        )
    summary = BuildSummary(id=7, started=T0, completed=T0 + 4, status=BuildStatus.COMPLETED)
    return BuildRecord(summary=summary, steps=tuple(steps), definitions=(definition,))


def ran(outcome: Outcome, start: float, end: float, error: str = "") -> Step:
    return Step(
        vertex=two_stages().vertices[0].digest, outcome=outcome, started=T0 + start, completed=T0 + end, error=error
    )


def half_cached() -> BuildRecord:
    """Make ran for 2.5 s and decided how long it took; adduser was cached."""
    return record_of(
        two_stages(),
        {
            "load build context": ran(Outcome.EXECUTED, 0, 0.1),
            "COPY src /src": ran(Outcome.EXECUTED, 0.1, 0.2),
            "<check>": ran(Outcome.EXECUTED, 0.2, 2.7),
            "adduser app": Step(vertex=two_stages().vertices[0].digest, outcome=Outcome.CACHED),
            "/app /": ran(Outcome.EXECUTED, 2.7, 2.75),
        },
    )
