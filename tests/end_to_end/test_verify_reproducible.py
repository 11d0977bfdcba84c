"""`llbuild verify-reproducible`: two builds from nothing, and what came out differently."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.reproducible.images import compare_images
from llbuild.cli.reproducible.report import render_comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from llbuild.tests.end_to_end.driver import Llbuild

UUID = "/proc/sys/kernel/random/uuid"
MODE = f'$(printf "6%02o" $((0x$(cut -c1-2 {UUID}) % 64)))'
STEPS = {
    "the time": ("cat /proc/uptime > /when", "/when", "content: "),
    "random bytes": ("head -c 64 /dev/urandom > /noise", "/noise", "content: 64 bytes, sha256:"),
    "modes": (f"mkdir /m; for i in $(seq 20); do touch /m/$i; chmod {MODE} /m/$i; done", "/m/", "mode: 06"),
    "names": (f"touch /file-$(cat {UUID})", "/file-", "only the "),
    "links": (f"ln -s $(cat {UUID}) /link", "/link", "target: "),
}


def test_equal_builds_are_told_with_what_was_compared(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nCOPY a /a\nRUN cat a > /b; cat /proc/uptime > /dev/null\nWORKDIR /w\n", a="a")
    before = llbuild.image_names()
    outcome = llbuild("verify-reproducible", folder, env={"SOURCE_DATE_EPOCH": "1600000000"})
    assert outcome.stdout.startswith("reproducible: sha256:")
    assert "with SOURCE_DATE_EPOCH=1600000000; equal are config and manifest of linux/" in outcome.stdout
    assert ", 4 layers, " in outcome.stdout
    assert "CACHED" not in outcome.stderr
    assert llbuild.image_names() == before
    assert not (llbuild.root / "reproducing").exists()


@pytest.mark.parametrize("kind", STEPS)
def test_the_first_difference_is_shown(llbuild: Llbuild, context: Callable[..., Path], kind: str) -> None:
    step, place, told = STEPS[kind]
    folder = context(f"FROM busybox\nRUN echo same > /same\nRUN {step}\n")
    lines = llbuild("verify-reproducible", folder, exit_code=1).stdout.splitlines()
    assert lines[0].startswith("not reproducible: sha256:")
    assert lines[1].startswith("first difference: layer 3 of 3 (linux/")
    assert f", {place}" in lines[1]
    assert lines[2].startswith("  made by RUN /bin/sh -c ")
    assert lines[3].startswith(f"  {told}")


def test_the_second_build_may_be_on_another_file_system(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == llbuild.root.stat().st_dev:
        pytest.skip("needs /dev/shm on a file system of its own")
    folder = context("FROM busybox\nRUN mkdir /d; for i in 8 3 5 1 9 2 7 6 4; do touch /d/$i; done; find /d > /order\n")
    with tempfile.TemporaryDirectory(dir=memory, prefix="llbuild-") as elsewhere:
        told = llbuild("verify-reproducible", "--elsewhere", elsewhere, folder, exit_code=1).stdout
        assert not os.listdir(elsewhere)
    assert "/order" in told.splitlines()[1]


def test_texts_are_shown_with_the_lines_that_differ(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(f"FROM busybox\nRUN (echo one; cat {UUID}; echo three) > /t\n")
    lines = llbuild("verify-reproducible", folder, exit_code=1).stdout.splitlines()
    shown = [line.strip() for line in lines[4:]]
    assert shown[0:4] == ["--- first", "+++ second", "@@ -1,3 +1,3 @@", "one"]
    assert [line[0] for line in shown[4:6]] == ["-", "+"]
    assert len(shown[4]) == 37


def test_programs_get_json_and_nothing_else(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(f"FROM busybox\nRUN cat {UUID} > /a; cat {UUID} > /b\n")
    outcome = llbuild("verify-reproducible", "--quiet", "--format", "json", folder, exit_code=1)
    found = json.loads(outcome.stdout)
    assert found["reproducible"] is False
    assert len(set(found["digests"])) == 2
    assert [(one["where"], one["layer"], one["path"], one["field"]) for one in found["differences"]] == [
        ("layer", 2, "a", "content"),
        ("layer", 2, "b", "content"),
    ]
    folder = context("FROM scratch\nCOPY Dockerfile /\n")
    found = json.loads(llbuild("verify-reproducible", "-q", "--format", "json", folder).stdout)
    assert (found["reproducible"], found["layers"], found["files"], found["differences"]) == (True, 1, 1, [])


def test_every_platform_is_compared(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    text = f"FROM --platform=$BUILDPLATFORM busybox AS a\nARG TARGETARCH\nRUN cat {UUID} > /$TARGETARCH\n"
    folder = context(f"{text}FROM scratch\nARG TARGETARCH\nCOPY --from=a /$TARGETARCH /x\n")
    flags = ["--platform", "linux/amd64,linux/arm64", "--format", "json"]
    found = json.loads(llbuild("verify-reproducible", *flags, folder, exit_code=1).stdout)
    assert {one["platform"] for one in found["differences"]} == {"linux/amd64", "linux/arm64"}
    (folder / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n")
    found = json.loads(llbuild("verify-reproducible", *flags, folder).stdout)
    assert found["platforms"] == ["linux/amd64", "linux/arm64"]


def test_a_build_that_fails_fails_the_command(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild("verify-reproducible", context("FROM busybox\nRUN false\n"), exit_code=1)
    assert "exited with code 1" in outcome.stderr
    assert "second build" not in outcome.stderr
    assert outcome.stdout == ""
    assert not (llbuild.root / "reproducing").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--push", "-t", "x"], "images are compared, and go nowhere"),
        (["-o", "type=local,dest=x"], "images are compared, and go nowhere"),
        (["-o", "type=oci,dest=a", "-o", "type=oci,dest=b"], "at most one -o"),
        (["--iidfile", "x"], "--iidfile makes no sense here"),
        (["--cache-from", "x"], "--cache-from makes no sense here"),
        (["-f", "-"], "stdin cannot be read twice"),
    ],
)
def test_what_makes_no_sense_is_refused(
    llbuild: Llbuild, context: Callable[..., Path], flags: list[str], told: str
) -> None:
    assert told in llbuild("verify-reproducible", *flags, context("FROM busybox\n"), exit_code=2).stderr


def test_an_output_says_how_images_are_written(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    spec = f"type=oci,dest={tmp_path / 'no'},compression=zstd,annotation.a=b"
    told = llbuild("verify-reproducible", "-o", spec, context("FROM busybox\nRUN echo > /a\n")).stdout
    assert told.startswith("reproducible: ")
    assert not (tmp_path / "no").exists()


def built(llbuild: Llbuild, folder: Path, dest: Path, *flags: str) -> Path:
    llbuild("build", "-q", *flags, "-o", f"type=oci,tar=false,dest={dest}", folder, env={"SOURCE_DATE_EPOCH": "1"})
    return dest


def test_documents_are_compared_field_by_field(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    text = "FROM busybox\nENV A=1 B={}\nLABEL l={}\nCMD [{}]\n"
    first = built(llbuild, context(text.format(1, 1, '"a"')), tmp_path / "1")
    second = built(llbuild, context(text.format(2, 1, '"a", "b"')), tmp_path / "2")
    found = compare_images(first, second)
    assert [(one.where, one.field) for one in found.differences] == [
        ("config", "config.Env[2]"),
        ("config", "config.Cmd"),
        ("config", "history[1].created_by"),
        ("config", "history[3].created_by"),
    ]
    told = render_comparison(found, "1")
    assert "first difference: config (linux/" in told
    assert "B=1 and B=2" in told


def test_one_layer_more_is_told(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    first = built(llbuild, context("FROM busybox\n"), tmp_path / "1")
    second = built(llbuild, context("FROM busybox\nRUN touch /a\n"), tmp_path / "2")
    told = render_comparison(compare_images(first, second), "1")
    assert "first difference: manifest (linux/" in told
    assert "layers: 1 and 2" in told


STATUS = "Package: tool\\nStatus: install ok installed\\nVersion: {}\\nArchitecture: all\\n"


def test_package_lists_are_compared(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    status = f"printf '{STATUS.format('1')}' > /var/lib/dpkg/status"
    folder = context(f"FROM busybox\nRUN mkdir -p /var/lib/dpkg; {status}\n")
    flags, env = ("--sbom=true", "--platform", "linux/amd64,linux/arm64"), {"SOURCE_DATE_EPOCH": "1600000000"}
    plain = llbuild("verify-reproducible", folder, env=env).stdout.splitlines()[0]
    one = llbuild("verify-reproducible", flags[0], folder, env=env).stdout.splitlines()[0]
    assert one.startswith("reproducible: sha256:")
    assert one != plain  # it was there to be compared
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    assert llbuild("verify-reproducible", *flags, folder, env=env).stdout.startswith("reproducible: sha256:")


def test_a_package_list_that_differs_is_shown_after_the_layer(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    status = f"printf '{STATUS.format('1.%s')}' $(cat {UUID}) > /var/lib/dpkg/status"
    folder = context(f"FROM busybox\nRUN mkdir -p /var/lib/dpkg\nRUN {status}\n")
    told = llbuild("verify-reproducible", "--sbom=true", "--format", "json", folder, exit_code=1).stdout
    places = [(found["where"], found["field"]) for found in json.loads(told)["differences"]]
    assert places[0] == ("layer", "content")
    assert ("attestation", "[0].predicate.packages[1].versionInfo") in places


def test_provenance_is_never_the_same_twice(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild("verify-reproducible", "--provenance=true", context("FROM busybox\n"), exit_code=2)
    assert "provenance tells when and where a build was" in outcome.stderr
