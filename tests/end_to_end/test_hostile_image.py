"""Images full of links to the machine: whatever a build does with their paths, it does inside of the image."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.worker.layer.tars import entry, folder, symlink, tar
from llbuild.worker.snapshotter import NAMES, try_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of this machine, with something to steal and to overwrite."""
    place = tmp_path / "outside"
    (place / "inner").mkdir(parents=True)
    (place / "secret").write_text("of this machine")
    return place


@pytest.fixture
def trapped(llbuild: Llbuild, busybox_rootfs: Path, outside: Path, tmp_path: Path) -> Llbuild:
    """With an image `trap` in which every folder that a build may name is a link to there."""
    target = str(outside)
    up = "../" * 20 + target.lstrip("/")
    names = ("out", "etc", "opt", "work", "cache", "mnt", "root", "home")
    links = [symlink(name, target if number % 2 else up) for number, name in enumerate(names)]
    links += [folder("run"), symlink("run/secrets", target), symlink("file", f"{target}/secret"), symlink("self", "/")]
    with tarfile.open(tmp_path / "trap.tar", "w") as archive:
        archive.add(busybox_rootfs / "bin", arcname="bin")
        with tarfile.open(fileobj=io.BytesIO(tar(*links))) as more:
            for member in more:
                archive.addfile(member)
    llbuild("import", tmp_path / "trap.tar", "trap")
    return llbuild


def told(place: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(place)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [place, *sorted(place.rglob("*"))]
    }


STEPS = {
    "COPY": "COPY f /out/f\nCOPY f /file\nCOPY f /self/self/out/g\n",
    "COPY of a folder": "COPY d /out\nCOPY d/ /etc/\nCOPY --link f /home/f\n",
    "ADD of an archive": "ADD a.tar /out/\nADD a.tar /\n",
    "WORKDIR": "WORKDIR /work\nRUN echo x > here && mkdir -p inner && echo y > inner/z\n",
    "RUN": "RUN echo x > /out/x; echo x > /file; rm -rf /out/* /etc/../etc/secret /opt/inner; true\n",
    "mounts": "RUN --mount=type=cache,target=/cache/c --mount=type=tmpfs,target=/mnt/deep/er"
    " --mount=type=bind,source=d,target=/opt/bound,rw --mount=type=secret,id=s,target=/run/secrets/s"
    " echo x > /cache/c/x && echo y > /opt/bound/y && test -s /run/secrets/s && echo t > /mnt/deep/er/t\n",
    "owners and modes": "COPY --chown=1:1 --chmod=700 d /root/\nRUN chmod 777 /out; chown 3:3 /out /file; true\n",
    "from the image": "FROM scratch\nCOPY --from=trap /out /stolen\n",
    "a file from the image": "FROM scratch\nCOPY --from=trap /file /etc/secret /\n",
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("snapshotter", NAMES)
def test_nothing_outside_is_touched_or_seen(
    trapped: Llbuild, outside: Path, context: Callable[..., Path], tmp_path: Path, step: str, snapshotter: str
) -> None:
    if snapshotter != NAMES[0] and "RUN" not in STEPS[step]:
        pytest.skip("nothing runs, so there is no snapshotter at work")
    if os.geteuid() == 0 and (failure := try_out(snapshotter, str(tmp_path))):
        pytest.skip(f"the snapshotter {snapshotter} does not work here: {failure}")
    before = told(outside)
    text = STEPS[step]
    folder_of_context = context(text if text.startswith("FROM") else f"FROM trap\n{text}", f="f")
    (folder_of_context / "d/inner").mkdir(parents=True)
    (folder_of_context / "d/inner/f").write_text("g")
    (folder_of_context / "a.tar").write_bytes(
        tar(entry("x", content=b"x"), symlink("l", str(outside)), entry("l/planted", content=b"x"), folder("out/inner"))
    )
    (tmp_path / "s").write_text("hush")
    flags = (
        "--snapshotter",
        snapshotter,
        "--secret",
        f"id=s,src={tmp_path / 's'}",
        "-o",
        f"type=local,dest={tmp_path / 'result'}",
    )
    fails = "from the image" in step
    ended = trapped("build", "--progress=plain", *flags, folder_of_context, exit_code=int(fails))
    assert told(outside) == before
    assert "Traceback" not in ended.stderr
    if fails:
        assert "link to nothing that is there" in ended.stderr
        return
    stolen = [
        str(path)
        for path in (tmp_path / "result").rglob("*")
        if path.is_file() and not path.is_symlink() and b"of this machine" in path.read_bytes()
    ]
    assert stolen == []
    assert os.readlink(tmp_path / "result/out").endswith(str(outside).lstrip("/"))


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
def test_a_link_where_the_kernel_s_filesystems_go_is_refused(
    llbuild: Llbuild, busybox_rootfs: Path, outside: Path, context: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    with tarfile.open(tmp_path / "trap.tar", "w") as archive:
        archive.add(busybox_rootfs / "bin", arcname="bin")
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
    llbuild("import", tmp_path / "trap.tar", "trap")
    before = told(outside)
    ended = llbuild("build", "--progress=plain", context("FROM trap\nRUN true\n"), exit_code=1)
    assert f"/{name} must be an ordinary folder in the image" in ended.stderr
    assert told(outside) == before


def test_exporting_over_links_that_were_planted_in_the_destination(
    llbuild: Llbuild, outside: Path, context: Callable[..., Path], tmp_path: Path
) -> None:
    """A second export into a folder that somebody else may write to."""
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "d").symlink_to(outside)
    (dest / "f").symlink_to(outside / "secret")
    before = told(outside)
    folder_of_context = context("FROM scratch\nCOPY d /d\nCOPY f /f\n", f="f")
    (folder_of_context / "d").mkdir()
    (folder_of_context / "d/g").write_text("g")
    done = llbuild("build", "-o", f"type=local,dest={dest}", folder_of_context)
    assert told(outside) == before, done.stderr
    assert (dest / "f").read_text() == "f"
    assert (dest / "d/g").read_text() == "g"
