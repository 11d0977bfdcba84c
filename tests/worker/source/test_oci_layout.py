from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.blocking import run_blocking
from llbuild.errors import LlbuildError, SourceError
from llbuild.exporter import assemble, export_archive, export_oci_folder
from llbuild.image import parse_reference
from llbuild.tests.exporter.samples import AMD64, put_layer, sample_config, sample_image
from llbuild.tests.tools import require_tool, run_tool
from llbuild.worker.content import ContentStore
from llbuild.worker.source import ImageSource, OciLayoutSource, resolve_local
from llbuild.worker.source.archive import read_members

ONE, TWO = parse_reference("tool:1"), parse_reference("other:2")


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "root")


@pytest.fixture(name="maker")
def _maker(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "maker")


def nothing(what: str, current: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture(name="folder")
def _folder(maker: ContentStore, tmp_path: Path) -> Path:
    export_oci_folder(sample_image(maker), maker, [ONE], str(tmp_path / "layout"))
    return tmp_path / "layout"


@pytest.fixture(name="archive")
def _archive(maker: ContentStore, tmp_path: Path) -> Path:
    export_archive(sample_image(maker), maker, [ONE], str(tmp_path / "layout.tar"))
    return tmp_path / "layout.tar"


@pytest.mark.parametrize("form", ["folder", "archive"])
@pytest.mark.parametrize("name", ["", ":1", ":docker.io/library/tool:1", "@digest"])
def test_an_image_is_found_in_either_form(
    store: ContentStore, maker: ContentStore, folder: Path, archive: Path, form: str, name: str
) -> None:
    image = sample_image(maker)
    path = folder if form == "folder" else archive
    text = f"oci-layout://{path}{name}".replace("@digest", f"@{image.manifest_descriptor.digest}")
    if "docker.io" in name:  # a full name has slashes, so it is asked for without a path before it
        found = OciLayoutSource(str(path), store).resolve(text, name[1:], AMD64)
    else:
        found_local = resolve_local(store, text, AMD64)
        assert found_local is not None
        found = found_local
    assert found.config == image.config
    assert found.digest == image.manifest_descriptor.digest
    assert found.ref == text.partition("@")[0]
    layer = found.layers[0][1]
    assert not store.has(layer.digest)
    OciLayoutSource(str(path), store).fetch_layer(layer, nothing)
    assert Path(store.path(layer.digest)).read_bytes() == Path(maker.path(layer.digest)).read_bytes()


@pytest.mark.anyio
async def test_a_layer_of_a_layout_is_fetched_like_any_other(store: ContentStore, archive: Path) -> None:
    text = f"oci-layout://{archive}:1"
    heard: list[int] = []
    async with ImageSource(store) as images:
        found = await images.resolve(text, AMD64, "pull")
        layer = found.layers[0][1]
        await images.fetch_layer(text, layer, lambda what, current, total: heard.append(current))
        await images.fetch_layer(text, layer, nothing)
    assert await run_blocking(store.has, layer.digest, layer.size_bytes)
    assert heard == [layer.size_bytes]


def test_a_path_with_a_colon_is_believed_when_it_exists(
    store: ContentStore, maker: ContentStore, tmp_path: Path
) -> None:
    export_oci_folder(sample_image(maker), maker, [ONE], str(tmp_path / "a:b@c"))
    assert resolve_local(store, f"oci-layout://{tmp_path}/a:b@c", AMD64) is not None
    assert resolve_local(store, f"oci-layout://{tmp_path}/a:b@c:1", AMD64) is not None


def test_one_of_several_images_must_be_named(store: ContentStore, maker: ContentStore, folder: Path) -> None:
    other = assemble(sample_config(user="1"), [put_layer(maker, {"a": b"b"})])
    export_oci_folder(other, maker, [TWO], str(folder))
    with pytest.raises(SourceError) as caught:
        resolve_local(store, f"oci-layout://{folder}", AMD64)
    assert caught.value.message == f"{folder} holds 2 images"
    assert caught.value.hint == "name one of them: docker.io/library/other:2, docker.io/library/tool:1"
    with pytest.raises(SourceError) as caught:
        resolve_local(store, f"oci-layout://{folder}:3", AMD64)
    assert caught.value.message == f"{folder} holds no image called '3'"
    found = resolve_local(store, f"oci-layout://{folder}:2", AMD64)
    assert found is not None
    assert found.config.config.user == "1"


def test_what_skopeo_wrote_is_read(store: ContentStore, folder: Path, tmp_path: Path) -> None:
    skopeo = require_tool("skopeo")
    for target in (f"oci-archive:{tmp_path}/s.tar:name", f"oci:{tmp_path}/s:name"):
        run_tool([skopeo, "--insecure-policy", "copy", f"oci:{folder}:1", target])
        path = target.partition(":")[2].partition(":")[0]
        found = resolve_local(store, f"oci-layout://{path}:name", AMD64)
        assert found is not None
        OciLayoutSource(path, store).fetch_layer(found.layers[0][1], nothing)


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_a_changed_blob_is_one_error(store: ContentStore, folder: Path, archive: Path, form: str) -> None:
    path = folder if form == "folder" else archive
    found = resolve_local(store, f"oci-layout://{path}", AMD64)
    assert found is not None
    layer = found.layers[0][1]
    if form == "folder":
        blob = folder / "blobs/sha256" / layer.digest.hex
        data = blob.read_bytes()
        blob.unlink()
        blob.write_bytes(data[:-1] + b"x")
    else:
        with archive.open("rb") as file:
            offset = read_members(file, ref="x")[f"blobs/sha256/{layer.digest.hex}"].offset
        with archive.open("r+b") as file:
            file.seek(offset + 20)
            file.write(b"wrong")
    with pytest.raises(SourceError) as caught:
        OciLayoutSource(str(path), store).fetch_layer(layer, nothing)
    assert caught.value.message.startswith(f"{path}: blob {layer.digest} is corrupt: found sha256:")
    assert not store.has(layer.digest)


def test_a_blob_of_another_size_is_one_error(store: ContentStore, folder: Path) -> None:
    found = resolve_local(store, f"oci-layout://{folder}", AMD64)
    assert found is not None
    layer = found.layers[0][1]
    blob = folder / "blobs/sha256" / layer.digest.hex
    blob.unlink()
    blob.write_bytes(b"short")
    with pytest.raises(SourceError, match=f"expected {layer.size_bytes} bytes, found 5"):
        OciLayoutSource(str(folder), store).fetch_layer(layer, nothing)
    blob.unlink()
    with pytest.raises(SourceError, match="No such file or directory"):
        OciLayoutSource(str(folder), store).fetch_layer(layer, nothing)


def archive_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


BAD_ARCHIVES = [
    (b"", "is no tar archive, or a broken one: no header at byte 0"),
    (b"hello" * 1000, "is no tar archive, or a broken one: b'lohelloh' is no octal number"),
    (b"\x1f\x8b" + b"x" * 600, "is no tar archive, or a broken one: "),
    (archive_of({"manifest.json": b"[]"}), "holds no image"),
    (archive_of({"else": b"[]"}), "holds no index.json"),
    (archive_of({"index.json": b"[]"}), "index.json: expected a JSON object, found an array"),
    (archive_of({"index.json": b'{"schemaVersion": 1}'}), "index.json: schemaVersion: expected 2, found 1"),
    (archive_of({"index.json": b'{"schemaVersion": 2}'}), "holds no image"),
    (archive_of({"index.json": b"x" * 3000})[:1024], "is truncated: 1024 bytes"),
    (archive_of({"a": b"", "index.json": b""})[:700], "is no tar archive, or a broken one: no header at byte 512"),
]


@pytest.mark.parametrize(("data", "message"), BAD_ARCHIVES)
def test_a_bad_archive_says_what_is_wrong(store: ContentStore, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad.tar").write_bytes(data)
    with pytest.raises(SourceError) as caught:
        resolve_local(store, f"oci-layout://{tmp_path}/bad.tar", AMD64)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("name", "why"),
    [("missing", "No such file or directory"), ("fifo", "is neither a folder nor a file"), ("empty", "No such file")],
)
def test_a_path_that_is_no_layout_says_so(store: ContentStore, tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceError, match=why):
        resolve_local(store, f"oci-layout://{tmp_path}/{name}", AMD64)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_lie_where_tarfile_says(tmp_path: Path, form: int) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=form) as tar:
        for name in ("./short", "d" * 90 + "/" + "f" * 60, "é/ü", "last"):
            info = tarfile.TarInfo(name)
            info.size = len(name) * 100
            info.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
            tar.addfile(info, io.BytesIO(b"x" * info.size))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "last"
        tar.addfile(link)
    with tarfile.open(path) as tar, path.open("rb") as file:
        want = {member.name.removeprefix("./"): (member.offset_data, member.size) for member in tar if member.isfile()}
        want["link"] = want["last"]
        assert read_members(file, ref="x") == want


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_archive_is_read_or_one_error(
    store: ContentStore, archive: Path, tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged.tar").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        resolve_local(store, f"oci-layout://{tmp_path}/damaged.tar", AMD64)
    except LlbuildError:
        return
