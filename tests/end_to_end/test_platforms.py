"""Several platforms in one build: one graph, one index; whoever pulls or runs it gets the right one."""

from __future__ import annotations

import json
import struct
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.platforms import host_platform
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

HOST = str(host_platform())
FOREIGN = "linux/s390x" if HOST != "linux/s390x" else "linux/riscv64"
BOTH = f"{HOST},{FOREIGN}"
# Everything runs on this machine, as a cross-compiler would.
CROSS = """
FROM --platform=$BUILDPLATFORM busybox AS shared
RUN echo shared > /shared
FROM --platform=$BUILDPLATFORM busybox AS compiler
ARG TARGETARCH
COPY --from=shared /shared /shared
RUN echo "for $TARGETARCH" > /program
FROM scratch
COPY --from=compiler /program /shared /
CMD ["/program"]
"""


def index_of(layout: Path) -> dict[str, Any]:
    """The image index that the one entry of a layout points at."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    index: dict[str, Any] = json.loads(blob(layout, entry["digest"]))
    return index


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()


def platforms(index: dict[str, Any]) -> list[str]:
    return [f"{entry['platform']['os']}/{entry['platform']['architecture']}" for entry in index["manifests"]]


def test_each_platform_is_built_and_what_they_share_runs_once(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    out, metadata = tmp_path / "out", tmp_path / "metadata.json"
    outcome = llbuild.build(
        *("--platform", BOTH, "-t", "x", "-o", f"type=oci,tar=false,dest={out}", "--metadata-file", metadata),
        context(CROSS),
    )
    assert len([step for step in outcome.steps if step.ran and "RUN echo shared" in step.name]) == 1
    assert len([step for step in outcome.steps if step.ran and 'RUN echo "for' in step.name]) == 2
    index = index_of(out)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert platforms(index) == BOTH.split(",")
    told = json.loads(metadata.read_text())
    assert told["containerimage.descriptor"]["mediaType"] == index["mediaType"]
    assert "containerimage.config.digest" not in told
    for entry in index["manifests"]:
        manifest = json.loads(blob(out, entry["digest"]))
        config = json.loads(blob(out, manifest["config"]["digest"]))
        assert config["architecture"] == entry["platform"]["architecture"]


def test_the_same_again_runs_nothing(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    first = llbuild.build("--platform", BOTH, "-t", "x", context(CROSS))
    names = llbuild.image_names()
    assert first.ran()
    assert not llbuild.build("--platform", BOTH, "-t", "x", context(CROSS)).ran()
    assert llbuild.image_names() == names


def test_files_come_in_a_folder_for_each_platform(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    out, tar = tmp_path / "out", tmp_path / "out.tar"
    llbuild.build("--platform", BOTH, "-o", f"type=local,dest={out}", "-o", f"type=tar,dest={tar}", context(CROSS))
    names = [platform.replace("/", "_") for platform in BOTH.split(",")]
    with tarfile.open(tar) as archive:
        members = archive.getnames()
    for name in names:
        program = f"for {name.removeprefix('linux_')}\n"
        assert (out / name / "program").read_text() == program
        assert f"{name}/program" in members
    split = tmp_path / "split"
    llbuild.build("-o", f"type=local,dest={split},platform-split=true", context(CROSS))
    assert (split / names[0] / "program").exists()


def test_run_and_from_choose_the_platform_they_need(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    shell = 'FROM busybox\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\nCMD ["sh", "-c", "ls /*"]\n'
    base = f"FROM --platform={HOST} busybox AS native\n" + shell.replace("FROM busybox", "FROM native")
    llbuild.build("--platform", f"{FOREIGN},{HOST}", "-t", "multi", context(base))
    assert f"/{HOST.partition('/')[2]}\n" in llbuild("run", "multi").stdout
    out = tmp_path / "out"
    llbuild.build("--platform", FOREIGN, "-o", out, context("FROM multi\n"))
    assert (out / FOREIGN.partition("/")[2]).exists()


def test_the_index_is_pushed_and_pulled(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/platforms/pushed:1"
    llbuild.build("--platform", BOTH, "--push", "-t", ref, "--annotation", "index:a=b", context(CROSS))
    skopeo = require_tool("skopeo")
    seen = json.loads(run_tool([skopeo, "inspect", "--raw", "--tls-verify=false", f"docker://{ref}"]))
    assert platforms(seen) == BOTH.split(",")
    assert seen["annotations"] == {"a": "b"}
    everything = ["copy", "--all", "--src-tls-verify=false", f"docker://{ref}", f"oci:{tmp_path / 'copy'}:x"]
    run_tool([skopeo, "--insecure-policy", *everything])
    other = Llbuild(root=tmp_path / "other")
    other.build("--platform", FOREIGN, "-o", tmp_path / "out", context(f"FROM {ref}\n"))
    assert (tmp_path / "out/program").read_text() == f"for {FOREIGN.partition('/')[2]}\n"


def test_an_annotation_can_be_for_one_platform(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    llbuild.build(
        *("--platform", BOTH, "-o", f"type=oci,tar=false,dest={out},annotation[{FOREIGN}].only=foreign"),
        context(CROSS),
    )
    notes = [json.loads(blob(out, entry["digest"])).get("annotations") for entry in index_of(out)["manifests"]]
    assert notes == [None, {"only": "foreign"}]
    outcome = llbuild.build("-o", f"type=oci,dest=-,annotation[{FOREIGN}].a=b", context(CROSS), exit_code=2)
    assert f"annotation 'a' is for {FOREIGN}, which is not built" in outcome.stderr


def test_an_archive_for_docker_holds_one_platform(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild.build("--platform", BOTH, "-o", "type=docker,dest=-", context(CROSS), exit_code=2)
    assert "what docker load takes holds one platform" in outcome.stderr


def test_a_step_that_would_need_an_emulator_says_so(
    bare_llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    rootfs = tmp_path / "rootfs"
    (rootfs / "bin").mkdir(parents=True)
    machine = {"s390x": 22, "riscv64": 243}[FOREIGN.partition("/")[2]]
    order = ">" if machine == 22 else "<"
    head = b"\x7fELF\x02" + (b"\x02" if order == ">" else b"\x01") + b"\x01" + bytes(9)
    (rootfs / "bin/sh").write_bytes(head + struct.pack(f"{order}HHI", 2, machine, 1) + bytes(100))
    (rootfs / "bin/sh").chmod(0o755)
    bare_llbuild("import", "--platform", FOREIGN, rootfs, "foreign")
    bare_llbuild.build("--platform", FOREIGN, "-t", "copied", context("FROM foreign\nCOPY Dockerfile /\nCMD x\n"))
    outcome = bare_llbuild.build("--platform", FOREIGN, context("FROM foreign\nRUN true\n"), exit_code=1)
    if "no emulator was found" not in outcome.stderr:
        pytest.skip("this machine has an emulator")
    assert f"cannot run programs for {FOREIGN}" in outcome.stderr
    assert "qemu-user-static" in outcome.stderr
