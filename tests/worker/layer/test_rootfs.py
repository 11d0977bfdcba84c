"""Root filesystems that are imported: folders and tars, as one layer."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
from typing import TYPE_CHECKING

import pytest
import zstandard
from llbuild.errors import SourceError
from llbuild.tests.worker.layer.tars import entry, folder, tar
from llbuild.tests.worker.layer.trees import extract, look, pack
from llbuild.worker.layer import Compression, PackedLayer, pack_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def imported(source: Path, compression: Compression = Compression.GZIP) -> tuple[bytes, PackedLayer]:
    blob = io.BytesIO()
    packed = pack_tree(source, blob.write, compression)
    return blob.getvalue(), packed


def test_a_folder_becomes_the_layer_that_packing_it_makes(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root")
    assert imported(tmp_path) == pack(tmp_path)


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_tar_keeps_its_bytes_whatever_it_was_compressed_with(
    tmp_path: Path, squeeze: Callable[[bytes], bytes]
) -> None:
    archive = tar(folder("./"), folder("./bin"), entry("./bin/sh", content=os.urandom(500) * 10_000))
    source = tmp_path / "rootfs"
    source.write_bytes(squeeze(archive))
    blob, packed = imported(source)
    assert gzip.decompress(blob) == archive
    assert packed.diff_id == "sha256:" + hashlib.sha256(archive).hexdigest()
    assert packed.unpacked_bytes == len(archive)
    assert (packed.digest, packed.size_bytes) == ("sha256:" + hashlib.sha256(blob).hexdigest(), len(blob))


@pytest.mark.needs_root
def test_what_was_imported_unpacks_to_the_same_files(tmp_path: Path) -> None:
    source = tmp_path / "rootfs"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "busybox").write_bytes(os.urandom(1000))
    os.link(source / "bin" / "busybox", source / "bin" / "sh")
    os.mkfifo(source / "fifo")
    os.mknod(source / "null", 0o020666, os.makedev(1, 3))
    extract(imported(source)[0], tmp_path / "out")
    assert look(tmp_path / "out") == look(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: expected a root filesystem, as a folder or a tar"),
        (b"#!/bin/sh\n" * 100, "not a tar archive"),
        (gzip.compress(b"text" * 1000), "not a tar archive"),
        (gzip.compress(tar(entry("f")))[:-4], "the gzip stream is corrupt: it ends in the middle"),
        (tar(entry("f", content=bytes(5000)))[:2000], "the archive ends within the content of a file"),
        (tar(entry("../f")), "leads out of it"),
        (tar(entry("etc/.wh.passwd")), "etc/.wh.passwd would mark a deleted file"),
    ],
)
def test_what_is_no_root_filesystem_is_a_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    source = tmp_path / "rootfs.tar"
    source.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        imported(source)
    assert message in caught.value.message
    assert str(source) in caught.value.message


def test_what_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read .*/none: No such file or directory"):
        imported(tmp_path / "none")


@pytest.mark.needs_root
def test_a_whiteout_device_in_a_root_filesystem_is_refused(tmp_path: Path) -> None:
    os.mknod(tmp_path / "gone", 0o020000, 0)
    with pytest.raises(SourceError, match="gone cannot be part of an image layer: a character device 0/0"):
        imported(tmp_path)


@pytest.mark.needs_root
def test_an_opaque_attribute_in_a_root_filesystem_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.setxattr(tmp_path / "d", "trusted.overlay.opaque", b"y")
    blob, _ = imported(tmp_path, Compression.NONE)
    assert len(blob) == 512 + 1024
