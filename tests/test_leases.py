"""Who is at work, whatever ends them and whatever the clocks say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from llbuild.database import Schema, open_database
from llbuild.leases import LATEST, LEASE_TABLE, Leases
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.database import Database

SCHEMA = Schema("leases", 1, (LEASE_TABLE,))
_HOLD = """
import sys
from pathlib import Path
from llbuild.database import open_database
from llbuild.leases import Leases
from llbuild.tests.test_leases import SCHEMA
folder = Path(sys.argv[1])
with Leases(open_database(folder / "state.db", [SCHEMA]), str(folder / "locks" / "leases")).take() as number:
    print(number, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "state.db", [SCHEMA])
    yield database
    database.close()


@pytest.fixture
def leases(database: Database, tmp_path: Path) -> Leases:
    return Leases(database, str(tmp_path / "locks" / "leases"))


def holder(folder: Path) -> subprocess.Popen[bytes]:
    """A process that holds a lease until its stdin ends."""
    return subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".typing")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_nobody_is_at_work_in_a_new_folder(leases: Leases) -> None:
    live = leases.live()
    assert live.numbers == ()
    assert not live.may_use(10**6)
    assert not live.may_have_made(time.time())


def test_numbers_grow_and_what_is_used_under_one_may_be_in_use_by_all_older_ones(leases: Leases) -> None:
    with leases.take() as first, leases.take() as second:
        assert second == first + 1
        live = leases.live()
        assert live.numbers == (first, second)
        assert live.may_use(second)
        assert live.may_use(first)
        assert not live.may_use(first - 1)
    assert leases.live().numbers == ()
    with leases.take() as third:
        assert third == second + 1


def test_the_newest_number_is_what_is_written_into_rows(leases: Leases, database: Database) -> None:
    assert database.query(f"SELECT {LATEST}") == [(0,)]
    with leases.take() as number:
        assert database.query(f"SELECT {LATEST}") == [(number,)]


def test_a_killed_process_holds_nothing(leases: Leases, tmp_path: Path) -> None:
    process = holder(tmp_path)
    assert process.stdin
    assert process.stdout
    try:
        number = int(process.stdout.readline())
        assert leases.live().numbers == (number,)
        process.kill()
        process.wait()
        assert leases.live().numbers == ()
    finally:
        process.kill()
        process.communicate()


def test_rows_of_the_dead_do_not_pile_up_and_no_number_comes_twice(leases: Leases, database: Database) -> None:
    numbers = []
    for _ in range(5):
        with leases.take() as number:
            numbers.append(number)
        leases.live()
    assert numbers == sorted(set(numbers))
    assert database.query("SELECT count(*) FROM leases") == [(1,)]


def test_files_older_than_the_oldest_lease_are_nobodys(leases: Leases) -> None:
    before = time.time() - 60
    with leases.take():
        live = leases.live()
        assert not live.may_have_made(before)
        assert live.may_have_made(time.time())


def test_when_the_clock_was_set_no_file_is_taken_for_old(leases: Leases, database: Database) -> None:
    with leases.take():
        database.execute("UPDATE leases SET booted = booted + 3600")
        assert leases.live().may_have_made(1.0)


def test_a_lease_of_a_database_that_was_set_aside_still_protects_files(leases: Leases, database: Database) -> None:
    with leases.take():
        database.execute("DELETE FROM leases")
        assert leases.live().may_have_made(1.0)
        with leases.take() as number:  # the same number again: both hold it
            assert leases.live().numbers == (number,)
