"""A COPY that only the image needs: its layer is packed from the files themselves, and no folder is made for it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.oci import read_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

FILES = {"tree/file": "text\n", "tree/sub/other": "more\n"}
ONLY = "FROM scratch\nCOPY tree /tree\n"
# The parents of what is copied are in the base with times of their own, so that equal layers come out on two machines.
LAST = """
FROM busybox AS made
RUN mkdir -p /out/sub && echo made > /out/sub/made && ln -s sub/made /out/link && ln /out/sub/made /out/twin
FROM busybox
COPY --from=made --chown=7:8 --chmod=u=rwX,go= /out /out
CMD ["cat", "/out/sub/made"]
"""


def test_its_layer_is_a_blob_and_no_folder(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context(ONLY, **FILES)
    outcome = llbuild.build("-t", "only", "-o", f"type=oci,dest={tmp_path / 'only.tar'}", folder)
    assert outcome.step("COPY tree").ran
    assert list(llbuild.root.glob("snapshots/*/fs")) == []
    (layer,) = read_image(tmp_path / "only.tar").layers
    assert list(layer.members) == ["tree", "tree/file", "tree/sub", "tree/sub/other"]
    assert layer.read("tree/sub/other") == b"more\n"
    assert llbuild.build("-t", "only", folder).ran() == []


@pytest.mark.parametrize("dockerfile", [ONLY, LAST], ids=["of the context", "of a stage"])
def test_its_layer_is_what_is_packed_of_a_folder(
    llbuild: Llbuild, busybox_rootfs: Path, context: Callable[..., Path], tmp_path: Path, dockerfile: str
) -> None:
    folder = context(dockerfile, **FILES)
    told = []
    for name, more in (("packed", []), ("unpacked", ["-o", f"type=local,dest={tmp_path / 'files'}"])):
        machine = replace(llbuild, root=tmp_path / name)
        machine("import", busybox_rootfs, "busybox")
        machine.build("-o", f"type=oci,dest={tmp_path / name}.tar", *more, folder)
        layer = read_image(tmp_path / f"{name}.tar").layers[-1]
        told.append(
            [
                (path, member.type, member.mode, member.uid, member.gid, member.linkname, member.size)
                for path, member in layer.members.items()
            ]
        )
    assert told[0] == told[1]
    assert len(told[0]) == (4 if dockerfile == ONLY else 5)


def test_what_is_built_on_it_later_gets_its_files(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(LAST)
    llbuild.build("-t", "last", folder)
    assert llbuild("run", "last").stdout == "made\n"
    with (folder / "Dockerfile").open("a") as file:
        file.write("RUN stat -c '%h %u:%g %a' /out/twin /out/sub > /told\nCMD cat /told\n")
    again = llbuild.build("-t", "more", folder)
    assert again.ran() == [again.step("RUN stat").name]
    assert llbuild("run", "more").stdout == "2 7:8 600\n2 7:8 700\n"


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_without_its_blob_it_is_made_again(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, how: str
) -> None:
    folder = context(ONLY, **FILES)
    archive = tmp_path / "image.tar"
    llbuild.build("-o", f"type=oci,dest={archive}", folder)
    digest = read_image(archive).manifest["layers"][0]["digest"]
    blob = llbuild.root / "content/blobs/sha256" / digest.partition(":")[2]
    if how == "lost":
        blob.unlink()
    else:
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.chmod(0o644)
        blob.write_bytes(data)
    archive.unlink()
    again = llbuild.build("-o", f"type=oci,dest={archive}", folder)
    assert again.step("COPY tree").ran
    assert read_image(archive).manifest["layers"][0]["digest"] == digest
    llbuild("verify")


def test_one_that_is_the_layer_of_an_image_leaves_that_as_it_is(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    """Layers without a folder are called as those of images are: by what is in them."""
    folder = context(ONLY, **FILES)
    llbuild.build("-t", "base", folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "Dockerfile").write_text("FROM base\nCOPY --from=base /tree/file /copied\n")
    llbuild.build("-t", "on-base", other)
    assert llbuild.build("--no-cache", "-t", "base", folder).step("COPY tree").ran
    assert llbuild.build("-t", "on-base", other).ran() == []
    llbuild("verify")


def test_a_file_that_changes_meanwhile_ends_the_build(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    """One that is written to all the time: whatever its digest is, its content is another by the time it is packed."""
    folder = context("FROM busybox\nRUN --mount=type=bind,target=/c sleep 1\nCOPY log /log\n", log="1\n")
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.05):
            with (folder / "log").open("a") as file:
                file.write("more\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        outcome = llbuild.build("-t", "x", folder, exit_code=1)
    finally:
        done.set()
        writer.join()
    assert "changed while" in outcome.stderr
    assert len(llbuild.image_names()) == 1
