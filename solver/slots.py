"""Steps that run at once, among all builds that share a state folder: so many and no more, and every build its share.

    async with slots.held():             # waits for a slot, and for one's turn
        …run the step…

Of the builds that wait for a slot none gets more than its share, the slots divided by the number of those that wait,
rounded up, as long as another one waits; and of those that have less, the one goes first that has waited longest since
it last got one. So a build of two steps waits for two turns, however many steps another one has.

One file of rows, mapped into every process:

    head: u64 turns given out · u64 highest row that was ever used (written by who has the guard)
    row:  u32 slots held · u32 steps that wait · u64 turn · f64 when it last asked, on the monotonic clock · u32 pid

A row is its build's as long as that has the byte of the row's number locked (fcntl(2), OFD locks): whatever ends the
process frees its slots. Only its build writes a row; who takes a slot holds a lock on one more byte meanwhile.
A process that is stopped (Ctrl-Z) is passed over: it does not ask any more, and its slots do not count.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

import anyio

from ..blocking import run_blocking
from ..bytelocks import UNLOCK, lock_byte, one_locked, open_lock_file
from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["Build", "Slots", "default_slots", "may_take"]

_HEAD = struct.Struct("<QQ")
_TURNS = struct.Struct("<Q")
_ROW = struct.Struct("<IIQdI")
_ROW_BYTES = 32
_ROWS = 255  # builds at the same time; those beyond go without
_BYTES = _ROW_BYTES * (_ROWS + 1)
_GUARD = _ROWS + 1  # the byte that is locked while a slot is taken
_GUARD_TRIES = 50  # 2 µs each; whoever has it needs 10
_ASK_EVERY_S = 0.02
_LOOK_EVERY = 25  # askings: for processes that were stopped
_SILENT_S = 1.0  # one that has not asked for so long does not wait: its process is stopped, or gets no time
_LAST = (1 << 64) - 1


class Build(NamedTuple):
    """What a build has and wants at one moment. `turn`: smaller goes first."""

    held: int
    waiting: int
    turn: int = _LAST


def default_slots() -> int:
    """As many as one build may use by itself, or more on a large machine."""
    return max(64, 8 * (os.cpu_count() or 1))


def may_take(mine: Build, others: Sequence[Build], slots: int) -> bool:
    """Whether a build may have one more slot now. `others`: all other builds that hold slots or wait for some."""
    if mine.held + sum(other.held for other in others) >= slots:
        return False
    waiting = [other for other in others if other.waiting]
    share = -(-slots // (len(waiting) + 1))
    if not waiting:
        return True
    return mine.held < share and all(other.held >= share or other.turn > mine.turn for other in waiting)


class Slots:
    """One build's part in it. Belongs to one event loop."""

    def __init__(
        self, path: Path, slots: int, *, clock: Callable[[], float] = time.monotonic, look_every: int = _LOOK_EVERY
    ) -> None:
        """path: of the file, made when it is not there. slots: how many there are.

        clock: one for all builds. look_every: so many askings are between looks for processes that were stopped.
        Raises StoreError.
        """
        self._look_every = look_every
        self._slots = slots
        self._clock = clock
        self._held = self._waiting = self._row = 0
        self._turn = _LAST
        self._passed_over: frozenset[int] = frozenset()  # processes that are stopped
        self._line = anyio.Lock()  # of this build's steps: the first one asks for all
        self._freed = anyio.Event()
        self._file = open_lock_file(path)
        try:
            if os.fstat(self._file).st_size < _BYTES:
                os.posix_fallocate(self._file, 0, _BYTES)  # a full disk is an error here, and a signal in a mapping
            self._table = mmap.mmap(self._file, _BYTES)
        except OSError as error:
            raise StoreError(f"cannot use {path}: {error.strerror}") from None
        self._refused_since = 0.0
        self._row = self._take_row()
        self._write()

    def _take_row(self) -> int:
        """0 when all are taken."""
        while not self._guard():
            time.sleep(0.001)
        try:
            for row in range(1, _ROWS + 1):
                if lock_byte(self._file, row):
                    turns, highest = _HEAD.unpack_from(self._table)
                    _HEAD.pack_into(self._table, 0, turns, max(highest, row))
                    return row
            return 0
        finally:
            lock_byte(self._file, _GUARD, UNLOCK)

    def close(self) -> None:
        """Give back whatever is held."""
        if self._file >= 0:
            self._held = self._waiting = 0
            self._write()
            self._table.close()
            os.close(self._file)
            self._file = -1

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Have a slot while the block runs. Raises StoreError when the file system knows no locks."""
        if self._row == 0:
            yield
            return
        if self._waiting or not self._take():
            await self._wait()
        try:
            yield
        finally:
            self._held -= 1
            self._write()
            self._freed.set()

    async def _wait(self) -> None:
        self._waiting += 1
        if self._waiting == 1:
            self._turn = self._next_turn()
        taken = False
        try:
            async with self._line:
                asked = 0
                while not (taken := self._take()):
                    self._freed = anyio.Event()
                    with anyio.move_on_after(_ASK_EVERY_S):  # other processes do not tell
                        await self._freed.wait()
                    asked += 1
                    if asked % self._look_every == 0:
                        self._passed_over = await run_blocking(_stopped, [pid for _, pid in self._others()])
        except BaseException:
            if taken:
                self._held -= 1
            raise
        finally:
            self._waiting -= 1
            self._turn = self._next_turn() if self._waiting else _LAST
            self._passed_over = frozenset()
            self._write()

    def _take(self) -> bool:
        """Take a slot, if there is one and it is this build's turn."""
        self._write()  # who decides meanwhile is to know that this one waits
        if not self._guard():
            return False
        try:
            others = [build for build, pid in self._others() if pid not in self._passed_over]
            if not may_take(Build(self._held, self._waiting, self._turn), others, self._slots):
                return False
            self._held += 1
            self._write()
            return True
        finally:
            lock_byte(self._file, _GUARD, UNLOCK)

    def _guard(self) -> bool:
        """Keep others from deciding at the same time, if they do not at this moment."""
        if any(lock_byte(self._file, _GUARD) for _ in range(_GUARD_TRIES)):
            self._refused_since = 0.0
            return True
        now = self._clock()
        self._refused_since = self._refused_since or now
        return now - self._refused_since > _SILENT_S  # whoever has it was stopped in there: go on without

    def builds(self) -> list[Build]:
        """What the other builds have and want."""
        return [build for build, _ in self._others()]

    def _others(self) -> list[tuple[Build, int]]:
        """Every other build that holds or wants something, with its process."""
        found: list[tuple[Build, int]] = []
        _, highest = _HEAD.unpack_from(self._table)
        silent_since = self._clock() - _SILENT_S
        for row in range(1, highest + 1):
            if row == self._row:
                continue
            held, waiting, turn, asked, pid = _ROW.unpack_from(self._table, row * _ROW_BYTES)
            if (held or waiting) and one_locked(self._file, row, 1) is not None:
                found.append((Build(held, waiting if asked >= silent_since else 0, turn), pid))
        return found

    def _next_turn(self) -> int:
        """Later than all that were given out. Two builds that read the same number come at the same time."""
        (turns,) = _TURNS.unpack_from(self._table)
        _TURNS.pack_into(self._table, 0, turns + 1)
        return int(turns) << 8 | self._row

    def _write(self) -> None:
        place = self._row * _ROW_BYTES
        if place:
            _ROW.pack_into(self._table, place, self._held, self._waiting, self._turn, self._clock(), os.getpid())


def _stopped(pids: Iterable[int]) -> frozenset[int]:
    """Those of the processes that a signal has stopped: proc(5), stat. What another pid namespace has is not known."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            if file.read().rpartition(b")")[2].split()[:1] == [b"T"]:
                found.add(pid)
    return frozenset(found)
