from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import CorruptError, ExportError, NotFoundError
from llbuild.exporter import assemble, export_archive, export_oci_folder, export_store, stream_archive
from llbuild.exporter.receipts import note_written
from llbuild.image import Reference, parse_reference
from llbuild.tests.exporter.samples import open_store, put_layer, sample_config, sample_image
from llbuild.tests.exporter.validate import validate_archive, validate_layout
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from llbuild.worker.content import ContentStore

HELLO = parse_reference("hello:1")


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ContentStore:
    return open_store(tmp_path)


def test_the_store_holds_a_valid_image_under_its_full_name(store: ContentStore) -> None:
    export_store(sample_image(store), store, [HELLO, parse_reference("alice/hello:1")])
    first, second = validate_layout(Path(store.folder))
    assert first.name == first.ref_name == "docker.io/library/hello:1"
    assert second.name == second.ref_name == "docker.io/alice/hello:1"
    assert [image.name for image in store.images()] == ["docker.io/alice/hello:1", "docker.io/library/hello:1"]


def test_storing_an_image_again_writes_nothing(store: ContentStore) -> None:
    image = sample_image(store)
    export_store(image, store, [HELLO])
    before = {path: path.stat() for path in Path(store.folder).rglob("*")}
    export_store(image, store, [HELLO])
    after = {path: path.stat() for path in Path(store.folder).rglob("*")}
    assert [(path, at.st_ino, at.st_mtime_ns) for path, at in before.items()] == [
        (path, at.st_ino, at.st_mtime_ns) for path, at in after.items()
    ]


def test_a_new_image_takes_over_the_name(store: ContentStore) -> None:
    export_store(sample_image(store), store, [HELLO])
    other = assemble(sample_config(user="1"), [put_layer(store, {"hello": b"other"})])
    export_store(other, store, [HELLO])
    (only,) = validate_layout(Path(store.folder))
    assert only.digest == other.manifest_descriptor.digest


def test_an_archive_is_valid_and_named_as_buildkit_names_it(store: ContentStore, tmp_path: Path) -> None:
    export_archive(sample_image(store), store, [HELLO], str(tmp_path / "out.tar"))
    (image,) = validate_archive(tmp_path / "out.tar", tmp_path / "unpacked")
    assert (image.name, image.ref_name) == ("docker.io/library/hello:1", "1")
    index = json.loads((tmp_path / "unpacked/index.json").read_bytes())
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.created"] == "2024-05-01T10:20:30.12Z"


def test_an_archive_without_a_name_holds_one_nameless_image(store: ContentStore, tmp_path: Path) -> None:
    export_archive(sample_image(store), store, [], str(tmp_path / "out.tar"))
    (image,) = validate_archive(tmp_path / "out.tar", tmp_path / "unpacked")
    assert (image.name, image.ref_name) == ("", "")


def test_equal_images_give_equal_archives(store: ContentStore, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        export_archive(sample_image(store), store, [HELLO], str(tmp_path / name))
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_an_archive_that_is_there_already_only_gets_a_new_time(store: ContentStore, tmp_path: Path) -> None:
    image, out = sample_image(store), tmp_path / "out.tar"
    export_archive(image, store, [HELLO], str(out))
    first = out.stat()
    os.utime(out, (0, 0))
    export_archive(image, store, [HELLO], str(out))
    assert out.stat().st_ino != first.st_ino  # somebody touched it, so it was written again
    first = out.stat()
    for layer in image.layers:
        store.remove(layer.digest)  # nor is a layer read
    export_archive(image, store, [HELLO], str(out))
    again = out.stat()
    assert again.st_ino == first.st_ino
    assert again.st_mtime_ns > first.st_mtime_ns
    export_archive(image, store, [HELLO], str(out))
    assert out.stat().st_ino == first.st_ino
    validate_archive(out, tmp_path / "unpacked")


def test_an_archive_of_another_name_is_written(store: ContentStore, tmp_path: Path) -> None:
    for name in ("hello:1", "hello:2"):
        export_archive(sample_image(store), store, [parse_reference(name)], str(tmp_path / "out.tar"))
    (image,) = validate_archive(tmp_path / "out.tar", tmp_path / "unpacked")
    assert image.ref_name == "2"


def test_receipts_do_not_pile_up(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    for number in range(210):
        (tmp_path / f"link{number}").hardlink_to(tmp_path / "f")
        note_written(str(tmp_path / "exports"), str(tmp_path / f"link{number}"), "plan")
    assert len(os.listdir(tmp_path / "exports")) == 200


def test_an_archive_through_a_pipe_is_the_same(store: ContentStore, tmp_path: Path) -> None:
    image = assemble(sample_config(), [put_layer(store, {"hello": os.urandom(3 << 20)})])
    export_archive(image, store, [HELLO], str(tmp_path / "file.tar"))
    with (tmp_path / "pipe.tar").open("wb") as file, subprocess.Popen(["cat"], stdin=-1, stdout=file) as cat:
        assert cat.stdin is not None
        stream_archive(image, store, [HELLO], cat.stdin.fileno())
        cat.stdin.close()
    assert (tmp_path / "pipe.tar").read_bytes() == (tmp_path / "file.tar").read_bytes()


def test_large_blobs_begin_at_a_page_of_the_archive(store: ContentStore, tmp_path: Path) -> None:
    layers = [put_layer(store, {"f": os.urandom((1 << 20) + odd)}) for odd in (0, 513, 40_000)]
    export_archive(assemble(sample_config(), layers), store, [HELLO], str(tmp_path / "out.tar"))
    validate_archive(tmp_path / "out.tar", tmp_path / "unpacked")
    with tarfile.open(tmp_path / "out.tar") as tar:
        large = [member.offset_data for member in tar if member.size >= 1 << 20]
    assert len(large) == 3
    assert [offset % 4096 for offset in large] == [0, 0, 0]


def test_a_folder_keeps_the_images_of_others(store: ContentStore, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    export_oci_folder(sample_image(store), store, [HELLO], str(folder))
    index = json.loads((folder / "index.json").read_bytes())
    index["annotations"] = {"of": "somebody else"}
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "theirs", "x": "y"}
    (folder / "index.json").write_text(json.dumps(index))
    other = assemble(sample_config(user="1"), [put_layer(store, {"hello": b"other"})])
    export_oci_folder(other, store, [HELLO], str(folder))
    theirs, ours = validate_layout(folder)
    assert (theirs.ref_name, ours.ref_name) == ("theirs", "1")
    again = json.loads((folder / "index.json").read_bytes())
    assert again["annotations"] == {"of": "somebody else"}
    assert again["manifests"][0] == index["manifests"][0]


@pytest.mark.parametrize("first", ["hello:1", "skopeo's"])
def test_a_folder_gets_a_new_image_in_place_of_the_old_one_of_that_name(
    store: ContentStore, tmp_path: Path, first: str
) -> None:
    folder = tmp_path / "layout"
    export_oci_folder(sample_image(store), store, [HELLO], str(folder))
    if first == "skopeo's":
        index = json.loads((folder / "index.json").read_bytes())
        del index["manifests"][0]["annotations"]["io.containerd.image.name"]
        (folder / "index.json").write_text(json.dumps(index))
    other = assemble(sample_config(user="1"), [put_layer(store, {"hello": b"other"})])
    export_oci_folder(other, store, [HELLO], str(folder))
    assert [image.digest for image in validate_layout(folder)] == [other.manifest_descriptor.digest]


def test_a_torn_blob_in_a_folder_is_put_right(store: ContentStore, tmp_path: Path) -> None:
    image = sample_image(store)
    export_oci_folder(image, store, [HELLO], str(tmp_path / "layout"))
    blob = tmp_path / "layout/blobs/sha256" / image.layers[0].digest.hex
    blob.unlink()
    blob.write_bytes(b"torn")
    export_oci_folder(image, store, [HELLO], str(tmp_path / "layout"))
    validate_layout(tmp_path / "layout")


def test_skopeo_and_umoci_read_what_is_exported(store: ContentStore, tmp_path: Path) -> None:
    skopeo, umoci = require_tool("skopeo"), require_tool("umoci")
    image = sample_image(store)
    export_store(image, store, [HELLO])
    export_archive(image, store, [HELLO], str(tmp_path / "out.tar"))
    export_oci_folder(image, store, [HELLO], str(tmp_path / "layout"))
    for source in (f"oci:{store.folder}:{HELLO}", f"oci-archive:{tmp_path}/out.tar:1", f"oci:{tmp_path}/layout:1"):
        seen = json.loads(run_tool([skopeo, "inspect", source]))
        assert seen["Digest"] == image.manifest_descriptor.digest
        assert seen["Layers"] == [layer.digest for layer in image.layers]
    run_tool([skopeo, "copy", "--insecure-policy", f"oci-archive:{tmp_path}/out.tar", f"oci:{tmp_path}/copied:there"])
    assert [found.digest for found in validate_layout(tmp_path / "copied")] == [image.manifest_descriptor.digest]
    run_tool([umoci, "unpack", "--rootless", "--image", f"{tmp_path}/copied:there", tmp_path / "bundle"])
    assert (tmp_path / "bundle/rootfs/hello").read_bytes() == b"#!/bin/sh\necho hello\n"


def test_skopeo_adds_to_a_folder_we_wrote_and_we_to_one_it_wrote(store: ContentStore, tmp_path: Path) -> None:
    skopeo = require_tool("skopeo")
    image = sample_image(store)
    export_oci_folder(image, store, [HELLO], str(tmp_path / "layout"))
    run_tool([skopeo, "copy", "--insecure-policy", f"oci:{tmp_path}/layout:1", f"oci:{tmp_path}/layout:second"])
    export_oci_folder(image, store, [parse_reference("hello:3")], str(tmp_path / "layout"))
    assert sorted(found.ref_name for found in validate_layout(tmp_path / "layout")) == ["1", "3", "second"]


BAD_DESTINATIONS = [
    ("missing/out.tar", "No such file or directory", "make its folder first"),
    ("folder", "it is a folder", "name a file"),
    ("file/out.tar", "Not a directory", ""),
]


@pytest.mark.parametrize(("path", "why", "hint"), BAD_DESTINATIONS)
def test_an_archive_that_cannot_be_written_says_why(
    store: ContentStore, tmp_path: Path, path: str, why: str, hint: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError) as caught:
        export_archive(sample_image(store), store, [HELLO], str(tmp_path / path))
    assert caught.value.message == f"cannot write {tmp_path / path}: {why}"
    assert caught.value.hint == hint


def test_a_folder_of_other_things_is_not_touched(store: ContentStore, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("x")
    for path, why in (("mine", "it holds files and is no OCI layout"), ("mine/thesis.txt", "it is a file")):
        with pytest.raises(ExportError) as caught:
            export_oci_folder(sample_image(store), store, [HELLO], str(tmp_path / path))
        assert caught.value.message == f"cannot write {tmp_path / path}: {why}"
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


def test_a_failed_export_leaves_the_old_archive_and_nothing_else(store: ContentStore, tmp_path: Path) -> None:
    image = sample_image(store)
    out = tmp_path / "out"
    out.mkdir()
    export_archive(image, store, [HELLO], str(out / "a.tar"))
    before = (out / "a.tar").read_bytes()
    os.truncate(store.path(image.layers[0].digest), 10)
    with pytest.raises(CorruptError):
        export_archive(image, store, [], str(out / "a.tar"))
    store.remove(image.layers[0].digest)
    with pytest.raises(NotFoundError):
        export_archive(image, store, [], str(out / "a.tar"))
    with pytest.raises(NotFoundError):
        export_oci_folder(image, store, [HELLO], str(out / "folder"))
    assert (out / "a.tar").read_bytes() == before
    assert not (out / "folder/index.json").exists()
    assert sorted(os.listdir(out)) == ["a.tar", "folder"]


def test_a_name_that_is_a_digest_is_written_as_a_whole(store: ContentStore, tmp_path: Path) -> None:
    name = Reference(domain="docker.io", path="library/x", digest=sample_image(store).manifest_descriptor.digest)
    export_archive(sample_image(store), store, [name], str(tmp_path / "out.tar"))
    (image,) = validate_archive(tmp_path / "out.tar", tmp_path / "unpacked")
    assert image.ref_name == image.name == str(name)
