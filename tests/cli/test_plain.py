from __future__ import annotations

import io
from typing import TYPE_CHECKING

from llbuild.cli.progress.plain import PlainDisplay
from llbuild.tests.cli.recorded import (
    FakeClock,
    cached,
    completed,
    log,
    queued,
    started,
    transfer,
    when,
)

if TYPE_CHECKING:
    from llbuild.solver import Event


def shown(*events: Event, refresh_at: float | None = None, close: bool = True) -> str:
    stream, clock = io.StringIO(), FakeClock()
    display = PlainDisplay(stream, clock=clock)
    for event in events:
        at = when(event)
        if at is not None:
            clock.at(at)
        display.display(event)
    if refresh_at is not None:
        clock.at(refresh_at)
        display.refresh()
    if close:
        display.close()
    return stream.getvalue()


def test_a_small_build_reads_like_buildkits_log() -> None:
    assert (
        shown(
            queued("a", "[1/3] FROM busybox"),
            queued("b", "[2/3] RUN make", "a"),
            queued("c", "[3/3] COPY . .", "b"),
            cached("a", 0.01),
            started("b", 0.02),
            log("b", 0.143, b"cc -o hello hello.c\n"),
            log("b", 15.5, b"linking\nstripping\n"),
            completed("b", 15.9),
            started("c", 16),
            completed("c", 16.04),
        )
        == """\
#1 [1/3] FROM busybox
#1 CACHED

#2 [2/3] RUN make
#2 0.123 cc -o hello hello.c
#2 15.48 linking
#2 15.48 stripping
#2 DONE 15.9s

#3 [3/3] COPY . .
#3 DONE 0.0s
"""
    )


def test_a_vertex_that_ends_meanwhile_interrupts_the_one_that_speaks() -> None:
    assert (
        shown(
            queued("a", "RUN a"),
            queued("b", "RUN b"),
            started("a", 0),
            started("b", 0),
            log("a", 0.1, b"from a\n"),
            log("b", 0.2, b"from b\n"),
            completed("b", 0.3),
            log("a", 0.4, b"again a\n"),
            completed("a", 0.5),
        )
        == """\
#1 RUN a
#1 0.100 from a
#1 ...

#2 RUN b
#2 0.200 from b
#2 DONE 0.3s

#1 RUN a
#1 0.400 again a
#1 DONE 0.5s
"""
    )


def test_when_the_speaker_ends_the_longest_waiting_one_with_something_to_tell_goes_on() -> None:
    assert (
        shown(
            queued("a", "RUN a"),
            queued("b", "RUN b"),
            queued("c", "RUN c"),
            started("a", 0),
            started("b", 0),
            started("c", 0),
            log("a", 0.1, b"from a\n"),
            log("c", 0.2, b"from c\n"),
            completed("a", 0.3),
            close=False,
        )
        == """\
#1 RUN a
#1 0.100 from a
#1 DONE 0.3s

#2 RUN c
#2 0.200 from c
"""
    )


def test_a_silent_speaker_loses_the_floor() -> None:
    events = (
        queued("a", "RUN a"),
        queued("b", "RUN b"),
        started("a", 0),
        started("b", 0),
        log("a", 0.1, b"from a\n"),
        log("b", 0.5, b"from b\n"),
    )
    assert shown(*events, refresh_at=0.9, close=False) == "#1 RUN a\n#1 0.100 from a\n"
    assert shown(*events, refresh_at=1.2, close=False).endswith("#1 ...\n\n#2 RUN b\n#2 0.500 from b\n")


def test_of_those_who_wait_one_with_something_to_tell_follows_a_silent_speaker() -> None:
    text = shown(
        queued("a", "RUN a"),
        queued("b", "RUN b"),
        queued("c", "RUN c"),
        started("a", 0),
        started("b", 0),
        started("c", 0.1),
        log("a", 0.1, b"from a\n"),
        log("c", 0.2, b"from c\n"),
        refresh_at=1.5,
        close=False,
    )
    assert text == "#1 RUN a\n#1 0.100 from a\n#1 ...\n\n#2 RUN c\n#2 0.100 from c\n"


def test_a_silent_vertex_is_announced_once_it_has_lasted_a_moment() -> None:
    events = (queued("a", "RUN sleep 9"), started("a", 0))
    assert shown(*events, refresh_at=0.05, close=False) == ""
    assert shown(*events, refresh_at=0.15, close=False) == "#1 RUN sleep 9\n"


def test_vertices_that_pass_in_a_moment_do_not_interrupt_each_other() -> None:
    assert (
        shown(
            queued("a", "FROM busybox"),
            queued("b", "load context"),
            started("a", 0),
            started("b", 0.01),
            completed("b", 0.02),
            completed("a", 0.03),
        )
        == """\
#1 load context
#1 DONE 0.0s

#2 FROM busybox
#2 DONE 0.0s
"""
    )


def test_a_steady_speaker_loses_the_floor_after_five_seconds() -> None:
    chatter = [log("a", second / 2, b"a\n") for second in range(1, 13)]
    text = shown(queued("a", "RUN a"), queued("b", "RUN b"), started("a", 0), started("b", 0), *chatter, refresh_at=6.1)
    assert text.endswith("#1 6.000 a\n#1 ...\n\n#2 RUN b\n")


def test_much_output_is_not_held_back() -> None:
    text = shown(
        queued("a", "RUN a"),
        queued("b", "RUN b"),
        started("a", 0),
        started("b", 0),
        log("a", 0, b"a\n"),
        log("b", 0.1, b"x" * 99 + b"\n" + b"y\n" * 40_000),
        close=False,
    )
    assert text.startswith("#1 RUN a\n#1 0.000 a\n#1 ...\n\n#2 RUN b\n#2 0.100 xxx")


def test_errors_and_cancellations_are_told_apart() -> None:
    assert (
        shown(
            queued("a", "RUN false"),
            queued("b", "RUN sleep 9"),
            queued("c", "RUN never"),
            started("a", 0),
            started("b", 0),
            log("a", 0.1, b"no newline at the end"),
            completed("a", 0.2, 'process "/bin/sh -c false" exited\nwith code 1'),
            completed("b", 0.3, "canceled"),
            completed("c", 0.3, "canceled"),
        )
        == """\
#1 RUN false
#1 0.100 no newline at the end
#1 ERROR: process "/bin/sh -c false" exited with code 1

#2 RUN sleep 9
#2 CANCELED
"""
    )


def test_transfers_show_their_beginning_now_and_then_and_their_end() -> None:
    assert (
        shown(
            queued("a", "FROM busybox"),
            started("a", 0),
            transfer("a", 0.1, "sha256:abc", 0, 2_000_000),
            transfer("a", 1, "sha256:abc", 100_000, 2_000_000),
            transfer("a", 6, "sha256:abc", 1_500_000, 2_000_000),
            transfer("a", 7, "sha256:abc", 2_000_000, 2_000_000, done=True),
            completed("a", 7.2),
        )
        == """\
#1 FROM busybox
#1 sha256:abc 0B / 2MB
#1 sha256:abc 1.5MB / 2MB 5.9s
#1 sha256:abc 2MB / 2MB 6.9s done
#1 DONE 7.2s
"""
    )


def test_strange_output_cannot_harm_the_log() -> None:
    assert (
        shown(
            queued("a", "RUN \x1b[2Jclear\nFAKE"),
            started("a", 0),
            log("a", 0, b"\x1b[31mred\x1b[0m \x1b]0;title\x07and \xff\xfe bytes\r\n"),
            log("a", 0, b"10%\r50%\r100%\n"),
            log("a", 0, b"split \xc3"),
            log("a", 0, b"\xa9 and es\x1b[3"),
            log("a", 0, b"1mcape\n"),
            log("a", 0, b"bell\x07 back\x08 \xe2\x80\xaeevil\n"),
            completed("a", 0),
        )
        == """\
#1 RUN clear FAKE
#1 0.000 red and \ufffd\ufffd bytes
#1 0.000 100%
#1 0.000 split é and escape
#1 0.000 bell\ufffd back\ufffd \ufffdevil
#1 DONE 0.0s
"""
    )


def test_stdout_and_stderr_do_not_run_into_one_line() -> None:
    assert (
        shown(
            queued("a", "RUN a"),
            started("a", 0),
            log("a", 0.1, b"half of "),
            log("a", 0.2, b"a warning\n", stream=2),
            log("a", 0.3, b"a line\n"),
            close=False,
        )
        == "#1 RUN a\n#1 0.200 a warning\n#1 0.100 half of a line\n"
    )


def test_a_line_without_end_is_shown_in_pieces_and_an_endless_progress_bar_is_not_kept() -> None:
    text = shown(queued("a", "RUN a"), started("a", 0), log("a", 0, b"x" * 20_000), close=False)
    assert [len(line) for line in text.splitlines()] == [8, 8192 + 9, 8192 + 9]
    bar = shown(queued("a", "RUN a"), started("a", 0), *[log("a", 0, b"\r50%" * 5000)] * 3, completed("a", 1))
    assert bar == "#1 RUN a\n#1 0.000 50%\n#1 DONE 1.0s\n"


def test_many_cached_vertices_are_one_write() -> None:
    class CountingStream(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    stream, clock = CountingStream(), FakeClock()
    display = PlainDisplay(stream, clock=clock)
    for number in range(500):
        display.display(queued(f"v{number}", f"step {number}"))
        display.display(cached(f"v{number}", 0))
    display.close()
    assert stream.writes <= 2
    assert stream.getvalue().count("CACHED") == 500
