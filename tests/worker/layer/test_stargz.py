"""eStargz layers, read as their readers do: by footer, table of contents and offsets alone; and by everybody else."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import random
import tarfile
import zlib
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.errors import StoreError
from llbuild.tests.worker.layer.trees import pack
from llbuild.worker.layer import Compression, PackedLayer, convert_layer, extract_layer, pack_layer

if TYPE_CHECKING:
    from pathlib import Path

FOOTER_BYTES = 51
CHUNK_BYTES = 4 << 20


@dataclass
class Stargz:
    """A reader that knows the blob's bytes only by ranges, as one that fetches them over the network."""

    blob: bytes

    def __post_init__(self) -> None:
        footer = self.blob[-FOOTER_BYTES:]
        assert footer[:16] == b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0"
        assert footer[32:38] == b"STARGZ"
        assert gzip.decompress(footer) == b""
        self.toc_offset = int(footer[16:32], 16)
        self.toc_json = self._toc_json()
        toc = json.loads(self.toc_json)
        assert toc["version"] == 1
        self.entries: list[dict[str, Any]] = toc["entries"]

    def _toc_json(self) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(self.member(self.toc_offset))) as tar:
            (only,) = tar.getmembers()
            assert only.name == "stargz.index.json"
            found = tar.extractfile(only)
            assert found is not None
            return found.read()

    def member(self, offset: int) -> bytes:
        """What the gzip member at this offset holds."""
        reader = zlib.decompressobj(31)
        data = reader.decompress(self.blob[offset:])
        assert reader.eof
        return data

    def entry(self, name: str) -> dict[str, Any]:
        (found,) = (entry for entry in self.entries if entry["name"] == name and entry["type"] != "chunk")
        return found

    def chunks(self, name: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["name"] == name]

    def read(self, name: str) -> bytes:
        """A file's content, every chunk from where the table says it is, and checked by its digest."""
        parts = self.chunks(name)
        size = parts[0].get("size", 0)
        if not size:
            return b""
        content = b""
        for part in parts:
            assert part.get("chunkOffset", 0) == len(content)
            length = part.get("chunkSize") or size - len(content)
            chunk = self.member(part["offset"])[:length]
            assert part["chunkDigest"] == f"sha256:{hashlib.sha256(chunk).hexdigest()}"
            content += chunk
        assert len(content) == size
        assert parts[0]["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        return content


def stargz(folder: Path, level: int | None = None) -> tuple[Stargz, PackedLayer]:
    gathered = bytearray()
    packed = pack_layer(str(folder), gathered.extend, Compression.ESTARGZ, level)
    return Stargz(bytes(gathered)), packed


def some_files(folder: Path) -> dict[str, bytes]:
    noise = random.Random(1)
    contents = {f"d{n % 7}/file{n}": noise.randbytes(noise.randrange(3000)) for n in range(100)}
    contents |= {"large": noise.randbytes(2 * CHUNK_BYTES + 5), "even": bytes(2 * CHUNK_BYTES), "empty": b""}
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return contents


@pytest.mark.parametrize("level", [None, 0, 9])
def test_every_file_is_found_by_the_table_of_contents_alone(tmp_path: Path, level: int | None) -> None:
    contents = some_files(tmp_path)
    found, _ = stargz(tmp_path, level)
    for name, content in contents.items():
        assert found.read(name) == content
    assert [chunk["type"] for chunk in found.chunks("large")] == ["reg", "chunk", "chunk"]
    assert len(found.chunks("even")) == 2
    offsets = [entry["offset"] for entry in found.entries if "offset" in entry]
    assert offsets == sorted(set(offsets))


def test_the_digests_are_those_of_the_bytes(tmp_path: Path) -> None:
    some_files(tmp_path)
    found, packed = stargz(tmp_path)
    tar = gzip.decompress(found.blob)
    assert packed.diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert packed.digest == "sha256:" + hashlib.sha256(found.blob).hexdigest()
    assert packed.toc_digest == "sha256:" + hashlib.sha256(found.toc_json).hexdigest()
    assert (packed.toc_bytes, packed.unpacked_bytes) == (len(found.toc_json), len(tar))
    assert packed.media_type == "application/vnd.oci.image.layer.v1.tar+gzip"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    some_files(tmp_path)
    assert stargz(tmp_path)[0].blob == stargz(tmp_path)[0].blob


def test_to_others_it_is_a_gzipped_tar(tmp_path: Path) -> None:
    contents = some_files(tmp_path)
    found, _ = stargz(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(found.blob), mode="r:gz") as tar:
        names = [member.name for member in tar.getmembers()]
        for name, content in contents.items():
            extracted = tar.extractfile(name)
            assert extracted is not None
            assert extracted.read() == content
    assert (names[0], names[-1]) == (".no.prefetch.landmark", "stargz.index.json")
    assert found.read(".no.prefetch.landmark") == b"\x0f"


def test_the_table_says_of_each_kind_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "file").chmod(0o4711)
    os.utime(tmp_path / "file", ns=(0, 1_700_000_000 * 10**9 + 7))
    os.link(tmp_path / "file", tmp_path / "second")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    wanted_xattrs = {}
    try:
        os.setxattr(tmp_path / "file", "user.note", b"\xff\0")
        wanted_xattrs = {"user.note": b"\xff\0"}
    except OSError as error:
        assert error.errno == errno.ENOTSUP  # noqa: PT017  a file system without them
    found, _ = stargz(tmp_path)
    entry = found.entry("file")
    assert (entry["type"], entry["mode"], entry["size"]) == ("reg", 0o4711, 7)
    assert (entry["uid"], entry["gid"]) == (os.getuid(), os.getgid())
    assert entry["modtime"] == "2023-11-14T22:13:20Z"
    assert {key: b64decode(value) for key, value in entry.get("xattrs", {}).items()} == wanted_xattrs
    assert (found.entry("second")["type"], found.entry("second")["linkName"]) == ("hardlink", "file")
    assert (found.entry("link")["type"], found.entry("link")["linkName"]) == ("symlink", "file")
    assert found.entry("folder/")["type"] == "dir"
    assert found.entry("pipe")["type"] == "fifo"


@pytest.mark.needs_root
def test_whiteouts_are_listed_as_the_empty_files_they_are(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root: makes a device node")
    os.mknod(tmp_path / "gone", 0o020000, 0)
    found, _ = stargz(tmp_path)
    assert found.entry(".wh.gone")["type"] == "reg"
    assert "size" not in found.entry(".wh.gone")


@pytest.mark.parametrize("before", [Compression.GZIP, Compression.ZSTD, Compression.ESTARGZ])
def test_a_packed_layer_is_converted(tmp_path: Path, before: Compression) -> None:
    contents = some_files(tmp_path)
    blob, _ = pack(tmp_path, before)
    gathered = bytearray()
    convert_layer(io.BytesIO(blob), gathered.extend, Compression.ESTARGZ)
    assert bytes(gathered) == stargz(tmp_path)[0].blob
    assert Stargz(bytes(gathered)).read("large") == contents["large"]


def test_it_unpacks_to_the_files_and_what_the_format_adds(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    contents = some_files(source)
    found, packed = stargz(source)
    extracted = extract_layer(io.BytesIO(found.blob), str(target), userxattr=False)
    assert extracted.diff_id == packed.diff_id
    assert {name: (target / name).read_bytes() for name in contents} == contents
    added = {path.name for path in target.iterdir()} - {path.name for path in source.iterdir()}
    assert added == {"stargz.index.json", ".no.prefetch.landmark"}


def test_a_full_disk_ends_the_packing(tmp_path: Path) -> None:
    some_files(tmp_path)

    def full(_: bytes | memoryview) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        pack_layer(str(tmp_path), full, Compression.ESTARGZ)


def test_a_table_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llbuild.worker.layer.stargz._MOST_LINES", 3)
    for name in ("a", "b"):
        (tmp_path / name).touch()
    assert len(stargz(tmp_path)[0].entries) == 3
    (tmp_path / "c").symlink_to("a")
    with pytest.raises(StoreError, match="more than 3 files cannot be in eStargz form"):
        stargz(tmp_path)
