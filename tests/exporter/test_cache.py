from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import ExportError
from llbuild.exporter import AssembledCache, assemble_cache, export_cache_folder
from llbuild.image import CACHE_CONFIG_TYPE, CacheConfig, CacheMount, CacheRecord, decode_cache_config
from llbuild.tests.exporter.samples import open_store, put_layer
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.worker import ContentStore

KEY = bytes(32)
ONE, TWO = (f"run-{digit * 32}" for digit in "12")


def sample_cache(store: ContentStore) -> AssembledCache:
    """Two results, the second built on the first, and a cache mount."""
    layers = {ONE: put_layer(store, {"one": b"1"}), TWO: put_layer(store, {"two": b"2"})}
    records = tuple(CacheRecord(keys=(KEY,), strong=KEY, op=KEY, refs=(ref,)) for ref in ((ONE,), (ONE, TWO)))
    mount = put_layer(store, {"wheel": b"3"})
    described = CacheMount(id="pip", blob=mount.descriptor.digest)
    return assemble_cache(CacheConfig(records=records), layers, [(described, mount.descriptor)])


def test_a_cache_lists_every_blob_that_its_config_speaks_of(tmp_path: Path) -> None:
    cache = sample_cache(open_store(tmp_path))
    config = decode_cache_config(cache.config_blob, ref="x")
    manifest = json.loads(cache.manifest_blob)
    assert [layer.name for layer in config.layers] == [ONE, TWO]
    spoken_of = [layer.blob for layer in config.layers] + [mount.blob for mount in config.mounts]
    assert [layer["digest"] for layer in manifest["layers"]] == spoken_of
    assert manifest["config"]["mediaType"] == CACHE_CONFIG_TYPE
    assert manifest["config"]["digest"] == cache.config_descriptor.digest


def test_equal_caches_are_equal_bytes(tmp_path: Path) -> None:
    assert sample_cache(open_store(tmp_path)) == sample_cache(open_store(tmp_path))


def test_a_blob_of_two_layers_is_listed_once(tmp_path: Path) -> None:
    same = put_layer(open_store(tmp_path), {"one": b"1"})
    record = CacheRecord(keys=(KEY,), strong=KEY, op=KEY, refs=((ONE, TWO),))
    cache = assemble_cache(CacheConfig(records=(record,)), {ONE: same, TWO: same})
    assert len(cache.blobs) == 1
    assert len(cache.config.layers) == 2


def test_a_folder_holds_the_blobs_and_the_tag(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    cache = sample_cache(store)
    export_cache_folder(cache, store, str(tmp_path / "cache"), "main")
    (entry,) = json.loads((tmp_path / "cache/index.json").read_text())["manifests"]
    assert entry["digest"] == cache.manifest_descriptor.digest
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "main"}
    there = {f"sha256:{path.name}" for path in (tmp_path / "cache/blobs/sha256").iterdir()}
    assert there == {blob.digest for blob in cache.blobs} | {descriptor.digest for descriptor, _ in cache.documents}


def test_a_tag_moves_and_others_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    cache = sample_cache(store)
    empty = assemble_cache(replace(cache.config, records=(), layers=(), mounts=()), {})
    for found, tag in ((cache, "main"), (cache, "other"), (empty, "main")):
        export_cache_folder(found, store, str(tmp_path / "cache"), tag)
    entries = json.loads((tmp_path / "cache/index.json").read_text())["manifests"]
    tags = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}
    assert tags == {"main": empty.manifest_descriptor.digest, "other": cache.manifest_descriptor.digest}


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/thesis.tex").write_text("")
    with pytest.raises(ExportError, match="is no OCI layout"):
        export_cache_folder(sample_cache(store), store, str(tmp_path / "cache"), "latest")
