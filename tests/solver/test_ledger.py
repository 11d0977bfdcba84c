"""What a build performs is written down behind the work, whatever its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.digest import blake3_digest
from llbuild.errors import StoreError
from llbuild.solver import SCHEMAS, CacheStore
from llbuild.solver.derivations import Derivation
from llbuild.solver.flights import Flights
from llbuild.solver.ledger import Entry, Ledger, open_ledger
from llbuild.solver.store import Record

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "state.db", SCHEMAS)


@pytest.fixture
def store(database: Database) -> CacheStore:
    return CacheStore(database)


@pytest.fixture
def flights(tmp_path: Path) -> Flights:
    return Flights(tmp_path / "locks" / "results")


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def performed(ledger: Ledger, number: int, *, failed: bool = False) -> tuple[Entry, Record | None]:
    """A vertex whose key this build holds and whose work has ended."""
    await ledger.flights.claim(key(number))
    derivation = Derivation(vertex=blake3_digest(key(number)), name=f"step {number}", created=1.0, op={"exec": {}})
    record = None if failed else Record(((f"layer{number}",),), key(number))
    return Entry(claim=key(number), key=key(number), op=key(number), derive=lambda: derivation), record


async def stored(store: CacheStore, numbers: range) -> set[int]:
    found = await run_blocking(store.find, [key(number) for number in numbers])
    return {number for number in numbers if key(number) in found}


async def claimable(flights: Flights, number: int) -> bool:
    with anyio.move_on_after(1):
        await flights.claim(key(number))
        flights.release(key(number))
        return True
    return False


async def test_everything_noted_is_stored_and_its_claim_given_back(store: CacheStore, flights: Flights) -> None:
    async with open_ledger(store, flights) as ledger:
        for number in range(20):
            ledger.note(*await performed(ledger, number))
    assert await stored(store, range(21)) == set(range(20))
    assert all([await claimable(flights, number) for number in range(20)])


async def test_what_was_noted_before_a_failure_is_stored_too(store: CacheStore, flights: Flights) -> None:
    with pytest.raises(BaseExceptionGroup):
        async with open_ledger(store, flights) as ledger:
            for number in range(5):
                ledger.note(*await performed(ledger, number))
            raise StoreError("another vertex failed")
    assert await stored(store, range(6)) == set(range(5))


async def test_what_ends_well_after_a_cancellation_is_stored_too(store: CacheStore, flights: Flights) -> None:
    """A step that is past the point where it can be stopped ends, and has a result."""
    with anyio.CancelScope() as scope:
        async with open_ledger(store, flights) as ledger:
            first, second = [await performed(ledger, number) for number in range(2)]
            ledger.note(*first)
            scope.cancel()
            with anyio.CancelScope(shield=True), anyio.fail_after(60):
                while not await stored(store, range(1)):
                    await anyio.lowlevel.checkpoint()
                ledger.note(*second)
    assert await stored(store, range(3)) == {0, 1}


async def test_of_what_failed_only_the_derivation_is_kept(store: CacheStore, flights: Flights) -> None:
    async with open_ledger(store, flights) as ledger:
        ledger.note(*await performed(ledger, 1, failed=True))
    assert await stored(store, range(2)) == set()
    kept = await run_blocking(store.derivations.of_vertex, blake3_digest(key(1)), 9.0)
    assert kept is not None
    assert not kept.done
    assert await claimable(flights, 1)


async def test_a_store_that_cannot_be_written_ends_the_build_and_frees_the_claims(
    store: CacheStore, flights: Flights, database: Database
) -> None:
    await run_blocking(database.execute, "PRAGMA query_only = 1")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_ledger(store, flights) as ledger:
            ledger.note(*await performed(ledger, 1))
            await anyio.sleep_forever()
    assert caught.group_contains(StoreError)
    assert await claimable(flights, 1)


async def test_what_ends_after_that_frees_its_claim_and_hides_nothing(
    store: CacheStore, flights: Flights, database: Database
) -> None:
    """A step that was under way when the disk was full ends as well or as badly as it would have."""
    await run_blocking(database.execute, "PRAGMA query_only = 1")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_ledger(store, flights) as ledger:
            first, second, third = [await performed(ledger, number, failed=number == 3) for number in (1, 2, 3)]
            ledger.note(*first)
            with anyio.CancelScope(shield=True), anyio.fail_after(60):
                assert await claimable(flights, 1)  # given back once writing has failed
                ledger.note(*second)
                ledger.note(*third)
    assert [type(error) for error in caught.value.exceptions] == [StoreError]
    assert all([await claimable(flights, number) for number in (2, 3)])


async def test_what_comes_within_a_moment_is_one_transaction(
    store: CacheStore, flights: Flights, database: Database
) -> None:
    before = await run_blocking(database.query, "SELECT total_changes()")
    async with open_ledger(store, flights) as ledger:
        for number in range(8):
            ledger.note(*await performed(ledger, number))
        assert await run_blocking(database.query, "SELECT total_changes()") == before  # not yet
    assert await stored(store, range(9)) == set(range(8))


async def test_who_is_far_ahead_of_what_is_written_waits(store: CacheStore, flights: Flights) -> None:
    async with open_ledger(store, flights) as ledger:
        for number in range(1_000):
            await ledger.keep_up()
            ledger.note(*await performed(ledger, number))
            if number == 600:
                assert await stored(store, range(601))
    assert len(await stored(store, range(1_000))) == 1_000


async def test_nobody_waits_for_a_store_that_cannot_be_written(
    store: CacheStore, flights: Flights, database: Database
) -> None:
    await run_blocking(database.execute, "PRAGMA query_only = 1")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_ledger(store, flights) as ledger:
            with anyio.CancelScope(shield=True), anyio.fail_after(60):
                for number in range(600):
                    await ledger.keep_up()
                    ledger.note(*await performed(ledger, number))
    assert [type(error) for error in caught.value.exceptions] == [StoreError]
