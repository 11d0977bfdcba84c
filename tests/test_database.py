"""state.db: many rooms in one file, and what happens when it is not what it should be."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from llbuild.database import Schema, open_database, set_aside
from llbuild.errors import DamagedError, StoreError
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

ROOM = Schema("room", 2, ("CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY)",))


def test_what_is_written_is_there_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first = open_database(path, [ROOM])
    first.execute("INSERT INTO things VALUES ('a')")
    first.close()
    assert open_database(path, [ROOM]).query("SELECT * FROM things") == [("a",)]


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state.db", [ROOM])
    with pytest.raises(KeyError), database.transaction():
        database.execute("INSERT INTO things VALUES ('a')")
        raise KeyError
    assert database.query("SELECT * FROM things") == []


def test_many_threads_take_turns(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state.db", [ROOM])

    def add(number: int) -> None:
        with database.transaction():
            database.execute("INSERT INTO things VALUES (?)", (f"{number}a",))
            database.execute("INSERT INTO things VALUES (?)", (f"{number}b",))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))
    assert database.query("SELECT count(*) FROM things") == [(200,)]


def test_any_number_of_values_is_looked_up_and_changed(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state.db", [ROOM])
    names = [f"n{number}" for number in range(1234)]
    database.execute_many("INSERT INTO things VALUES (?)", [(name,) for name in names])
    found = database.query_in("SELECT name FROM things WHERE name IN ()", iter([*names, "absent"]))
    assert sorted(found) == sorted((name,) for name in names)
    database.query_in("UPDATE things SET name = ? || name WHERE name IN ()", names[1:], ("x",))
    assert database.query("SELECT name FROM things WHERE name NOT LIKE 'x%'") == [("n0",)]
    assert database.query_in("SELECT name FROM things WHERE name IN ()", []) == []


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_any_number_of_rows_goes_in_in_order_or_none(tmp_path: Path, count: int) -> None:
    database = open_database(tmp_path / "state.db", [ROOM])
    rows = [(f"n{number}",) for number in range(count)]
    database.insert("INSERT INTO things VALUES", rows)
    assert database.query("SELECT name FROM things ORDER BY rowid") == rows
    database.insert("INSERT OR REPLACE INTO things VALUES", [*rows, ("last",), ("last",)])
    assert database.query("SELECT count(*) FROM things") == [(count + 1,)]
    with pytest.raises(StoreError, match="UNIQUE"):
        database.insert("INSERT INTO things VALUES", [("new",) for _ in range(count)] + [("other",), ("last",)])
    assert database.query("SELECT name FROM things WHERE name IN ('new', 'other')") == []


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_database(path, [replace(ROOM, version=3)]).close()
    with pytest.raises(StoreError, match=r"newer llbuild \(room 3, this one knows 2\)"):
        open_database(path, [ROOM])


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="state.db is damaged: .*not a database"):
        open_database(path, [ROOM])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open"):
        open_database(tmp_path / "missing" / "state.db", [ROOM])


def test_a_second_room_joins_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    open_database(path, [ROOM]).close()
    other = Schema("other", 1, ("CREATE TABLE IF NOT EXISTS others (name TEXT)",))
    assert open_database(path, [ROOM, other]).query("SELECT * FROM others") == []
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_long_write_ahead_log_is_folded_into_the_file_and_a_short_one_is_left(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    log = tmp_path / "state.db-wal"
    database = open_database(path, [ROOM])
    database.settle()
    assert log.stat().st_size > 0
    database.execute_many("INSERT INTO things VALUES (?)", [(f"{number:01000}",) for number in range(2000)])
    assert log.stat().st_size > 1 << 18
    database.settle()
    assert log.stat().st_size == 0
    assert open_database(path, [ROOM]).query("SELECT count(*) FROM things") == [(2000,)]


def test_a_log_that_another_process_reads_is_left_alone_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database = open_database(path, [ROOM])
    database.execute_many("INSERT INTO things VALUES (?)", [(f"{number:01000}",) for number in range(2000)])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM things").fetchall()
    database.execute("INSERT INTO things VALUES ('more')")
    database.settle()
    assert reader.execute("SELECT count(*) FROM things").fetchall() == [(2000,)]
    reader.close()
    assert database.query("SELECT count(*) FROM things") == [(2001,)]


def test_an_older_room_is_brought_up_to_date_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    old = open_database(path, [replace(ROOM, version=1)])
    old.execute("INSERT INTO things VALUES ('a')")
    old.close()
    change = (2, "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7")
    newer = replace(
        ROOM,
        statements=("CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY, size INTEGER NOT NULL DEFAULT 7)",),
        changes=(change,),
    )
    for _ in range(2):
        database = open_database(path, [newer])
        assert database.query("SELECT * FROM things") == [("a", 7)]
        database.close()
    fresh = open_database(tmp_path / "fresh.db", [newer])
    fresh.execute("INSERT INTO things (name) VALUES ('b')")
    assert fresh.query("SELECT * FROM things") == [("b", 7)]


def test_a_damaged_file_is_moved_away_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DamagedError) as caught:
        open_database(path, [ROOM])
    assert set_aside(caught.value) == str(tmp_path / "state.db.damaged")
    open_database(path, [ROOM]).execute("INSERT INTO things VALUES ('new')")
    set_aside(caught.value)  # another process, a moment later
    assert open_database(path, [ROOM]).query("SELECT * FROM things") == [("new",)]


def test_a_table_that_is_gone_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database = open_database(path, [ROOM])
    database.execute("DROP TABLE things")
    with pytest.raises(DamagedError, match="no such table"):
        database.query("SELECT * FROM things")
