"""Images where users want them: in registries, in podman, in archives, in any compression. Read back by other tools."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

DOCKERFILE = """
FROM busybox
RUN echo hello > /greeting
CMD ["cat", "/greeting"]
"""


def inspect(ref: str, *flags: str) -> Any:
    """What skopeo sees of an image in a registry."""
    skopeo = require_tool("skopeo")
    return json.loads(run_tool([skopeo, "inspect", "--no-tags", "--tls-verify=false", *flags, f"docker://{ref}"]))


def test_push_sends_the_image_under_every_name(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    one, two = f"{registry.address}/push/one:1", f"{registry.address}/push/two"
    metadata = tmp_path / "metadata.json"
    llbuild.build("--push", "-t", one, "-t", two, "--metadata-file", metadata, context(DOCKERFILE))
    told = json.loads(metadata.read_text())
    assert told["image.name"] == f"{one},{two}:latest"
    for ref in (one, two):
        assert inspect(ref)["Digest"] == told["containerimage.digest"] == told["containerimage.descriptor"]["digest"]
    assert inspect(one, "--config")["config"]["Cmd"] == ["cat", "/greeting"]
    assert not [name for name in llbuild.image_names() if "push/" in name]


def test_an_image_can_be_kept_and_pushed(llbuild: Llbuild, context: Callable[..., Path], registry: Registry) -> None:
    ref = f"{registry.address}/push/kept:1"
    llbuild.build("-o", f"type=image,name={ref},push=true", context(DOCKERFILE))
    assert inspect(ref)["Digest"].startswith("sha256:")
    assert llbuild("run", ref).stdout == "hello\n"


def test_names_in_the_store_can_have_the_digest(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    iid, folder = tmp_path / "iid", context(DOCKERFILE)
    llbuild.build("-t", "kept:1", "-o", "type=image,name-canonical=true", "--iidfile", iid, folder)
    digest = iid.read_text()
    llbuild.build("-o", "type=image,dangling-name-prefix=dangling", folder)
    options = "dangling-name-prefix=unused,danging-name-empty-only=true"
    llbuild.build("-t", "kept:1", "-o", f"type=image,{options}", folder)
    names = {image["name"] for image in llbuild.json("images", "--format=json") if image["digest"] == digest}
    assert names == {
        "docker.io/library/kept:1",
        f"docker.io/library/kept:1@{digest}",
        f"docker.io/library/dangling@{digest}",
    }
    assert llbuild("run", f"dangling@{digest}").stdout == "hello\n"


def test_an_image_can_be_unpacked_ahead_of_its_use(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/unpack/base:1"
    llbuild.build("--push", "-t", ref, context(DOCKERFILE))
    other, folder = Llbuild(root=tmp_path / "other"), context(f"FROM {ref}\nCMD x\n")

    def unpacked() -> int:
        return sum(entry["type"] == "image.layer" for entry in other.json("du", "--format=json")["entries"])

    other.build("-t", "x", folder)
    assert unpacked() == 0
    other.build("-t", "x", "-o", "type=image,unpack=true", folder)
    assert unpacked() == 2


def test_push_by_digest_leaves_no_tag(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    name, iid = f"{registry.address}/push/untagged", tmp_path / "iid"
    llbuild.build(*("-o", f"type=registry,name={name},push-by-digest=true", "--iidfile", iid), context(DOCKERFILE))
    assert inspect(f"{name}@{iid.read_text()}")["Digest"] == iid.read_text()
    assert not list(
        (registry.folder / "docker/registry/v2/repositories/push/untagged/_manifests").rglob("tags/*/current")
    )


def test_a_rebuild_that_changes_only_metadata_uploads_a_config_and_a_manifest(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry
) -> None:
    ref = f"{registry.address}/push/metadata:1"
    llbuild.build("--push", "-t", ref, context(DOCKERFILE))
    before = registry.stored_blobs()
    for layer in inspect(ref)["Layers"]:
        (llbuild.root / "content/blobs/sha256" / layer.removeprefix("sha256:")).chmod(0)
    llbuild.build("--push", "-t", ref, context(DOCKERFILE + "LABEL a=b\n"))
    assert len(registry.stored_blobs() - before) == 2
    assert inspect(ref)["Labels"] == {"a": "b"}


def test_layers_of_a_pulled_base_are_mounted_and_not_downloaded(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    base = f"{registry.address}/push/base:1"
    llbuild.build("--push", "-t", base, context(DOCKERFILE))
    other = Llbuild(root=tmp_path / "other")
    ref = f"{registry.address}/push/derived:1"
    other.build("--push", "-t", ref, context(f"FROM {base}\nLABEL a=b\n"))
    layers = inspect(ref)["Layers"]
    assert layers == inspect(base)["Layers"]
    here = {path.name for path in (other.root / "content/blobs/sha256").iterdir()}
    assert not here & {layer.removeprefix("sha256:") for layer in layers}


def test_a_layer_that_an_image_has_twice_is_pushed_once(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry
) -> None:
    ref = f"{registry.address}/push/twice:1"
    llbuild.build("--push", "-t", ref, context("FROM scratch\nCOPY Dockerfile /\nCOPY Dockerfile /\n"))
    first, second = inspect(ref)["Layers"]
    assert first == second
    llbuild("pull", "-q", ref)
    llbuild("push", "-q", ref)


def test_a_push_without_a_name_is_refused_before_anything_runs(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild.build("--push", context("FROM busybox\nRUN false\n"), exit_code=2)
    assert "the image is to be pushed, and has no name" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "media_type"),
    [
        ("compression=uncompressed,force-compression=true", "application/vnd.oci.image.layer.v1.tar"),
        ("compression=zstd,force-compression=true", "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("compression-level=9,force-compression=true", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("oci-mediatypes=false", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    ],
)
def test_layers_come_in_the_form_that_was_asked_for(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, options: str, media_type: str
) -> None:
    if "zstd" in options and shutil.which("zstd") is None:
        pytest.skip("needs the program zstd to read the layers")
    plain, formed = tmp_path / "plain.tar", tmp_path / "formed"
    llbuild.build(
        *("-o", f"type=oci,dest={plain}", "-o", f"type=oci,tar=false,dest={formed},{options}"), context(DOCKERFILE)
    )
    image = read_image(formed)
    assert {layer.media_type for layer in image.layers} == {media_type}
    assert [layer.tar for layer in image.layers] == [layer.tar for layer in read_image(plain).layers]
    run_tool([require_tool("skopeo"), "inspect", f"oci:{formed}"])


def test_compression_without_force_leaves_what_is_packed(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    llbuild.build("-o", f"type=oci,tar=false,dest={out},compression=uncompressed", context(DOCKERFILE))
    base, own = read_image(out).layers
    assert base.media_type.endswith("tar+gzip")
    assert own.media_type.endswith(".tar")


def test_annotations_stand_where_they_were_asked_for(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    llbuild.build(
        *("-o", f"type=oci,tar=false,dest={out},annotation.Some.Key=value,annotation-manifest-descriptor.d=e"),
        *("--annotation", "flag=too"),
        context(DOCKERFILE),
    )
    assert read_image(out).manifest["annotations"] == {"Some.Key": "value", "flag": "too"}
    (entry,) = json.loads((out / "index.json").read_text())["manifests"]
    assert entry["annotations"]["d"] == "e"


def test_an_annotation_of_an_index_needs_one(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild.build("--annotation", "index:a=b", context(DOCKERFILE), exit_code=2)
    assert "an image of one platform has none" in outcome.stderr


def test_cacheonly_runs_the_steps_and_writes_nothing(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    before = llbuild.image_names()
    assert llbuild.build("-o", "type=cacheonly", context(DOCKERFILE)).ran()
    assert llbuild.image_names() == before
    assert not llbuild.build("-o", "type=cacheonly", context(DOCKERFILE)).ran()


def test_several_outputs_come_from_one_build(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/push/several:1"
    outcome = llbuild.build(
        *("-t", ref, "-o", "type=image,push=true", "-o", f"type=oci,dest={tmp_path / 'a.tar'}"),
        *("-o", f"type=docker,dest={tmp_path / 'b.tar'}", "-o", f"type=local,dest={tmp_path / 'c'}"),
        context(DOCKERFILE),
    )
    assert len(outcome.ran()) == 1
    assert inspect(ref)["Digest"] == read_image(tmp_path / "a.tar").digest
    assert (tmp_path / "c/greeting").read_text() == "hello\n"
    skopeo = require_tool("skopeo")
    seen = json.loads(run_tool([skopeo, "inspect", "--raw", f"docker-archive:{tmp_path / 'b.tar'}"]))
    assert seen["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"


def test_podman_loads_the_archive_for_docker(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, podman: list[str]
) -> None:
    archive = tmp_path / "image.tar"
    llbuild.build("-t", "example.org/demo:1", "-o", f"type=docker,dest={archive}", context(DOCKERFILE))
    run_tool([*podman, "load", "-i", archive])
    (image,) = json.loads(run_tool([*podman, "inspect", "--type=image", "example.org/demo:1"]))
    assert image["Config"]["Cmd"] == ["cat", "/greeting"]
    wanted = read_image(archive)
    assert image["RootFS"]["Layers"] == wanted.config["rootfs"]["diff_ids"]


@pytest.mark.needs_root
def test_umoci_unpacks_uncompressed_layers(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    umoci, out = require_tool("umoci"), tmp_path / "out"
    llbuild.build(
        *("-t", "demo:1", "-o", f"type=oci,tar=false,dest={out},compression=uncompressed,force-compression=true"),
        context(DOCKERFILE),
    )
    run_tool([umoci, "unpack", "--image", f"{out}:1", tmp_path / "bundle"])
    assert (tmp_path / "bundle/rootfs/greeting").read_text() == "hello\n"
