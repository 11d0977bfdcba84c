from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import sha256_digest
from llbuild.errors import NotFoundError, SourceError
from llbuild.exporter import (
    AssembledImage,
    AssembledIndex,
    ImageForm,
    assemble,
    assemble_index,
    export_archive,
    export_store,
    stored_image,
)
from llbuild.image import Index, MediaType, decode_manifest, encode_index, parse_reference
from llbuild.platforms import parse_platform
from llbuild.tests.exporter.samples import open_store, put_layer, sample_config
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.worker.content import ContentStore

HELLO = parse_reference("hello:1")


def image(store: ContentStore, platform: str, *, form: ImageForm | None = None) -> AssembledImage:
    config = replace(sample_config(), platform=parse_platform(platform))
    return assemble(config, [put_layer(store, {"hello": b"the same"})], form=form or ImageForm())


def index(store: ContentStore, form: ImageForm | None = None) -> AssembledIndex:
    images = [image(store, name, form=form) for name in ("linux/amd64", "linux/arm/v7")]
    return assemble_index(images, form or ImageForm())


def test_an_index_lists_the_platforms_in_order(tmp_path: Path) -> None:
    made = json.loads(index(open_store(tmp_path)).index_blob)
    assert made["mediaType"] == MediaType.OCI_INDEX
    assert [entry["platform"] for entry in made["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v7"},
    ]


def test_a_layer_that_platforms_share_is_one(tmp_path: Path) -> None:
    made = index(open_store(tmp_path))
    assert [len(one.layers) for one in made.images] == [1, 1]
    assert len(made.layers) == 1


def test_what_an_index_points_at_comes_before_it(tmp_path: Path) -> None:
    made = index(open_store(tmp_path))
    written = [descriptor.digest for descriptor, _ in made.small_blobs()]
    assert written[-1] == made.target.digest
    assert [one.target.digest for one in made.images] == [written[1], written[3]]


def test_the_form_is_that_of_all_documents(tmp_path: Path) -> None:
    made = index(open_store(tmp_path), ImageForm(docker=True))
    types = [descriptor.media_type for descriptor, _ in made.small_blobs()]
    assert types == [*(MediaType.DOCKER_CONFIG, MediaType.DOCKER_MANIFEST) * 2, MediaType.DOCKER_INDEX]
    assert {layer.media_type for layer in made.layers} == {MediaType.DOCKER_LAYER_GZIP}


def test_annotations_are_of_the_index_or_of_what_points_at_it(tmp_path: Path) -> None:
    form = ImageForm(annotations=(("a", "b"),), descriptor_annotations=(("c", "d"),))
    made = index(open_store(tmp_path), form)
    assert decode_manifest(made.index_blob).annotations == (("a", "b"),)
    assert made.target.annotations == (("c", "d"),)


def test_what_is_stored_is_read_back_byte_by_byte(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for made in (index(store), image(store, "linux/amd64", form=ImageForm(docker=True))):
        export_store(made, store, [HELLO])
        target = store.image(str(HELLO))
        assert target is not None
        again = stored_image(store, target, name="hello")
        assert list(again.small_blobs()) == [
            (replace(found, annotations=()), data) for found, data in made.small_blobs()
        ]
        assert again.layers == made.layers


def test_an_archive_of_several_platforms_holds_them_all(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    made = index(store)
    export_archive(made, store, [HELLO], str(tmp_path / "out.tar"))
    data = (tmp_path / "out.tar").read_bytes()
    for descriptor, blob in made.small_blobs():
        assert f"blobs/sha256/{descriptor.digest.hex}".encode() in data
        assert blob in data


def test_an_image_that_is_not_whole_is_not_read(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    made = index(store)
    export_store(made, store, [HELLO])
    store.remove(made.images[1].target.digest)
    with pytest.raises(NotFoundError):
        stored_image(store, made.target, name="hello")


@pytest.mark.parametrize("nested", [True, False])
def test_an_index_of_indexes_or_of_nothing_is_refused(tmp_path: Path, nested: bool) -> None:
    store = open_store(tmp_path)
    inner = index(store)
    export_store(inner, store, [])
    data = encode_index(Index(manifests=(inner.target,) if nested else ()))
    outer = replace(inner.target, digest=sha256_digest(data), size_bytes=len(data))
    store.write(data)
    with pytest.raises(SourceError, match="is an index of"):
        stored_image(store, outer, name="hello")
