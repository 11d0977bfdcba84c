"""The page: valid, self-contained, harmless whatever the names, with every part in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.builds.steps import every_step
from llbuild.cli.page import LayerSize, Subject, render_page
from llbuild.cli.page.gantt import LogShelf, ticks
from llbuild.cli.page.markup import percent
from llbuild.digest import sha256_digest
from llbuild.llb import Metadata, image
from llbuild.solver import (
    BuildDetails,
    BuildRecord,
    BuildStatus,
    BuildSummary,
    LogChunk,
    Outcome,
    Reason,
    Step,
    StepLog,
)
from llbuild.solver.explain import Cause
from llbuild.tests.cli.builds.recorded import completed, failed, logs, vertex
from llbuild.tests.cli.drawing.samples import ODD_NAMES, T0, odd_chain, record_of
from llbuild.tests.cli.page.test_timeline import timeline_of
from llbuild.values import replace

if TYPE_CHECKING:
    from llbuild.llb import Definition

_VOID = {"meta", "br"}
_IN_SVG = {"path", "rect", "marker"}
_LAYERS = (LayerSize(created_by="COPY <src> /src", size_bytes=2_000_000), LayerSize(created_by="", size_bytes=10))


class Page(HTMLParser):
    """A document taken apart; fails where an element is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.sections: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: dict[str, int] = {}
        self.text: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        fields = dict(attrs)
        assert len(fields) == len(attrs), f"an attribute twice: {attrs}"
        self.text.append(" ")
        self.attributes |= fields.keys()
        if fields.get("id"):
            self.ids.append(str(fields["id"]))
        if tag == "section":
            self.sections.append(str(fields["id"]))
        if tag == "a":
            self.links.append(str(fields["href"]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _IN_SVG, f"<{tag}/> is an open element in HTML"

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag
        self.text.append(" ")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def shown(self) -> str:
        return " ".join("".join(self.text).split())


def subject(record: BuildRecord, *, layers: tuple[LayerSize, ...] | None = None) -> Subject:
    return Subject(record=record, steps=tuple(every_step(record)), logs=logs(), layers=layers)


def chain(length: int) -> BuildRecord:
    """A build of one step after another."""
    state = image("docker.io/library/busybox:latest")
    for number in range(length):
        state = state.run(f"true {number}", metadata=Metadata(name=f"[s{number % 50} 2/9] RUN true {number}")).root
    return executed(state.marshal())


def executed(graph: Definition) -> BuildRecord:
    steps = [
        Step(vertex=one.digest, outcome=Outcome.EXECUTED, started=T0 + place, completed=T0 + place + 0.75)
        for place, one in enumerate(graph.vertices)
    ]
    summary = BuildSummary(id=5, started=T0, completed=T0 + len(steps), status=BuildStatus.COMPLETED)
    return BuildRecord(summary=summary, steps=tuple(steps), definitions=(graph,))


def test_a_completed_build_shows_every_part() -> None:
    page = Page(render_page(subject(completed(), layers=_LAYERS)))
    assert page.sections == ["timeline", "critical-path", "parallelism", "cache", "layers", "warnings", "graph"]
    for text in (
        *("app ✓ completed", "llbuild 9.8.7 on 2 CPUs", "4.0s took", "2MB in 2 layers, compressed"),
        *("option build-arg:VERSION 1 2", "cc <a.c> && red", "12,345 bytes were not kept", "2.5s 62%"),
        *("COPY <src> /src 2MB", "SomeRule : write <it> otherwise Dockerfile:3", "3 | >>> COPY src /src"),
        *("Homeless : about no line", "2 CPUs", "ran at once on average, 1 at most"),
    ):
        assert text in page.shown


def test_a_failed_build_shows_what_went_wrong_first_and_what_was_not_reached() -> None:
    page = Page(render_page(subject(failed())))
    assert page.sections[:2] == ["error", "timeline"]
    assert "What went wrong error: make: <exit code 2> hint: look" in page.shown
    assert "5 COPY --from=build /app / not reached" in page.shown
    assert "waited 300ms after its inputs were ready" in page.shown


def test_a_build_that_ended_before_there_was_a_graph_still_makes_a_page() -> None:
    page = Page(render_page(subject(BuildRecord(summary=failed().summary))))
    assert page.sections == ["error"]
    assert "make: <exit code 2>" in page.shown


def test_a_fully_cached_build_says_so_and_has_no_critical_path() -> None:
    graph = chain(3).definitions[0]
    steps = [Step(vertex=one.digest, outcome=Outcome.UNNEEDED) for one in graph.vertices]
    steps[-1] = replace(steps[-1], outcome=Outcome.CACHED, completed=T0 + 0.9)
    page = Page(render_page(subject(replace(executed(graph), steps=tuple(steps)))))
    assert page.sections == ["timeline", "cache", "graph"]
    assert "Nothing had to run." in page.shown
    assert "1 found in the cache; 3 not even looked up" in page.shown


def test_an_image_that_is_gone_is_told() -> None:
    record = completed()
    summary = replace(record.summary, result=sha256_digest(b"gone"))
    assert "not in the local store any more" in Page(render_page(subject(replace(record, summary=summary)))).shown


def test_misses_stand_together_by_reason_the_telling_ones_first() -> None:
    record = chain(4)
    first = Reason(cause=Cause.FILES, summary="src: 1 of 2 files changed: <a&b>", details=("a (content)", "+ <x>"))
    follows = Reason(cause=Cause.INPUT, summary="built on another result of x")
    reasons = [(), (first,), (follows,), (replace(follows, summary="built on another result of y"),), ()]
    steps = tuple(replace(step, reasons=why) for step, why in zip(every_step(record), reasons, strict=True))
    shown = Page(render_page(Subject(record=record, steps=steps))).shown
    table = shown[shown.index("Why steps ran") :]
    assert table.index("<a&b>") < table.index("built on a result that is another now") < table.index("not on record")
    assert "RUN true 1 [s2 2/9] RUN true 2" in table
    assert "a (content) + <x>" in shown


@pytest.mark.parametrize("record", [completed(), failed(), chain(450)], ids=["completed", "failed", "long"])
def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(record: BuildRecord) -> None:
    text = render_page(subject(record, layers=_LAYERS))
    page = Page(text)
    assert not page.tags.keys() & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for name in page.attributes if name.startswith("on") or name in {"src", "srcset"}]
    assert not re.search(r"url\((?!#)|@import", text)
    assert {link[0] for link in page.links} <= {"#"}
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_odd_names_logs_and_options_are_shown_and_harm_nothing() -> None:
    evil = "</pre></details><script>alert(1)</script>\x1b]0;title\x07\x00\u202e\udce9\uffff"
    record = record_of(odd_chain(), {})
    record = replace(
        record,
        summary=replace(record.summary, names=(evil,), context=evil, error=evil),
        details=BuildDetails(options=((evil, evil),), report=evil, version=evil),
        steps=tuple(
            replace(step, outcome=Outcome.FAILED, started=T0, completed=T0 + 1, error=evil) for step in record.steps
        ),
    )
    noise = tuple(
        StepLog(vertex=step.vertex, head=(LogChunk(1, T0, evil.encode(errors="surrogateescape") + b"\xff\n"),))
        for step in record.steps
    )
    steps = tuple(
        replace(step, reasons=(Reason(cause=Cause.NEW, summary=evil, details=(evil,)),)) for step in every_step(record)
    )
    layers = (LayerSize(created_by=evil, size_bytes=1),)
    text = render_page(Subject(record=record, steps=steps, logs=noise, layers=layers))
    page = Page(text)
    assert "script" not in page.tags
    text.encode()
    assert not set(text) & {"\x00", "\x1b", "\x07", "\u202e", "\uffff"}
    assert page.tags["pre"] >= 2 * len(ODD_NAMES)
    assert "alert(1)" in page.shown


def test_thousands_of_steps_stay_one_page_of_a_few_megabytes() -> None:
    record = chain(5000)
    text = render_page(subject(record))
    assert len(text.encode()) < 10_000_000
    page = Page(text)
    assert sum(name.startswith("s") and name[1:].isdigit() for name in page.ids) == 5001
    assert "5,001 steps are too many for this page: llbuild graph --build 5" in page.shown


def test_of_a_long_critical_path_the_longest_steps_are_listed() -> None:
    graph = chain(60).definitions[0]
    record = executed(graph)
    slow = replace(record.steps[30], completed=T0 + 30.99)
    page = Page(render_page(subject(replace(record, steps=(*record.steps[:30], slow, *record.steps[31:])))))
    table = page.shown[page.shown.index("The chain of steps") : page.shown.index("Steps running at once")]
    assert "RUN true 29 990ms 2%" in table
    assert "21 shorter steps 16s 26%" in table
    assert "61 steps 46s 75%" in table


def test_steps_that_did_not_run_share_rows_where_there_are_many() -> None:
    graph = chain(400).definitions[0]
    steps = [
        Step(vertex=one.digest, outcome=Outcome.CACHED, completed=T0 + 0.5)
        if place % 50 != 7
        else Step(vertex=one.digest, outcome=Outcome.EXECUTED, started=T0 + 0.5, completed=T0 + 1)
        for place, one in enumerate(graph.vertices)
    ]
    page = Page(render_page(subject(replace(executed(graph), steps=tuple(steps)))))
    assert "nothing ran in these 393 steps" in page.shown
    assert "s0: 8 cached" in page.shown
    assert sum(name.startswith("s") and name[1:].isdigit() for name in page.ids) == 8


def test_a_page_shows_the_end_of_long_logs_and_says_how_to_see_the_rest() -> None:
    bar = next(one for one in timeline_of(completed()).bars if one.vertex == vertex("<check>"))
    lines = b"".join(b"line %d\n" % number for number in range(100))
    log = StepLog(vertex=bar.vertex, head=(LogChunk(1, T0, lines),))
    shown = LogShelf([log], T0, build=7, step_bytes=200, page_bytes=300)
    first = shown.show(bar)
    assert first.endswith("line 99</pre>")
    assert "lines before these: <code>llbuild builds logs 7 4</code>" in first
    assert len(first) < 400
    assert "line 99" in shown.show(bar)
    assert "100 lines before these" in shown.show(bar)
    assert "line 99" in shown.show(replace(bar, outcome=Outcome.FAILED))


@pytest.mark.parametrize(
    ("duration_s", "spacing"),
    [(0, 0), (0.01, 0.002), (1, 0.2), (3.9, 0.5), (8, 1), (61, 10), (90, 15), (3600, 600), (86_400 * 3, 57_600)],
)
def test_marks_of_the_axis_are_such_as_people_count_in(duration_s: float, spacing: float) -> None:
    assert ticks(duration_s) == pytest.approx(spacing)
    if duration_s:
        assert duration_s / ticks(duration_s) <= 8


@pytest.mark.parametrize(
    ("part", "whole", "want"),
    [(1, 4, "25%"), (1, 3, "33.333%"), (5, 4, "100%"), (-1, 4, "0%"), (1, 0, "0%"), (100, 1000, "10%")],
)
def test_shares_are_lengths(part: float, whole: float, want: str) -> None:
    assert percent(part, whole) == want
