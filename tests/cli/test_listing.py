from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from llbuild.cli.image import history, images, inspect
from llbuild.cli.image.catalogue import find_image, open_content
from llbuild.cli.image.history import history_lines, render_history
from llbuild.cli.image.images import render_images
from llbuild.cli.sizes import layer_size
from llbuild.digest import Digest, sha256_digest
from llbuild.errors import CorruptError, NotFoundError, SourceError
from llbuild.image import (
    ContainerConfig,
    Descriptor,
    History,
    ImageConfig,
    Index,
    Manifest,
    MediaType,
    encode_config,
    encode_index,
    encode_manifest,
)
from llbuild.platforms import Platform, host_platform

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.worker import ContentStore

NOON = "2026-01-31T12:00:00Z"
NOON_S = 1769860800.0


def tar(**files: int) -> bytes:
    """A layer: file sizes by name; a folder for size -1."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, size in files.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if size < 0 else tarfile.REGTYPE
            member.size = max(0, size)
            archive.addfile(member, io.BytesIO(b"x" * size) if size >= 0 else None)
    return out.getvalue()


def put(store: ContentStore, data: bytes, media_type: str) -> Descriptor:
    blob = store.write(data)
    return Descriptor(media_type=media_type, digest=blob.digest, size_bytes=blob.size_bytes)


def add_image(
    store: ContentStore, name: str, steps: list[History], tars: list[bytes], created: str = NOON
) -> Descriptor:
    config = ImageConfig(
        platform=Platform(os="linux", architecture="amd64"),
        config=ContainerConfig(cmd=("/bin/sh", "-c", "ls -alh /data"), env=("PATH=/bin",)),
        created=created,
        diff_ids=tuple(sha256_digest(layer) for layer in tars),
        history=tuple(steps),
    )
    layers = tuple(put(store, gzip.compress(layer, mtime=0), MediaType.OCI_LAYER_GZIP) for layer in tars)
    manifest = Manifest(config=put(store, encode_config(config), MediaType.OCI_CONFIG), layers=layers)
    descriptor = put(store, encode_manifest(manifest), MediaType.OCI_MANIFEST)
    store.put_image(name, descriptor)
    return descriptor


@pytest.fixture
def store(state_root: Path) -> ContentStore:
    """Two images: one with layers of known sizes, one without any."""
    store = open_content(str(state_root))
    steps = [
        History(created="2026-01-01T00:00:00Z", created_by="BusyBox 1.37.0 (glibc), Debian 13"),
        History(created=NOON, created_by="RUN /bin/sh -c mkdir /data # buildkit", comment="buildkit.dockerfile.v0"),
        History(
            created=NOON,
            created_by="RUN /bin/sh -c dd if=/dev/zero bs=1024 count=1024 of=/data/one # buildkit",
            comment="buildkit.dockerfile.v0",
        ),
        History(
            created=NOON,
            created_by='CMD ["/bin/sh" "-c" "ls -alh /data"]',
            comment="buildkit.dockerfile.v0",
            empty_layer=True,
        ),
    ]
    layers = [tar(bin=-1, busybox=4_260_000), tar(data=-1), tar(data=-1, one=1_048_576)]
    add_image(store, "docker.io/library/layers:latest", steps, layers)
    add_image(store, "localhost:5000/team/empty:v1", [], [], created="")
    return store


def test_history_reads_like_dockers(store: ContentStore) -> None:
    lines = history_lines(store, find_image(store, "layers"))
    assert (
        render_history(lines, now=NOON_S + 120)
        == """\
CREATED         CREATED BY                                      SIZE      COMMENT
2 minutes ago   CMD ["/bin/sh" "-c" "ls -alh /data"]            0B        buildkit.dockerfile.v0
2 minutes ago   RUN /bin/sh -c dd if=/dev/zero bs=1024 count…   1.05MB    buildkit.dockerfile.v0
2 minutes ago   RUN /bin/sh -c mkdir /data # buildkit           0B        buildkit.dockerfile.v0
4 weeks ago     BusyBox 1.37.0 (glibc), Debian 13               4.26MB
"""
    )
    whole = render_history(lines, whole=True, now=NOON_S + 120)
    assert "RUN /bin/sh -c dd if=/dev/zero bs=1024 count=1024 of=/data/one # buildkit   1.05MB" in whole


def test_history_as_json_keeps_bytes_and_times(store: ContentStore) -> None:
    found = json.loads(render_history(history_lines(store, find_image(store, "layers")), as_json=True))
    assert [entry["size_bytes"] for entry in found] == [0, 1_048_576, 0, 4_260_000]
    assert [entry["empty_layer"] for entry in found] == [True, False, False, False]
    assert found[0] == {
        "created": NOON,
        "created_by": 'CMD ["/bin/sh" "-c" "ls -alh /data"]',
        "size_bytes": 0,
        "comment": "buildkit.dockerfile.v0",
        "empty_layer": True,
        "diff_id": None,
    }


def test_layers_that_the_history_forgot_are_shown(store: ContentStore) -> None:
    add_image(store, "docker.io/library/bare:latest", [], [tar(a=2_000_000)])
    lines = history_lines(store, find_image(store, "bare"))
    assert render_history(lines).splitlines()[1].split() == ["N/A", "2MB"]


def test_images_are_listed_by_name(store: ContentStore) -> None:
    table = render_images(store, now=NOON_S + 5).splitlines()
    digests = [image.descriptor.digest.short for image in store.images()]
    assert [line.split() for line in table] == [
        ["REPOSITORY", "TAG", "DIGEST", "CREATED", "SIZE"],
        ["layers", "latest", digests[0], "5", "seconds", "ago", table[1].split()[-1]],
        ["localhost:5000/team/empty", "v1", digests[1], "N/A", "0B"],
    ]
    assert table[1].endswith("kB"), "the size is that of the compressed layers"
    found = json.loads(render_images(store, as_json=True))
    assert found[1] == {
        "name": "localhost:5000/team/empty:v1",
        "digest": store.images()[1].descriptor.digest,
        "platform": "linux/amd64",
        "created": "",
        "size_bytes": 0,
    }


def test_a_damaged_image_does_not_hide_the_others(store: ContentStore) -> None:
    image = find_image(store, "layers")
    store.remove(image.manifest.config.digest)
    table = render_images(store).splitlines()
    assert table[1].endswith("damaged")
    assert table[2].startswith("localhost:5000/team/empty")
    assert json.loads(render_images(store, as_json=True))[0]["damaged"] is True
    with pytest.raises(NotFoundError):
        find_image(store, "layers")


def test_an_empty_store_lists_nothing(state_root: Path) -> None:
    store = open_content(str(state_root))
    assert render_images(store).split() == ["REPOSITORY", "TAG", "DIGEST", "CREATED", "SIZE"]
    assert render_images(store, as_json=True) == "[]\n"
    assert not state_root.exists(), "looking makes nothing"


def test_an_image_is_found_by_name_digest_and_first_digits(store: ContentStore) -> None:
    digest = find_image(store, "layers").digest
    for text in (
        "layers:latest",
        "docker.io/library/layers",
        f"layers@{digest}",
        digest,
        digest.short,
        digest.hex,
        digest.hex[:4],
        f"sha256:{digest.short}",
    ):
        assert find_image(store, text).name == "docker.io/library/layers:latest", text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layrs", "no image 'layrs' in the local store (did you mean 'layers'?)"),
        ("layers:v2", "no image 'layers:v2' in the local store (did you mean 'layers'?)"),
        ("unlike", "no image 'unlike' in the local store"),
        ("sha256:00000000", "no image 'sha256:00000000' in the local store"),
    ],
)
def test_a_missing_image_is_answered_with_what_looks_like_it(store: ContentStore, text: str, message: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_image(store, text)
    assert caught.value.message == message


def test_what_is_no_name_is_refused(store: ContentStore) -> None:
    with pytest.raises(SourceError, match="must be lower case"):
        find_image(store, "Layers")


def test_of_an_index_the_image_for_this_machine_is_shown(store: ContentStore) -> None:
    image = find_image(store, "layers")
    other = Descriptor(
        media_type=MediaType.OCI_MANIFEST,
        digest=Digest("sha256:" + "0" * 64),
        size_bytes=1,
        platform=Platform(os="plan9", architecture="mips"),
    )
    this = Descriptor(media_type=MediaType.OCI_MANIFEST, digest=image.digest, size_bytes=1, platform=host_platform())
    index = put(store, encode_index(Index(manifests=(other, this))), MediaType.OCI_INDEX)
    store.put_image("docker.io/library/multi:latest", index)
    found = find_image(store, "multi")
    assert (found.digest, found.manifest) == (index.digest, image.manifest)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["tar", "gzip", "zstd"])
def test_a_layer_is_as_large_as_its_files(state_root: Path, pack: object) -> None:
    store = open_content(str(state_root))
    assert callable(pack)
    blob = put(store, pack(tar(folder=-1, a=1000, b=234)), MediaType.OCI_LAYER)
    assert layer_size(store, blob) == 1234


@pytest.mark.parametrize(
    "data",
    [b"no tar at all" * 100, gzip.compress(tar(a=100_000))[:90], zstandard.compress(tar(a=9))[:-9], tar(a=9000)[:2000]],
    ids=["text", "torn gzip", "torn zstd", "torn tar"],
)
def test_a_torn_layer_is_corrupt(state_root: Path, data: bytes) -> None:
    store = open_content(str(state_root))
    blob = put(store, data, MediaType.OCI_LAYER)
    with pytest.raises(CorruptError, match="cannot be read"):
        layer_size(store, blob)


def test_inspect_tells_everything(store: ContentStore, state_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect.run(["--root", str(state_root), "layers"]) == 0
    found = json.loads(capsys.readouterr().out)
    image = find_image(store, "layers")
    assert found["name"] == "docker.io/library/layers:latest"
    assert found["digest"] == image.digest
    assert found["platform"] == "linux/amd64"
    assert found["config"]["Cmd"] == ["/bin/sh", "-c", "ls -alh /data"]
    assert [layer["diff_id"] for layer in found["layers"]] == list(image.config.diff_ids)
    assert found["history"][3]["empty_layer"] is True


def test_the_commands_read_the_store_they_are_told(
    store: ContentStore, state_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.images()
    assert images.run(["--root", str(state_root), "--format", "json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == [
        "docker.io/library/layers:latest",
        "localhost:5000/team/empty:v1",
    ]
    assert history.run(["layers", "--root", str(state_root), "--no-trunc"]) == 0
    assert "of=/data/one # buildkit" in capsys.readouterr().out
