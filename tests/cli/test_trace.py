from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from llbuild.cli.progress.trace import OutputLines, Trace, offset
from llbuild.tests.cli.recorded import T0, cached, completed, digest, log, queued, started

_PIECES = [b"text", b"\n", b"\r", b"\r\n", "é文".encode(), b"\xff", b"\x1b[31m", b"\x1b]0;t\x07", b"\t", b" "]


def lines_of(chunks: list[bytes]) -> list[str]:
    output = OutputLines()
    found = [line for chunk in chunks for line in output.feed(chunk, 0)]
    return [text for _, text in [*found, *output.finish()]]


@given(st.lists(st.sampled_from(_PIECES), max_size=12), st.integers(1, 5))
def test_lines_do_not_depend_on_how_output_was_chopped(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    chopped = [data[at : at + size] for at in range(0, len(data), size)]
    assert lines_of(chopped) == lines_of([data])


def test_a_line_has_the_time_of_its_first_byte() -> None:
    output = OutputLines()
    assert output.feed(b"be", 1) == []
    assert output.feed(b"gun\nnext", 2) == [(1, "begun")]
    assert output.feed(b"\n", 3) == [(2, "next")]
    assert output.finish() == []


def test_counts_and_ends() -> None:
    trace = Trace()
    events = [queued("a", "A"), cached("a", 0), queued("b", "B", "a"), started("b", 1), completed("b", 3.5, "canceled")]
    for event in events:
        trace.update(event)
    assert (len(trace.vertices), trace.completed_count, trace.failed, trace.canceled) == (2, 2, False, True)
    state = trace.vertices[digest("b")]
    assert (state.elapsed(0), state.running, state.inputs) == (2.5, False, (digest("a"),))


def test_events_of_a_vertex_nobody_announced_are_no_error() -> None:
    trace = Trace()
    state, lines = trace.update(log("x", 1, b"out of nowhere\n"))
    assert (state.name, lines) == (digest("x"), [(T0 + 1, "out of nowhere")])
    assert state.tail_text() == ("0.000 out of nowhere",)


def test_offsets_keep_their_width() -> None:
    assert [offset(T0 + at, T0) for at in (0, 9.9994, 10, 99.994, 100, 4000, -1)] == [
        "0.000",
        "9.999",
        "10.00",
        "99.99",
        "100.0",
        "4000.0",
        "0.000",
    ]


def test_a_vertex_that_starts_again_has_not_ended() -> None:
    """A stored result turned out to be lost, and whatever failed for the lack of it is done once more."""
    trace = Trace()
    for event in [queued("a", "A"), cached("a", 0), queued("b", "B", "a"), started("b", 1), completed("b", 2, "lost")]:
        trace.update(event)
    assert (trace.completed_count, trace.failed) == (2, True)
    for event in [started("a", 3), started("b", 3)]:
        trace.update(event)
    assert (trace.completed_count, trace.failed) == (0, False)
    assert not trace.vertices[digest("a")].cached
    for event in [completed("a", 4), completed("b", 4)]:
        trace.update(event)
    assert (trace.completed_count, trace.failed) == (2, False)
