"""What each instruction costs: the example of seven instructions, and the same work in one RUN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

MIB = 1024 * 1024
EXAMPLES = ROOT / "examples/layers"


def test_each_instruction_stores_what_it_changed(llbuild: Llbuild, tmp_path: Path) -> None:
    archive = tmp_path / "seven.tar"
    llbuild.build("-o", f"type=oci,dest={archive}", EXAMPLES / "seven")
    image = read_image(archive)
    assert [layer.content_bytes for layer in image.layers[1:]] == [0, MIB, MIB, MIB, 2 * MIB, 0]
    removal = image.layer_of("rm /data/one")
    assert removal is not None
    assert removal.members.keys() - {"data"} == {"data/.wh.one"}
    assert image.layer_of("CMD") is None
    assert image.config["config"]["Cmd"] == ["ls", "-alh", "/data"]


def test_one_run_stores_only_what_is_left_at_its_end(llbuild: Llbuild, tmp_path: Path) -> None:
    archive = tmp_path / "one.tar"
    llbuild.build("-o", f"type=oci,dest={archive}", EXAMPLES / "one")
    base, only = read_image(archive).layers
    assert "bin/busybox" in base.members
    assert set(only.members) == {"data", "data/two"}
    assert only.content_bytes == MIB


def test_both_forms_leave_the_same_files(llbuild: Llbuild) -> None:
    for name in ("seven", "one"):
        llbuild.build("-t", name, EXAMPLES / name)
    listings = [llbuild("run", name, "find", "/data", "-type", "f").stdout for name in ("seven", "one")]
    assert listings == ["/data/two\n", "/data/two\n"]
    assert "1.0M" in llbuild("run", "seven").stdout  # its CMD: ls -alh /data


def test_history_shows_instructions_newest_first_with_their_sizes(llbuild: Llbuild) -> None:
    llbuild.build("-t", "seven", EXAMPLES / "seven")
    lines = llbuild("history", "seven").stdout.splitlines()
    assert {"CREATED", "BY", "SIZE", "COMMENT"} <= set(lines[0].split())
    told = [line for line in lines[1:] if "buildkit.dockerfile.v0" in line]
    marks = ["CMD", "rm /data/one", "chmod -R", "of=/data/two", "chmod -R", "of=/data/one", "mkdir /data"]
    assert len(told) == len(marks)
    for line, size in zip(told, ["0B", "0B", "2.1MB", "1.05MB", "1.05MB", "1.05MB", "0B"], strict=True):
        assert f" {size} " in line
    whole = (
        llbuild("history", "--no-trunc", "seven").stdout if "--no-trunc" in llbuild("history", "--help").stdout else ""
    )
    for mark in marks if whole else ():
        assert mark in whole
