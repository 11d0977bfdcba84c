"""The archive that a Docker engine is sent: layers unpacked, and those left out that it has."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from llbuild.digest import sha256_digest
from llbuild.errors import CorruptError
from llbuild.exporter import AssembledImage, assemble, stream_docker_archive
from llbuild.image import Descriptor, LayerBlob, MediaType, parse_reference
from llbuild.tests.exporter.samples import CREATED, open_store, sample_config, tar_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.digest import Digest
    from llbuild.worker.content import ContentStore

NAMES = [parse_reference("hello:1"), parse_reference("example.org/a/hello:2")]
TARS = [tar_of({"one": os.urandom(3 << 20)}), tar_of({"two": b"2" * 1000}), tar_of({"three": b""})]
PACKED: list[tuple[str, Callable[[bytes], bytes]]] = [
    (MediaType.OCI_LAYER_GZIP, gzip.compress),
    (MediaType.OCI_LAYER_ZSTD, zstandard.compress),
    (MediaType.OCI_LAYER, bytes),
]


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ContentStore:
    return open_store(tmp_path)


def an_image(store: ContentStore) -> AssembledImage:
    """Three layers, each packed in another way."""
    layers = []
    for data, (media_type, pack) in zip(TARS, PACKED, strict=True):
        blob = store.write(pack(data))
        descriptor = Descriptor(media_type=media_type, digest=blob.digest, size_bytes=blob.size_bytes)
        layers.append(LayerBlob(diff_id=sha256_digest(data), descriptor=descriptor, created=CREATED))
    return assemble(sample_config(), layers)


def members(image: AssembledImage, store: ContentStore, path: Path, *without: Digest) -> dict[str, bytes]:
    with path.open("wb") as file:
        stream_docker_archive(image, store, NAMES, file.fileno(), without=without)
    with tarfile.open(path) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def test_layers_are_unpacked_however_they_were_packed(store: ContentStore, tmp_path: Path) -> None:
    image = an_image(store)
    found = members(image, store, tmp_path / "a.tar")
    (entry,) = json.loads(found.pop("manifest.json"))
    assert entry["RepoTags"] == ["hello:1", "example.org/a/hello:2"]
    assert sha256_digest(found.pop(entry["Config"])) == image.config_descriptor.digest
    assert [found[path] for path in entry["Layers"]] == TARS
    assert set(found) == set(entry["Layers"]) == {f"{diff_id.hex}.tar" for diff_id in image.config.diff_ids}


def test_layers_that_are_left_out_are_named_all_the_same(store: ContentStore, tmp_path: Path) -> None:
    image = an_image(store)
    found = members(image, store, tmp_path / "a.tar", image.layers[0].digest, image.layers[2].digest)
    (entry,) = json.loads(found["manifest.json"])
    assert len(entry["Layers"]) == 3
    assert [path for path in entry["Layers"] if path in found] == [entry["Layers"][1]]


def test_two_layers_that_are_the_same_stand_there_once(store: ContentStore, tmp_path: Path) -> None:
    image = an_image(store)
    blob = LayerBlob(diff_id=sha256_digest(TARS[1]), descriptor=image.layers[1], created=CREATED)
    found = members(assemble(sample_config(), [blob, blob]), store, tmp_path / "a.tar")
    (entry,) = json.loads(found["manifest.json"])
    assert entry["Layers"] == [f"{blob.diff_id.hex}.tar"] * 2
    assert len(found) == 3


def test_a_broken_layer_is_told(store: ContentStore, tmp_path: Path) -> None:
    image = an_image(store)
    path = store.path(image.layers[0].digest)
    os.chmod(path, 0o644)
    os.truncate(path, 1 << 20)
    with pytest.raises(CorruptError):
        members(image, store, tmp_path / "a.tar")
