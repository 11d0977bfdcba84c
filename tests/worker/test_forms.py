"""Layers as blobs of any compression, made once and remembered; layers of imported caches."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.digest import Digest, sha256_digest
from llbuild.errors import LostLayerError
from llbuild.image import Descriptor, MediaType
from llbuild.tests.exporter.samples import tar_of
from llbuild.tests.tools import require_tool
from llbuild.worker import SCHEMA, ContentStore, LayerForm, LayerForms, LayerRecords, Stacks
from llbuild.worker.layer import Compression
from llbuild.worker.records import LayerRecord
from llbuild.worker.snapshot import LayerId, LayerStore
from llbuild.worker.source import ImageSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llbuild.image import LayerBlob

pytestmark = pytest.mark.anyio

RUN = "run-" + "0" * 32
TAR = tar_of({"hello": b"hello\n"})


class Bench:
    """The stores of a state folder."""

    def __init__(self, state: Path, images: ImageSource) -> None:
        self.content = ContentStore(state)
        self.layers = LayerStore(state, userxattr=True)
        self.records = LayerRecords(open_database(state / "state.db", [SCHEMA]))
        stacks = Stacks(layers=self.layers, content=self.content, records=self.records, images=images)
        self.forms = LayerForms(layers=self.layers, content=self.content, records=self.records, stacks=stacks)

    def make_layer(self, name: str, files: dict[str, bytes]) -> None:
        active = self.layers.begin()
        for path, data in files.items():
            Path(active.fs, path).write_bytes(data)
        self.layers.commit(active, LayerId(name))
        self.records.put(LayerRecord(id=name, created="2024-05-01T10:20:30Z"))

    def damage(self, blob: LayerBlob) -> None:
        path = Path(self.content.path(blob.descriptor.digest))
        path.chmod(0o644)
        path.write_bytes(b"x" * blob.descriptor.size_bytes)

    def put_image_layer(self, *, origin: str = "", stored: bool = True) -> str:
        """A gzip layer as it comes with an image; its name."""
        data, diff_id = gzip.compress(TAR, mtime=0), sha256_digest(TAR)
        blob = Descriptor(media_type=MediaType.OCI_LAYER_GZIP, digest=sha256_digest(data), size_bytes=len(data))
        if stored:
            self.content.write(data)
        name = f"sha256-{diff_id.hex}"
        self.records.put(LayerRecord(id=name, created="", diff_id=diff_id, blob=blob, origin=origin))
        return name

    async def blob(self, layer: str, form: LayerForm) -> LayerBlob:
        return (await self.forms.blobs([layer], form, lambda *_: None))[layer]

    def tar(self, blob: LayerBlob) -> bytes:
        data = Path(self.content.path(blob.descriptor.digest)).read_bytes()
        assert sha256_digest(data) == blob.descriptor.digest
        match blob.descriptor.media_type.rpartition("+")[2]:
            case "gzip":
                return gzip.decompress(data)
            case "zstd":
                done = subprocess.run([require_tool("zstd"), "-dc"], input=data, capture_output=True, check=True)
                return done.stdout
        return data


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    state = tmp_path / "state"
    state.mkdir()
    async with ImageSource(ContentStore(state)) as images:
        yield await run_blocking(Bench, state, images)


FORMS = [
    LayerForm(),
    LayerForm(level=9),
    LayerForm(compression=Compression.ZSTD),
    LayerForm(compression=Compression.ZSTD, level=19),
    LayerForm(compression=Compression.NONE),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_a_layer_that_was_never_packed_is_packed_as_asked(bench: Bench, form: LayerForm) -> None:
    await run_blocking(bench.make_layer, RUN, {"hello": b"hello\n" * 1000})
    blob = await bench.blob(RUN, form)
    assert blob.descriptor.media_type == form.compression.media_type
    assert blob.created == "2024-05-01T10:20:30Z"
    assert sha256_digest(await run_blocking(bench.tar, blob)) == blob.diff_id


async def test_a_blob_that_is_there_serves_unless_another_is_forced(bench: Bench) -> None:
    name = await run_blocking(bench.put_image_layer)
    zstd = LayerForm(compression=Compression.ZSTD)
    assert (await bench.blob(name, zstd)).descriptor.media_type == MediaType.OCI_LAYER_GZIP
    forced = await bench.blob(name, LayerForm(compression=Compression.ZSTD, force=True))
    assert forced.descriptor.media_type == MediaType.OCI_LAYER_ZSTD
    assert await run_blocking(bench.tar, forced) == TAR


async def test_what_is_forced_and_there_is_left_alone(bench: Bench) -> None:
    name = await run_blocking(bench.put_image_layer)
    plain = await bench.blob(name, LayerForm())
    assert await bench.blob(name, LayerForm(force=True)) == plain
    assert await bench.blob(name, LayerForm(force=True, level=1)) != plain


async def test_another_form_is_made_once(bench: Bench) -> None:
    await run_blocking(bench.make_layer, RUN, {"hello": b"hello\n"})
    form = LayerForm(compression=Compression.ZSTD)
    first = await bench.blob(RUN, form)
    await run_blocking(shutil.rmtree, bench.layers.folder(LayerId(RUN)))  # it could not be made again
    assert await bench.blob(RUN, form) == first


async def test_a_damaged_blob_of_another_form_is_made_anew(bench: Bench) -> None:
    await run_blocking(bench.make_layer, RUN, {"hello": b"hello\n"})
    form = LayerForm(compression=Compression.ZSTD)
    first = await bench.blob(RUN, form)
    await run_blocking(bench.damage, first)
    assert await bench.blob(RUN, form) == first
    assert await run_blocking(bench.content.verify, first.descriptor.digest)


async def test_the_form_of_images_becomes_the_layers_own(bench: Bench) -> None:
    await run_blocking(bench.make_layer, RUN, {"hello": b"hello\n"})
    blob = await bench.blob(RUN, LayerForm())
    record = (await run_blocking(bench.records.get, [RUN]))[RUN]
    assert (record.blob, record.diff_id) == (blob.descriptor, blob.diff_id)


async def test_a_blob_that_can_be_fetched_is_described_and_not_fetched(bench: Bench) -> None:
    name = await run_blocking(lambda: bench.put_image_layer(origin="127.0.0.1:1/nobody/listens", stored=False))
    blob = await bench.blob(name, LayerForm())
    assert not await run_blocking(bench.content.has, blob.descriptor.digest)
    with pytest.raises(LostLayerError, match="cannot reach") as caught:
        await bench.forms.fetch([name], lambda *_: None)
    assert caught.value.layer == name


async def test_a_layer_that_is_gone_is_lost(bench: Bench) -> None:
    await run_blocking(bench.make_layer, RUN, {"hello": b"hello\n"})
    await run_blocking(bench.layers.remove, LayerId(RUN))
    with pytest.raises(LostLayerError):
        await bench.blob(RUN, LayerForm())


async def test_a_dated_layer_is_another_one_and_is_made_once(bench: Bench) -> None:
    await run_blocking(bench.make_layer, RUN, {"hello": b"hello\n"})
    plain, form = await bench.blob(RUN, LayerForm()), LayerForm(latest_s=1_600_000_000)
    dated = await bench.blob(RUN, form)
    assert dated.diff_id != plain.diff_id
    times = await run_blocking(lambda: member_times(bench, dated))
    assert times == {"hello": 1_600_000_000}
    await run_blocking(bench.layers.remove, LayerId(RUN))  # what is made again would need its files
    assert await bench.blob(RUN, form) == dated
    assert await bench.blob(RUN, LayerForm()) == plain


async def test_a_layer_that_is_old_enough_stays_what_it_is(bench: Bench) -> None:
    await run_blocking(bench.make_layer, RUN, {"hello": b"hello\n"})
    assert await bench.blob(RUN, LayerForm(latest_s=4_000_000_000)) == await bench.blob(RUN, LayerForm())


async def test_layers_are_squashed_once(bench: Bench) -> None:
    names = [f"run-{digit * 32}" for digit in "123"]
    for number, name in enumerate(names):
        await run_blocking(bench.make_layer, name, {f"file{number}": b"x", "all": str(number).encode()})
    squashed = await bench.forms.squashed(names[:1], names[1:], LayerForm(), lambda *_: None)
    times = await run_blocking(lambda: member_times(bench, squashed))
    assert list(times) == ["all", "file1", "file2"]
    for name in names:
        await run_blocking(bench.layers.remove, LayerId(name))
    assert await bench.forms.squashed(names[:1], names[1:], LayerForm(), lambda *_: None) == squashed


def member_times(bench: Bench, blob: LayerBlob) -> dict[str, int]:
    with tarfile.open(bench.content.path(blob.descriptor.digest)) as archive:
        return {member.name: int(member.mtime) for member in archive}


def adopted(bench: Bench, record: LayerRecord, *, here: bool) -> tuple[set[str], LayerRecord]:
    names = bench.records.adopt([record], lambda _: here)
    return names, bench.records.get([record.id])[record.id]


async def test_a_known_layer_takes_a_new_origin_unless_it_is_here(bench: Bench) -> None:
    name = await run_blocking(lambda: bench.put_image_layer(origin="example.com/old"))
    old = (await run_blocking(bench.records.get, [name]))[name]
    new = LayerRecord(id=name, created="", diff_id=old.diff_id, blob=old.blob, origin="example.com/new")
    assert await run_blocking(lambda: adopted(bench, new, here=True)) == ({name}, old)
    assert await run_blocking(lambda: adopted(bench, new, here=False)) == ({name}, new)


async def test_a_layer_of_another_content_is_not_adopted(bench: Bench) -> None:
    name = await run_blocking(bench.put_image_layer)
    old = (await run_blocking(bench.records.get, [name]))[name]
    other = LayerRecord(
        id=name, created="", diff_id=Digest("sha256:" + "1" * 64), blob=old.blob, origin="example.com/x"
    )
    assert await run_blocking(lambda: adopted(bench, other, here=False)) == (set(), old)
