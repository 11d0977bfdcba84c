"""Archives made to be expensive: read or refused with little memory, whatever they claim; each in its own process."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from typing import TYPE_CHECKING, TypedDict

import pytest
from llbuild.errors import LlbuildError
from llbuild.tests.tools import ROOT
from llbuild.tests.worker.layer.tars import entry, folder
from llbuild.worker.layer import TarLimits, extract_layer
from llbuild.worker.layer.tarreader import TarReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_KIB = 40 << 10  # more than before: an open folder, a piece of a megabyte and its hash are a few MB
_END = bytes(1024)


class Outcome(TypedDict):
    error: str
    entries: int
    grown_kib: int


class Stream(io.RawIOBase):
    """A tar that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _header(name: str, *, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info, _ = folder(name) if kind == tarfile.DIRTYPE else entry(name, kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def names_of_folders_that_have_no_member() -> Iterator[bytes]:
    for number in range(12_000):
        yield _header(f"{'long' * 20}{number}/a/b")
    yield _END


def one_file_again_and_again() -> Iterator[bytes]:
    header = _header("d/file")
    for _ in range(30):
        yield header * 1000
    yield _END


def many_whiteouts_and_folders() -> Iterator[bytes]:
    for number in range(15_000):
        yield _header(f"d{number}", kind=tarfile.DIRTYPE) + _header(f"d{number}/.wh.f")
    yield _END


def pax_headers_of_a_megabyte_each() -> Iterator[bytes]:
    record = b"1000000 SCHILY.xattr.user.x=".ljust(999_999, b"x") + b"\n"
    block = _header("pax", kind=tarfile.XHDTYPE, size=len(record)) + record.ljust(1_000_448, b"\0") + _header("f")
    for _ in range(300):
        yield block
    yield _END


def attributes_in_headers_for_all_that_follows() -> Iterator[bytes]:
    for number in range(300):
        name = b"SCHILY.xattr.user.%d=" % number
        record = (b"1000000 " + name).ljust(999_999, b"x") + b"\n"
        yield _header("pax", kind=tarfile.XGLTYPE, size=len(record)) + record.ljust(1_000_448, b"\0")
    yield _header("f") + _END


def a_map_of_pieces_without_end() -> Iterator[bytes]:
    info, _ = entry("f", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"})
    info.size = 1 << 40
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield b"99999\n".ljust(512, b"0\n"[1:])
    while True:
        yield b"0\n" * (1 << 19)


def a_file_of_two_terabytes_of_nothing() -> Iterator[bytes]:
    size = str(2 << 40)
    info, _ = entry("f", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": size})
    info.size = 512
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield b"0\n".ljust(512, b"\0") + _END


def a_name_as_long_as_a_file() -> Iterator[bytes]:
    yield _header("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME, size=1 << 40)
    while True:
        yield b"n" * (1 << 20)


# What is refused, and with which words; the rest is unpacked.
CASES: dict[Callable[[], Iterator[bytes]], str] = {
    names_of_folders_that_have_no_member: "",
    one_file_again_and_again: "",
    many_whiteouts_and_folders: "",
    pax_headers_of_a_megabyte_each: "",
    attributes_in_headers_for_all_that_follows: "",
    a_map_of_pieces_without_end: "malformed sparse file",
    a_file_of_two_terabytes_of_nothing: "",
    a_name_as_long_as_a_file: "extended header that is too long",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_an_archive_of_any_size_takes_little_memory(case: Callable[[], Iterator[bytes]]) -> None:
    place = tempfile.mkdtemp(prefix="llbuild-hostile-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        outcome = _in_child(case.__name__, place)
    finally:
        shutil.rmtree(place)
    if CASES[case]:
        assert CASES[case] in outcome["error"]
    elif not _refused_by_the_disk(outcome["error"]):
        assert outcome["error"] == ""
        assert outcome["entries"] > 0
    assert outcome["grown_kib"] < _MOST_KIB


def _refused_by_the_disk(error: str) -> bool:
    """Attributes of a megabyte, and files of terabytes, are more than most file systems take."""
    return any(words in error for words in ("Argument list too long", "No space left", "File too large"))


def test_ten_million_members_are_counted_and_one_more_is_refused() -> None:
    """Read, not unpacked: the limit is what bounds it, and nothing is kept of what was read."""
    assert TarLimits().members == 10_000_000
    header = _header("f")
    reader = TarReader(iter([header * 2048] * 40), TarLimits(members=2048 * 40 - 1))
    with pytest.raises(LlbuildError, match="too many members"):
        while reader.next() is not None:
            pass


def _in_child(case: str, place: str) -> Outcome:
    code = f"from llbuild.tests.worker.layer.test_hostile_sizes import child; child({case!r}, {place!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".typing")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    outcome: Outcome = json.loads(done.stdout)
    return outcome


def child(case: str, place: str) -> None:
    """Unpack it, and tell what that took."""
    pieces = globals()[case]()
    before = _peak_kib()
    error, entries = "", 0
    try:
        with io.BufferedReader(Stream(pieces), 1 << 20) as stream:
            entries = extract_layer(stream, place, userxattr=os.geteuid() != 0).entries
    except LlbuildError as failure:
        error = failure.message
    sys.stdout.write(json.dumps({"error": error, "entries": entries, "grown_kib": _peak_kib() - before}))


def _peak_kib() -> int:
    """Not ru_maxrss, in which what the parent had before exec counts too."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
