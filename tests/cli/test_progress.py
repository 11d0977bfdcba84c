from __future__ import annotations

import io
import os
import pty
from typing import TYPE_CHECKING, TextIO

import pytest
from llbuild.cli.progress import open_display
from llbuild.errors import UsageError
from llbuild.tests.cli.recorded import completed, digest, log, queued, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llbuild.solver import Event

BUILD: list[Event] = [
    queued("a", "RUN make"),
    started("a", 0),
    log("a", 0.1, b"".join(b"line %d\n" % number for number in range(30))),
    completed("a", 1, "boom"),
]


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        yield stream
    os.close(master)


@pytest.mark.parametrize(
    ("form", "environ", "want"),
    [
        ("auto", {"TERM": "xterm"}, "TtyDisplay"),
        ("auto", {"TERM": "dumb"}, "PlainDisplay"),
        ("auto", {}, "PlainDisplay"),
        ("tty", {"TERM": "dumb"}, "TtyDisplay"),
        ("plain", {"TERM": "xterm"}, "PlainDisplay"),
        ("rawjson", {"TERM": "xterm"}, "RawJsonDisplay"),
        ("quiet", {"TERM": "xterm"}, "QuietDisplay"),
    ],
)
def test_the_display_on_a_terminal(terminal: TextIO, form: str, environ: dict[str, str], want: str) -> None:
    assert type(open_display(form, terminal, environ)).__name__ == want


def test_without_a_terminal_progress_is_plain() -> None:
    assert type(open_display("auto", io.StringIO(), {"TERM": "xterm"})).__name__ == "PlainDisplay"
    with pytest.raises(UsageError, match="stderr is not a terminal"):
        open_display("tty", io.StringIO(), {"TERM": "xterm"})


@pytest.mark.parametrize(("environ", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_no_color_means_no_color(environ: dict[str, str], colored: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]  # a terminal whose output can be read back
    display = open_display("tty", stream, environ)
    for event in BUILD:
        display.display(event)
    display.close()
    assert ("\x1b[3" in stream.getvalue()) == colored


@pytest.mark.parametrize("form", ["plain", "rawjson", "quiet"])
def test_every_display_keeps_the_end_of_the_output_for_the_report(form: str) -> None:
    display = open_display(form, io.StringIO(), {})
    for event in BUILD:
        display.display(event)
    display.refresh()
    display.close()
    state = display.trace.vertices[digest("a")]
    assert state.tail_text() == tuple(f"0.100 line {number}" for number in range(10, 30))
    assert (state.error, display.trace.failed, display.trace.completed_count) == ("boom", True, 1)
