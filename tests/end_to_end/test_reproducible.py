"""The same bytes from different machines: other state folders, other times, files that came in another order."""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.end_to_end.oci import read_image

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = 1_600_000_000
CREATED = "2020-09-13T12:26:40Z"
# `clock` stands for the machine's: what the step writes is as old as that file says.
DOCKERFILE = """
FROM base
COPY tree /tree
RUN --mount=target=/src mkdir /made && echo x > /made/file && touch -r /src/clock /made/file && ln -s file /made/link
WORKDIR /work
RUN --mount=target=/src rm /tree/b && touch -h -r /src/clock /tree
LABEL a=b
"""


@pytest.fixture
def base(llbuild: Llbuild, tmp_path: Path) -> Path:
    """One base image for all machines."""
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\n")
    layout = tmp_path / "base"
    llbuild.build("-o", f"type=oci,tar=false,dest={layout}", folder)
    return layout


def machine(tmp_path: Path, name: str, names: str, age: int) -> tuple[Llbuild, Path]:
    """The program and a context, whose files were made in this order and are `age` seconds younger than the epoch."""
    folder = tmp_path / name / "context"
    (folder / "tree").mkdir(parents=True)
    for file in names:
        (folder / "tree" / file).write_text(file)
    (folder / "clock").write_text("")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (EPOCH + age, EPOCH + age))
    return Llbuild(root=tmp_path / name / "state", environment={"SOURCE_DATE_EPOCH": str(EPOCH)}), folder


def test_two_machines_make_the_same_image(base: Path, tmp_path: Path) -> None:
    archives = []
    for name, order, age in (("one", "abcd", 100), ("two", "dbca", 90_000)):
        program, context = machine(tmp_path, name, order, age)
        out = tmp_path / f"{name}.tar"
        program.build(
            *("--build-context", f"base=oci-layout://{base}", "-t", "x"),
            *("-o", f"type=oci,dest={out},rewrite-timestamp=true"),
            context,
        )
        archives.append(out)
    image = read_image(archives[0])
    assert image.digest == read_image(archives[1]).digest
    assert archives[0].read_bytes() == archives[1].read_bytes()
    new = image.layers[1:]
    assert max(info.mtime for layer in new for info in layer.members.values()) == EPOCH
    assert image.config["created"] == CREATED
    assert {entry["created"] for entry in image.history[1:]} == {CREATED}


def test_the_base_images_layers_stay_what_they_are(base: Path, tmp_path: Path) -> None:
    program, context = machine(tmp_path, "one", "ab", 100)
    out = tmp_path / "out"
    program.build(
        *("--build-context", f"base=oci-layout://{base}"),
        *("-o", f"type=oci,tar=false,dest={out},rewrite-timestamp=true"),
        context,
    )
    pulled, made = read_image(base), read_image(out)
    assert made.manifest["layers"][0]["digest"] == pulled.manifest["layers"][0]["digest"]
    assert made.history[0] == pulled.history[0]


def test_rewriting_again_packs_nothing(base: Path, tmp_path: Path) -> None:
    program, context = machine(tmp_path, "one", "ab", 100)
    command = ["--build-context", f"base=oci-layout://{base}", "-o"]
    program.build(*command, f"type=oci,tar=false,dest={tmp_path / 'first'},rewrite-timestamp=true", context)
    blobs = {path: path.stat().st_ino for path in (program.root / "content/blobs/sha256").iterdir()}
    again = f"type=oci,tar=false,dest={tmp_path / 'again'},rewrite-timestamp=true"
    assert not program.build(*command, again, context).ran()
    assert {path: path.stat().st_ino for path in (program.root / "content/blobs/sha256").iterdir()} == blobs
    assert read_image(tmp_path / "first").digest == read_image(tmp_path / "again").digest


def test_exported_files_are_as_old_as_the_epoch_says(base: Path, tmp_path: Path) -> None:
    program, context = machine(tmp_path, "one", "ab", 100)
    folder, tar = tmp_path / "files", tmp_path / "files.tar"
    program.build(
        *("--build-context", f"base=oci-layout://{base}", "-o", f"type=local,dest={folder}"),
        *("-o", f"type=tar,dest={tar}"),
        context,
    )
    with tarfile.open(tar) as archive:
        assert {member.mtime for member in archive} == {EPOCH}
    assert {path.lstat().st_mtime for path in (folder / "made").iterdir()} == {EPOCH}


def test_there_must_be_a_time_to_rewrite_to(llbuild: Llbuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\n")
    outcome = llbuild.build("-o", "type=oci,rewrite-timestamp=true", tmp_path, exit_code=2)
    assert "set SOURCE_DATE_EPOCH" in outcome.stderr
