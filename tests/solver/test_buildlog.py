"""What is kept of the output of a build's steps."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.digest import blake3_digest
from llbuild.errors import StoreError
from llbuild.llb.codec import pack
from llbuild.solver import BuildLog, LogChunk, StepLog, VertexLog
from llbuild.solver.buildlog import decode_log, encode_log

T0 = 1_700_000_000.0
ONE, OTHER = blake3_digest(b"one"), blake3_digest(b"other")


def gathered(*events: VertexLog, step_bytes: int = 1000, build_bytes: int = 10_000) -> tuple[StepLog, ...]:
    log = BuildLog(step_bytes=step_bytes, build_bytes=build_bytes)
    for event in events:
        log.add(event)
    return log.logs()


def said(log: StepLog) -> bytes:
    return b"".join(chunk.data for chunk in log.chunks)


def test_output_is_kept_by_step_with_its_stream_and_time() -> None:
    logs = gathered(VertexLog(ONE, 1, b"a", T0), VertexLog(OTHER, 1, b"b", T0 + 1), VertexLog(ONE, 2, b"c", T0 + 2))
    assert logs == (
        StepLog(vertex=ONE, head=(LogChunk(1, T0, b"a"), LogChunk(2, T0 + 2, b"c"))),
        StepLog(vertex=OTHER, head=(LogChunk(1, T0 + 1, b"b"),)),
    )


def test_what_one_stream_says_at_once_is_one_chunk() -> None:
    """A process may write byte by byte."""
    (log,) = gathered(*(VertexLog(ONE, 1, b"x", T0 + number / 100_000) for number in range(500)))
    assert log.head == (LogChunk(1, T0, b"x" * 500),)


def test_of_a_long_log_the_beginning_and_the_end_are_kept() -> None:
    (log,) = gathered(*(VertexLog(ONE, 1, b"%09d\n" % number, T0 + number) for number in range(1000)))
    text = said(log)
    assert text.startswith(b"000000000\n000000001\n")
    assert text.endswith(b"000000998\n000000999\n")
    assert len(text) + log.dropped_bytes == 10_000
    assert sum(map(len, text.split())) < 2000


def test_one_huge_write_is_cut_within() -> None:
    data = bytes(range(256)) * 1000
    (log,) = gathered(VertexLog(ONE, 1, data, T0))
    head, tail = b"".join(chunk.data for chunk in log.head), b"".join(chunk.data for chunk in log.tail)
    assert data.startswith(head)
    assert data.endswith(tail)
    assert len(head) + log.dropped_bytes + len(tail) == len(data)
    assert len(head) > 500 < len(tail)


def test_when_all_print_too_much_those_that_printed_most_lose() -> None:
    quiet = VertexLog(OTHER, 1, b"just this", T0)
    loud = [VertexLog(ONE, 1, b"%0999d\n" % number, T0 + number) for number in range(100)]
    others = [VertexLog(blake3_digest(b"%d" % number), 1, b"z" * 30_000, T0 + number) for number in range(20)]
    logs = gathered(quiet, *loud, *others, step_bytes=40_000, build_bytes=100_000)
    assert 50_000 < sum(len(said(log)) for log in logs) <= 100_000
    by_vertex = {log.vertex: log for log in logs}
    assert said(by_vertex[OTHER]) == b"just this"
    assert said(by_vertex[ONE]).endswith(b"99\n")
    assert len(by_vertex) == 22


@given(
    writes=st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 2), st.binary(min_size=1, max_size=700), st.floats(0, 0.02)),
        max_size=60,
    ),
    step_bytes=st.integers(200, 3000),
    build_bytes=st.integers(1000, 30_000),
)
@settings(max_examples=60)
def test_what_is_kept_is_a_beginning_and_an_end_of_what_was_said(
    writes: list[tuple[int, int, bytes, float]], step_bytes: int, build_bytes: int
) -> None:
    log = BuildLog(step_bytes=step_bytes, build_bytes=build_bytes)
    whole: dict[str, bytes] = {}
    at = T0
    for step, stream, data, pause in writes:
        vertex = blake3_digest(b"%d" % step)
        at += pause
        log.add(VertexLog(vertex, stream, data, at))
        whole[vertex] = whole.get(vertex, b"") + data
    assert [one.vertex for one in log.logs()] == list(whole)
    for one in log.logs():
        head, tail = (b"".join(chunk.data for chunk in part) for part in (one.head, one.tail))
        said = whole[one.vertex]
        assert said.startswith(head)
        assert said.endswith(tail)
        assert len(head) + one.dropped_bytes + len(tail) == len(said)
        times = [chunk.at for chunk in one.chunks]
        assert times == sorted(times)
        back = decode_log(one.vertex, encode_log(one, T0), T0)
        assert (back.dropped_bytes, [chunk.data for chunk in back.tail]) == (
            one.dropped_bytes,
            [chunk.data for chunk in one.tail],
        )
        assert all(abs(chunk.at - time) < 2e-6 for chunk, time in zip(back.chunks, times, strict=True))


@pytest.mark.parametrize("data", [b"", b"junk", zlib.compress(b"junk"), zlib.compress(pack([1, 2]))])
def test_a_damaged_log_is_told(data: bytes) -> None:
    with pytest.raises(StoreError, match="the log of a step is damaged"):
        decode_log(ONE, data, T0)
