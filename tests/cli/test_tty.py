from __future__ import annotations

import io
from typing import TYPE_CHECKING

from llbuild.cli.progress.paint import Painter
from llbuild.cli.progress.tty import Row, TtyDisplay, live_rows
from llbuild.tests.cli.recorded import FakeClock, cached, completed, log, queued, started, transfer, when
from rich.console import Console

if TYPE_CHECKING:
    from llbuild.solver import Event


class Screen:
    """A terminal as far as the display uses one: lines, cursor up, erase line, carriage return."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        at = 0
        column = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                end = at + 2
                while text[end] in "0123456789;?":
                    end += 1
                number = text[at + 2 : end]
                match text[end]:
                    case "A":
                        self.row -= int(number or 1)
                        assert self.row >= 0, "moved above the first line"
                    case "K":
                        self.lines[self.row] = ""
                    case "m" | "h" | "l":
                        pass
                    case other:
                        raise AssertionError(f"unexpected escape {other!r}")
                at = end
            elif char == "\r":
                column = 0
            elif char == "\n":
                self.row += 1
                column = 0
                if self.row == len(self.lines):
                    self.lines.append("")
            else:
                line = self.lines[self.row].ljust(column)
                self.lines[self.row] = line[:column] + char + line[column + 1 :]
                column += 1
                assert column <= self.width, "a line would wrap"
            at += 1

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n") + "\n"


class Terminal:
    """A display on a fixed-width screen, and the clock it reads."""

    def __init__(self, *, width: int = 49, height: int = 12) -> None:
        self.stream = io.StringIO()
        self.clock = FakeClock()
        self.width = width
        self.painters = 0

        def painter(stream: object, color: bool) -> Painter:
            self.painters += 1
            console = Console(
                file=self.stream, width=width, height=height, force_terminal=True, color_system=None, highlight=False
            )
            return Painter(self.stream, color=color, console=console)

        self.display = TtyDisplay(self.stream, color=False, clock=self.clock, painter=painter)

    def play(self, *events: Event) -> None:
        for event in events:
            at = when(event)
            if at is not None:
                self.clock.at(at)
            self.display.display(event)

    def screen(self, at: float) -> str:
        self.clock.at(at)
        self.display.refresh()
        return self.final()

    def final(self) -> str:
        screen = Screen(self.width)
        screen.feed(self.stream.getvalue())
        return screen.text()


def test_running_vertices_are_repainted_and_finished_ones_scroll_up() -> None:
    terminal = Terminal()
    terminal.play(
        queued("a", "[1/3] FROM busybox"),
        queued("b", "[2/3] RUN make"),
        queued("c", "[3/3] RUN test the whole program with everything"),
        cached("a", 0),
        started("b", 0),
        started("c", 0.1),
        log("b", 0.2, b"cc hello.c\n"),
    )
    assert (
        terminal.screen(1.1)
        == """\
 => CACHED [1/3] FROM busybox               0.0s
[+] Building 1.1s (1/3)
 => [2/3] RUN make                          1.1s
 => => # cc hello.c
 => [3/3] RUN test the whole program with … 1.0s
"""
    )
    terminal.play(completed("b", 2))
    assert (
        terminal.screen(3)
        == """\
 => CACHED [1/3] FROM busybox               0.0s
 => [2/3] RUN make                          2.0s
[+] Building 3.0s (2/3)
 => [3/3] RUN test the whole program with … 2.9s
"""
    )
    terminal.play(completed("c", 3.1))
    terminal.display.close()
    terminal.display.close()
    assert (
        terminal.final()
        == """\
 => CACHED [1/3] FROM busybox               0.0s
 => [2/3] RUN make                          2.0s
 => [3/3] RUN test the whole program with … 3.0s
[+] Building 3.1s (3/3) FINISHED
"""
    )
    assert terminal.painters == 1


def test_a_short_build_is_written_without_rich() -> None:
    terminal = Terminal(width=80)  # what is assumed of a stream that has no width
    terminal.play(queued("a", "FROM busybox"), queued("b", "RUN make"), cached("a", 0), cached("b", 0.01))
    terminal.display.refresh()
    terminal.display.close()
    assert terminal.painters == 0
    assert (
        terminal.final()
        == f"""\
 => CACHED FROM busybox{"0.0s":>56}
 => CACHED RUN make{"0.0s":>60}
[+] Building 0.0s (2/2) FINISHED
"""
    )


def test_failures_and_cancellations_stay_visible() -> None:
    terminal = Terminal()
    terminal.play(
        queued("a", "RUN false"),
        queued("b", "RUN sleep 9"),
        queued("c", "RUN never"),
        started("a", 0),
        started("b", 0),
        completed("a", 1, "exited with code 1"),
        completed("b", 1.1, "canceled"),
        completed("c", 1.1, "canceled"),
    )
    terminal.display.close()
    assert (
        terminal.final()
        == """\
 => ERROR RUN false                         1.0s
 => CANCELED RUN sleep 9                    1.1s
[+] Building 1.1s (3/3) FAILED
"""
    )


def test_a_build_that_is_interrupted_says_so() -> None:
    terminal = Terminal()
    terminal.play(queued("a", "RUN sleep 9"), started("a", 0))
    terminal.play(completed("a", 2, "canceled"))
    terminal.display.close()
    assert (
        terminal.final()
        == """\
 => CANCELED RUN sleep 9                    2.0s
[+] Building 2.0s (1/1) STOPPED
"""
    )


def test_a_build_that_breaks_off_says_so() -> None:
    terminal = Terminal()
    terminal.play(queued("a", "RUN sleep 9"), started("a", 0))
    terminal.clock.at(2)
    terminal.display.close()
    assert terminal.final() == "[+] Building 2.0s (0/1) STOPPED\n"


def test_output_is_the_last_six_lines_without_escapes() -> None:
    terminal = Terminal()
    output = b"".join(b"line %d\x1b[2J\x1b[A\n" % number for number in range(9))
    terminal.play(queued("a", "RUN make"), started("a", 0), log("a", 0.1, output))
    lines = terminal.screen(1).splitlines()
    assert lines[2:] == [f" => => # line {number}" for number in range(3, 9)]


def test_a_line_that_has_not_ended_yet_is_shown() -> None:
    terminal = Terminal()
    terminal.play(queued("a", "RUN curl"), started("a", 0), log("a", 0.1, b"fetching\n10%\r20%"))
    assert terminal.screen(1).splitlines()[2:] == [" => => # fetching", " => => # 20%"]
    terminal.play(log("a", 1.1, b"\r100%\ndone\n"))
    assert terminal.screen(2).splitlines()[2:] == [" => => # fetching", " => => # 100%", " => => # done"]


def test_transfers_show_amounts_until_they_are_done() -> None:
    terminal = Terminal(width=59)
    terminal.play(
        queued("a", "FROM busybox"),
        started("a", 0),
        transfer("a", 0.1, "sha256:0123456789abcdef0123456789", 1_500_000, 3_000_000),
        transfer("a", 0.1, "sha256:done", 5, 5, done=True),
    )
    assert (
        terminal.screen(1.1)
        == """\
[+] Building 1.1s (0/1)
 => FROM busybox                                      1.1s
 => => sha256:0123456789abcdef… 1.5MB / 3MB           1.0s
"""
    )


def test_more_vertices_than_rows_are_counted() -> None:
    terminal = Terminal(height=6)
    for number in range(8):
        terminal.play(queued(f"v{number}", f"RUN {number}"), started(f"v{number}", 0))
    assert (
        terminal.screen(1)
        == """\
[+] Building 1.0s (0/8)
 => RUN 0                                   1.0s
 => RUN 1                                   1.0s
 => RUN 2                                   1.0s
 => … and 5 more
"""
    )


def test_room_for_output_goes_to_who_spoke_last() -> None:
    terminal = Terminal(height=8)
    terminal.play(queued("a", "RUN a"), queued("b", "RUN b"), started("a", 0), started("b", 0))
    terminal.play(log("a", 0.1, b"1\n2\n3\n4\n"), log("b", 0.2, b"x\ny\nz\n"))
    assert [line.strip() for line in terminal.screen(1).splitlines()[1:]] == [
        "=> RUN a                                   1.0s",
        "=> => # 4",
        "=> RUN b                                   1.0s",
        "=> => # x",
        "=> => # y",
        "=> => # z",
    ]


def test_no_room_at_all_is_no_error() -> None:
    assert live_rows([], 0, 10, 0) == []
    terminal = Terminal(width=10, height=2)
    terminal.play(queued("a", "RUN a"), started("a", 0))
    assert terminal.screen(1) == "[+] Buil…\n"


def test_events_draw_by_themselves_ten_times_a_second_at_most() -> None:
    paints: list[int] = []

    class CountingPainter:
        def size(self) -> tuple[int, int]:
            return 80, 24

        def paint(self, lasting: list[Row], live: list[Row]) -> None:
            paints.append(len(live))

        def stop(self) -> None:
            pass

    clock = FakeClock()
    display = TtyDisplay(io.StringIO(), clock=clock, painter=lambda stream, color: CountingPainter())  # type: ignore[arg-type, return-value]  # a painter that counts
    display.display(queued("a", "RUN a"))
    display.display(started("a", 0))
    for hundredth in range(100):
        clock.at(hundredth / 100)
        display.display(log("a", hundredth / 100, b"line\n"))
    assert 7 <= len(paints) <= 9
