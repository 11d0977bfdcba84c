"""Who has which folder of a cache, within one process and among several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.llb import CacheSharing
from llbuild.tests.tools import ROOT
from llbuild.worker import USES_SCHEMA, CacheHolds, UseRecords
from llbuild.worker.cacheholds import CacheUse, cache_name
from llbuild.worker.snapshot import LayerStore

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.database import Database

pytestmark = pytest.mark.anyio

SHARED, PRIVATE, LOCKED = CacheSharing.SHARED, CacheSharing.PRIVATE, CacheSharing.LOCKED
NAME = cache_name("x")


def use(sharing: CacheSharing, mount_id: str = "x") -> CacheUse:
    return CacheUse(name=cache_name(mount_id), id=mount_id, sharing=sharing)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "state.db", [USES_SCHEMA])


@pytest.fixture
def holds(tmp_path: Path, database: Database) -> CacheHolds:
    layers = LayerStore(tmp_path, userxattr=False)
    return CacheHolds(tmp_path / "caches", tmp_path / "locks" / "caches", layers=layers, uses=UseRecords(database))


async def test_a_folder_is_noted_as_used_before_it_is_handed_out(holds: CacheHolds, database: Database) -> None:
    async with holds.hold([use(PRIVATE)], lambda _: None), holds.hold([use(PRIVATE)], lambda _: None):
        noted = await run_blocking(database.query, "SELECT name, id, uses FROM uses ORDER BY name")
    assert noted == [(NAME, "x", 1), (f"{NAME}.1", "x", 1)]


@pytest.mark.parametrize(
    ("first", "second", "folders"),
    [
        (SHARED, SHARED, ("", "")),
        (SHARED, PRIVATE, ("", ".1")),
        (PRIVATE, PRIVATE, ("", ".1")),
        (PRIVATE, SHARED, ("", ".1")),
        (LOCKED, PRIVATE, ("", ".1")),
        (LOCKED, SHARED, ("", ".1")),
    ],
)
async def test_a_second_user_shares_the_folder_or_has_one_of_his_own(
    holds: CacheHolds, first: CacheSharing, second: CacheSharing, folders: tuple[str, str]
) -> None:
    async with holds.hold([use(first)], _never) as one, holds.hold([use(second)], _never) as other:
        assert tuple(os.path.basename(held[NAME]).removeprefix(NAME) for held in (one, other)) == folders
    async with holds.hold([use(second)], _never) as again:
        assert os.path.basename(again[NAME]) == NAME


@pytest.mark.parametrize("first", list(CacheSharing))
async def test_who_wants_it_locked_waits_until_nobody_has_it(holds: CacheHolds, first: CacheSharing) -> None:
    waiting = anyio.Event()
    order: list[str] = []

    async def second() -> None:
        async with holds.hold([use(LOCKED)], lambda _: waiting.set()):
            order.append("second")

    async with anyio.create_task_group() as group, holds.hold([use(first)], _never):
        group.start_soon(second)
        await waiting.wait()
        order.append("first")
    assert order == ["first", "second"]


async def test_steps_that_want_two_caches_in_any_order_do_not_wait_for_each_other(holds: CacheHolds) -> None:
    async def step(*ids: str) -> None:
        for _ in range(20):
            async with holds.hold([use(LOCKED, mount_id) for mount_id in ids], lambda _: None):
                await anyio.lowlevel.checkpoint()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(step, "a", "b")
            group.start_soon(step, "b", "a")


async def test_one_step_has_a_cache_it_uses_twice_once_the_stricter_way(holds: CacheHolds) -> None:
    async with holds.hold([use(SHARED), use(LOCKED)], _never) as held:
        assert list(held) == [NAME]
        async with holds.hold([use(SHARED)], _never) as other:
            assert other[NAME] != held[NAME]


async def test_waiting_can_be_cancelled_and_leaves_nothing_locked(holds: CacheHolds) -> None:
    async with holds.hold([use(SHARED)], _never):
        with anyio.move_on_after(0.02) as waited:
            async with holds.hold([use(LOCKED)], lambda _: None):
                pytest.fail("somebody has it")
        assert waited.cancelled_caught
    async with holds.hold([use(LOCKED)], _never):
        pass


async def test_a_process_that_is_killed_has_nothing_any_more(holds: CacheHolds, tmp_path: Path) -> None:
    code = (
        "import anyio, pathlib, sys\n"
        "from llbuild.database import open_database\n"
        "from llbuild.worker import USES_SCHEMA, CacheHolds, UseRecords\n"
        "from llbuild.worker.snapshot import LayerStore\n"
        "from llbuild.tests.worker.test_cacheholds import use, LOCKED\n"
        "async def main(root):\n"
        "    uses = UseRecords(open_database(root / 'state.db', [USES_SCHEMA]))\n"
        "    layers = LayerStore(root, userxattr=False)\n"
        "    holds = CacheHolds(root / 'caches', root / 'locks' / 'caches', layers=layers, uses=uses)\n"
        "    async with holds.hold([use(LOCKED)], print):\n"
        "        print('held', flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main, pathlib.Path(sys.argv[1]))\n"
    )
    process = await run_blocking(
        lambda: subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT / ".typing")},
            stdout=subprocess.PIPE,
        )
    )
    assert process.stdout is not None
    assert await run_blocking(process.stdout.readline) == b"held\n"
    async with holds.hold([use(PRIVATE)], _never) as other:
        assert other[NAME].endswith(".1")
    process.send_signal(signal.SIGKILL)
    await run_blocking(process.communicate)
    async with holds.hold([use(LOCKED)], _never):
        pass


def _never(waited: CacheUse) -> None:
    pytest.fail(f"nobody has {waited.id}")
