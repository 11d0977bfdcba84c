"""Images whose layers can be read before they are there: what is said of them, and what other programs see."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

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
RUN mkdir /data && echo hello > /data/greeting && rm /bin/vi
CMD ["cat", "/data/greeting"]
"""
FORCED = "compression=estargz,force-compression=true"


def toc_of(blob: bytes) -> bytes:
    """The table of contents, found by the footer."""
    at = int(blob[-51:][16:32], 16)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob[at:]))) as tar:
        found = tar.extractfile("stargz.index.json")
        assert found is not None
        return found.read()


def test_manifest_and_config_say_what_the_layers_are(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    llbuild.build("-o", f"type=oci,tar=false,dest={out},{FORCED}", context(DOCKERFILE))
    image = read_image(out)
    assert len(image.layers) == 2
    for layer, described, diff_id in zip(
        image.layers, image.manifest["layers"], image.config["rootfs"]["diff_ids"], strict=True
    ):
        blob = (out / "blobs/sha256" / described["digest"].removeprefix("sha256:")).read_bytes()
        assert described["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
        assert described["annotations"] == {
            "containerd.io/snapshot/stargz/toc.digest": f"sha256:{hashlib.sha256(toc_of(blob)).hexdigest()}",
            "io.containers.estargz.uncompressed-size": str(len(layer.tar)),
        }
        assert diff_id == f"sha256:{hashlib.sha256(layer.tar).hexdigest()}"
    names = [entry["name"] for entry in json.loads(toc_of(blob))["entries"]]
    assert names == [".no.prefetch.landmark", "bin/", "bin/.wh.vi", "data/", "data/greeting"]


def test_it_is_made_once_and_is_the_same_on_every_machine(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    elsewhere = Llbuild(root=tmp_path / "elsewhere")
    folder = context("FROM scratch\nCOPY Dockerfile /\n")
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    for where, program in ((one, llbuild), (two, llbuild), (other, elsewhere)):
        options = f"type=oci,dest={where},{FORCED},rewrite-timestamp=true"
        outcome = program.build("-o", options, folder, env=epoch)
    assert one.read_bytes() == two.read_bytes() == other.read_bytes()
    assert outcome.ran()


def test_without_force_only_what_is_packed_now_has_it(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    llbuild.build("-o", f"type=oci,tar=false,dest={out},compression=estargz", context(DOCKERFILE))
    base, own = read_image(out).manifest["layers"]
    assert "annotations" not in base
    assert "containerd.io/snapshot/stargz/toc.digest" in own["annotations"]


def test_a_squashed_layer_can_be_one(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = DOCKERFILE + "RUN echo more > /data/more\n"
    for _ in range(2):
        llbuild.build("--squash", "-o", f"type=oci,tar=false,dest={out},compression=estargz", context(text))
    _, own = read_image(out).manifest["layers"]
    assert "containerd.io/snapshot/stargz/toc.digest" in own["annotations"]


def test_a_pushed_one_is_pulled_and_run(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/estargz/pushed:1"
    llbuild.build("-o", f"type=registry,name={ref},{FORCED}", context(DOCKERFILE))
    skopeo = require_tool("skopeo")
    seen = json.loads(run_tool([skopeo, "inspect", "--raw", "--tls-verify=false", f"docker://{ref}"]))
    assert all("containerd.io/snapshot/stargz/toc.digest" in layer["annotations"] for layer in seen["layers"])
    run_tool([skopeo, "--insecure-policy", "copy", "--src-tls-verify=false", f"docker://{ref}", f"oci:{tmp_path}/o:x"])
    llbuild("pull", "-q", ref)
    assert llbuild("run", ref).stdout == "hello\n"


def test_a_base_image_in_that_form_keeps_what_is_said_of_its_layers(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref, out = f"{registry.address}/estargz/base:1", tmp_path / "out"
    llbuild.build("-o", f"type=oci,tar=false,dest={tmp_path / 'base'},{FORCED}", context(DOCKERFILE))
    registry.push(f"oci:{tmp_path / 'base'}", "estargz/base:1")
    elsewhere = Llbuild(root=tmp_path / "elsewhere")
    for _ in range(2):
        elsewhere.build("-o", f"type=oci,tar=false,dest={out}", context(f"FROM {ref}\nCOPY Dockerfile /\n"))
    *base, own = read_image(out).manifest["layers"]
    assert base == read_image(tmp_path / "base").manifest["layers"]
    assert "annotations" not in own


@pytest.mark.needs_root
def test_umoci_unpacks_it(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    umoci, out = require_tool("umoci"), tmp_path / "out"
    llbuild.build("-t", "demo:1", "-o", f"type=oci,tar=false,dest={out},{FORCED}", context(DOCKERFILE))
    run_tool([umoci, "unpack", "--image", f"{out}:1", tmp_path / "bundle"])
    assert (tmp_path / "bundle/rootfs/data/greeting").read_text() == "hello\n"
    assert not (tmp_path / "bundle/rootfs/bin/vi").exists()


def test_a_cache_cannot_have_that_form(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    outcome = llbuild.build(
        "--cache-to", f"type=local,dest={tmp_path / 'cache'},compression=estargz", context(DOCKERFILE), exit_code=2
    )
    assert "compression=estargz is for images" in outcome.stderr
