"""Folders behind cache mounts, packed on one machine and unpacked on another."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.errors import StoreError
from llbuild.worker import USES_SCHEMA, ContentStore, LayerForm, MountSeed, Upkeep, UseRecords
from llbuild.worker.cache_mounts import CacheMounts, cache_folder
from llbuild.worker.snapshot import LayerStore
from llbuild.worker.source import ImageSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llbuild.worker.cache_mounts import PackedMount

pytestmark = pytest.mark.anyio


class Machine:
    """A state folder, and what is in its cache mounts."""

    def __init__(self, state: Path, images: ImageSource) -> None:
        state.mkdir(exist_ok=True)
        self.content = ContentStore(state)
        self.root = state / "cache-mounts"
        layers = LayerStore(state, userxattr=True)
        self.database = open_database(state / "state.db", [USES_SCHEMA])
        self.mounts = CacheMounts(
            self.root, uses=UseRecords(self.database), layers=layers, content=self.content, images=images
        )

    def fill(self, mount: str, files: dict[str, bytes]) -> Path:
        folder = cache_folder(self.root, mount)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
            os.utime(folder / name, (1, 1))
        return folder

    def files(self, mount: str) -> dict[str, bytes]:
        folder = cache_folder(self.root, mount)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} if folder.exists() else {}

    async def pack(self, mount: str) -> PackedMount | None:
        return await run_blocking(self.mounts.pack, mount, LayerForm())

    async def prepare(self, mount: str) -> str:
        return await self.mounts.prepare(mount, lambda *_: None)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Machine]:
    async with ImageSource(ContentStore(tmp_path / "one")) as images:
        yield Machine(tmp_path / "one", images)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Machine]:
    async with ImageSource(ContentStore(tmp_path / "two")) as images:
        yield Machine(tmp_path / "two", images)


def seed(two: Machine, one: Machine, packed: PackedMount) -> None:
    """Let the second machine have it from the first one's store, which is a layout."""
    origin = f"oci-layout://{one.content.folder}"
    two.mounts.seeds[packed.mount.id] = MountSeed(origin=origin, blob=packed.blob, mount=packed.mount)


async def test_a_folder_arrives_with_modes_and_links(one: Machine, two: Machine) -> None:
    folder = await run_blocking(one.fill, "pip", {"wheel": b"wheel", "private": b"x"})
    (folder / "private").chmod(0o600)
    (folder / "link").symlink_to("wheel")
    (folder / "sub").mkdir()
    os.link(folder / "wheel", folder / "sub/twin")
    folder.chmod(0o1777)
    packed = await one.pack("pip")
    assert packed is not None
    seed(two, one, packed)
    assert await two.prepare("pip") == ""
    arrived = cache_folder(two.root, "pip")
    assert await run_blocking(two.files, "pip") == {"wheel": b"wheel", "private": b"x", "link": b"wheel"}
    assert stat.S_IMODE((arrived / "private").stat().st_mode) == 0o600
    assert (arrived / "link").readlink() == Path("wheel")
    assert (arrived / "sub/twin").stat().st_ino == (arrived / "wheel").stat().st_ino
    assert stat.S_IMODE(arrived.stat().st_mode) == 0o1777


async def test_only_the_folder_keeps_what_was_imported(one: Machine, two: Machine) -> None:
    await run_blocking(one.fill, "pip", {"wheel": b"wheel"})
    packed = await one.pack("pip")
    assert packed is not None
    seed(two, one, packed)
    await two.prepare("pip")
    assert not await run_blocking(two.content.has, packed.mount.blob)


async def test_a_mount_that_is_filled_or_packed_is_noted_as_used(one: Machine, two: Machine) -> None:
    def uses(machine: Machine) -> dict[str, int]:
        return {facts.id: facts.uses for facts in Upkeep(machine.database).uses("exec.cachemount").values()}

    await run_blocking(one.fill, "pip", {"wheel": b"wheel"})
    packed = await one.pack("pip")
    assert packed is not None
    assert await run_blocking(uses, one) == {"pip": 1}
    seed(two, one, packed)
    await two.prepare("pip")
    assert await run_blocking(uses, two) == {"pip": 1}


async def test_equal_folders_give_equal_blobs(one: Machine, two: Machine) -> None:
    await run_blocking(one.fill, "pip", {"a": b"1", "b": b"2"})
    await run_blocking(two.fill, "pip", {"b": b"2", "a": b"1"})
    mine, theirs = await one.pack("pip"), await two.pack("pip")
    assert mine is not None
    assert theirs is not None
    assert mine.mount.blob == theirs.mount.blob


async def test_a_folder_that_holds_something_is_left_alone(one: Machine, two: Machine) -> None:
    await run_blocking(one.fill, "pip", {"wheel": b"theirs"})
    await run_blocking(two.fill, "pip", {"wheel": b"mine"})
    packed = await one.pack("pip")
    assert packed is not None
    seed(two, one, packed)
    assert await two.prepare("pip") == ""
    assert await run_blocking(two.files, "pip") == {"wheel": b"mine"}


async def test_an_empty_folder_is_filled(one: Machine, two: Machine) -> None:
    await run_blocking(one.fill, "pip", {"wheel": b"theirs"})
    await run_blocking(two.fill, "pip", {})
    packed = await one.pack("pip")
    assert packed is not None
    seed(two, one, packed)
    await two.prepare("pip")
    assert await run_blocking(two.files, "pip") == {"wheel": b"theirs"}


async def test_what_cannot_be_fetched_leaves_a_cold_cache_and_is_said(one: Machine, two: Machine) -> None:
    await run_blocking(one.fill, "pip", {"wheel": b"theirs"})
    packed = await one.pack("pip")
    assert packed is not None
    seed(two, one, packed)
    await run_blocking(one.content.remove, packed.mount.blob)
    assert (await two.prepare("pip")).startswith("the contents of cache mount pip cannot be imported: ")
    assert await run_blocking(two.files, "pip") == {}


async def test_what_was_imported_and_never_used_is_handed_on(one: Machine, two: Machine) -> None:
    await run_blocking(one.fill, "pip", {"wheel": b"wheel"})
    packed = await one.pack("pip")
    assert packed is not None
    seed(two, one, packed)
    on = await two.pack("pip")
    assert on is not None
    assert on.seed is not None
    assert (on.mount, on.blob) == (packed.mount, packed.blob)
    assert not await run_blocking(two.content.has, packed.mount.blob)
    await two.mounts.fetch(on.seed, lambda *_: None)
    assert await run_blocking(two.content.has, packed.mount.blob)


async def test_nothing_is_packed_of_nothing(one: Machine) -> None:
    await run_blocking(one.fill, "empty", {})
    assert await one.pack("empty") is None
    assert await one.pack("absent") is None


async def test_a_file_that_would_mean_a_deletion_is_refused(one: Machine) -> None:
    await run_blocking(one.fill, "pip", {".wh.x": b""})
    with pytest.raises(StoreError, match=r"\.wh\.x"):
        await one.pack("pip")
