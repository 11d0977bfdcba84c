"""Archives as `docker save` wrote them before OCI layouts."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.digest import sha256_digest
from llbuild.errors import LlbuildError, SourceError
from llbuild.image import Manifest, decode_manifest, encode_config
from llbuild.platforms import Platform
from llbuild.tests.exporter.samples import sample_config, tar_of
from llbuild.values import replace
from llbuild.worker.content import ContentStore
from llbuild.worker.source import OciLayoutSource, resolve_local

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.image import Descriptor

LAYER = tar_of({"hello": b"hello\n"})
CONFIG = encode_config(replace(sample_config(), diff_ids=(sha256_digest(LAYER),)))


def archive(path: Path, listing: Any, **files: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in {"manifest.json": json.dumps(listing).encode(), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def read(path: Path, store: ContentStore) -> dict[Descriptor, list[str]]:
    """Every image, with its names; all of it is in the store."""
    source = OciLayoutSource(str(path), store)
    found: dict[Descriptor, list[str]] = {}
    for entry in source.entries():
        found.setdefault(source.fetch_all(entry.descriptor), []).append(entry.name)
    return found


LISTED = {"Config": "config.json", "RepoTags": ["hello:1", "example.org/a:2"], "Layers": ["layer"]}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_image_keeps_its_config_and_its_layers(tmp_path: Path, pack: Any) -> None:
    store = ContentStore(tmp_path / "root")
    blob = pack(LAYER)
    found = read(archive(tmp_path / "a.tar", [LISTED], **{"config.json": CONFIG, "layer": blob}), store)
    ((target, names),) = found.items()
    assert names == ["docker.io/library/hello:1", "example.org/a:2"]
    manifest = decode_manifest(store.read(target.digest))
    assert isinstance(manifest, Manifest)
    assert store.read(manifest.config.digest) == CONFIG
    with store.open(manifest.layers[0].digest) as file:
        assert file.read() == blob


@pytest.mark.parametrize(
    ("listing", "files", "message"),
    [
        ([], {}, "holds no image"),
        (1, {}, "is not a list of images"),
        ([{"Config": 1}], {}, "is not a list of images"),
        ([LISTED], {}, "holds no config.json"),
        ([LISTED], {"config.json": CONFIG}, "holds no layer"),
        ([{**LISTED, "Layers": []}], {"config.json": CONFIG}, "0 layers, but its config lists 1"),
        ([LISTED], {"config.json": CONFIG, "layer": b"x" * 1024}, "is corrupt"),
        ([LISTED], {"config.json": b"{}", "layer": LAYER}, "rootfs: expected the list of layers"),
        ([{**LISTED, "RepoTags": ["A"]}], {"config.json": CONFIG, "layer": LAYER}, "must be lower case"),
    ],
)
def test_a_broken_archive_is_refused(tmp_path: Path, listing: Any, files: dict[str, bytes], message: str) -> None:
    store = ContentStore(tmp_path / "root")
    with pytest.raises(SourceError, match=message):
        read(archive(tmp_path / "a.tar", listing, **files), store)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    listing=st.recursive(
        st.none() | st.integers() | st.sampled_from(["config.json", "layer", "", "hello:1"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["Config", "RepoTags", "Layers"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_no_listing_escapes_our_errors(tmp_path: Path, listing: Any) -> None:
    store = ContentStore(tmp_path / "root")
    path = archive(tmp_path / "a.tar", listing, **{"config.json": CONFIG, "layer": LAYER})
    try:
        read(path, store)
    except LlbuildError:
        return


def test_it_is_read_where_it_lies_like_a_layout(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "root")
    path = archive(tmp_path / "a:b.tar", [LISTED], **{"config.json": CONFIG, "layer": LAYER})
    for name in ("", ":hello:1", ":docker.io/library/hello:1", ":1", ":example.org/a:2"):
        image = resolve_local(store, f"oci-layout://{path}{name}", Platform(os="linux", architecture="amd64"))
        assert image is not None
        assert image.config.diff_ids == (sha256_digest(LAYER),)
        assert not store.has(sha256_digest(LAYER))  # nobody has read the layer yet
        layer = image.layers[0][1]
    OciLayoutSource(str(path), store).fetch_layer(layer)
    assert store.has(sha256_digest(LAYER))


def test_a_layer_may_be_a_link_to_another(tmp_path: Path) -> None:
    """As docker wrote them until 25: a folder for each layer, and each layer once."""
    path, config = tmp_path / "a.tar", replace(sample_config(), diff_ids=(sha256_digest(LAYER),) * 3)
    listed = {"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"]}
    archive(path, [listed], **{"c.json": encode_config(config), "a/layer.tar": LAYER})
    with tarfile.open(path, "a") as tar:
        for name, kind, target in (("b", tarfile.SYMTYPE, "../a/layer.tar"), ("c", tarfile.LNKTYPE, "a/layer.tar")):
            info = tarfile.TarInfo(f"{name}/layer.tar")
            info.type, info.linkname = kind, target
            tar.addfile(info)
    store = ContentStore(tmp_path / "root")
    ((made, names),) = read(path, store).items()
    assert names == [""]
    manifest = decode_manifest(store.read(made.digest))
    assert isinstance(manifest, Manifest)
    assert [one.digest for one in manifest.layers] == [sha256_digest(LAYER)] * 3
