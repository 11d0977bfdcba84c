"""The same build by each snapshotter: the same image, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.end_to_end.driver import processes_of
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import require_tool
from llbuild.worker.snapshotter import NAMES, try_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

# What overlays are known to get wrong: deletions, folders made anew, links across a copy-up, modes, times, attributes.
DOCKERFILE = r"""
FROM busybox AS base
RUN mkdir -p /d/sub /keep /ren && echo old > /d/file && echo 1 > /d/sub/x && ln /d/file /d/hard \
 && echo k > /keep/k && echo r > /ren/r && chmod 2750 /keep && ln -s file /d/link && mkfifo /d/fifo \
 && echo same | tee /same /linked && touch -d @1000000000 /same /keep/k && mkdir -p /opaque/in && echo o > /opaque/o
FROM base AS other
RUN echo other > /from-other && mkdir /of && echo f > /of/f
FROM base
RUN rm /d/file && rm -r /d/sub && echo new > /d/new && chmod 4755 /keep/k && rm -rf /opaque && mkdir /opaque \
 && echo again > /opaque/o && mv /ren/r /moved && ln /linked /linked2 && echo other > /d/hard
RUN rm -r /ren && echo file > /ren && rm /d/link && mkdir /d/link && touch /d/link/in
RUN --mount=from=other,target=/mnt --mount=from=other,source=/of,target=/rw,rw --mount=type=cache,target=/c \
    --mount=type=tmpfs,target=/made/tmp \
    cat /mnt/from-other > /seen && cat /rw/f >> /seen && echo no > /rw/g && echo c > /c/x
RUN touch -d @1000000000 /same && echo same > /same && touch -d @1000000000 /same
RUN true
COPY --from=other /from-other /copied/
RUN cat /copied/from-other /seen > /last && test ! -e /made && test ! -e /rw && test ! -e /opaque/in
"""


OPAQUE = "opaque/.wh..wh..opq"


@pytest.fixture(params=NAMES)
def snapshotter(request: pytest.FixtureRequest, state_root: Path) -> str:
    name = str(request.param)
    if name == "fuse-overlayfs":
        require_tool(name)
    state_root.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and (failure := try_out(name, str(state_root))):
        pytest.skip(f"the snapshotter {name} does not work here: {failure}")
    return name


def told(archive: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in a root filesystem, but for when folders and files were made."""
    with tarfile.open(archive) as tar:
        members = {member.name.removeprefix("./"): member for member in tar}
        return {
            name: (
                *(member.type, member.mode, member.uid, member.gid, member.linkname),
                tar.extractfile(member).read() if member.isreg() else b"",  # type: ignore[union-attr]
                member.mtime if name in {"same", "keep/k"} else 0,
            )
            for name, member in members.items()
        }


def test_all_of_them_make_the_same_files(
    llbuild: Llbuild, context: Callable[..., Path], snapshotter: str, tmp_path: Path
) -> None:
    folder = context(DOCKERFILE)
    llbuild.build("--snapshotter", snapshotter, "-o", f"type=tar,dest={tmp_path / 'out.tar'}", folder)
    files = told(tmp_path / "out.tar")
    (tmp_path / "out.tar").unlink()
    assert files["last"][5] == b"other\nother\nf\n"
    assert files["d/hard"][5] == b"other\n"
    assert files["keep/k"][1] & 0o7777 == 0o4755
    assert files["keep"][1] & 0o7777 == 0o2750
    assert {"d/file", "d/sub", "ren/r", "opaque/in", "rw", "mnt", "made"}.isdisjoint(files)
    if snapshotter != NAMES[0]:
        llbuild.build("--no-cache", "--snapshotter", NAMES[0], "-o", f"type=tar,dest={tmp_path / 'out.tar'}", folder)
        assert files == told(tmp_path / "out.tar")


def test_layers_hold_what_changed_and_no_more(
    llbuild: Llbuild, context: Callable[..., Path], snapshotter: str, tmp_path: Path
) -> None:
    folder = context(DOCKERFILE)
    llbuild.build("--snapshotter", snapshotter, "-o", f"type=oci,dest={tmp_path / 'image.tar'}", folder)
    image = read_image(tmp_path / "image.tar")
    first, second, third, fourth, nothing, copied, last = (set(layer.members) for layer in image.layers[-7:])
    assert {"d/.wh.file", "d/.wh.sub", "d/new", "d/hard", "moved", "linked", "linked2", "keep/k", "opaque/o"} <= first
    assert "d/link" not in first
    assert "d/fifo" not in first
    assert OPAQUE in first or "opaque/.wh.in" in first
    assert {"ren", "d/link/in"} <= second
    assert third == {"seen"}
    assert fourth <= {"same"}  # written, but as it was: who compares sees no difference
    assert nothing == set()
    assert copied == {"copied", "copied/from-other"}
    assert last == {"last"}
    marks = {name for layer in image.layers for name in layer.members if "/.wh.." in name}
    assert marks <= {OPAQUE, "d/link/.wh..wh..opq"}


def test_nothing_is_left_after_a_build_be_it_a_failed_one(
    llbuild: Llbuild, context: Callable[..., Path], snapshotter: str
) -> None:
    ended = llbuild(
        "build", "--snapshotter", snapshotter, context("FROM busybox\nRUN echo a > /a\nRUN false\n"), exit_code=1
    )
    assert "exited with code 1" in ended.stderr
    llbuild.build("--snapshotter", snapshotter, context("FROM busybox\nRUN echo a > /a && mkdir /b\n"))
    assert [name for name in os.listdir(llbuild.root / "snapshots") if name.startswith("tmp-")] == []
    assert [name for name in os.listdir(llbuild.root) if "trial" in name] == []
    assert not processes_of(llbuild.root)
    for layer in (llbuild.root / "snapshots").iterdir():
        assert set(os.listdir(layer)) <= {"fs", "implied"}, layer


def test_a_command_in_an_image_runs_on_each(llbuild: Llbuild, snapshotter: str) -> None:
    command = "echo x > /etc/x && rm /bin/vi && cat /etc/x"
    assert llbuild("run", "--snapshotter", snapshotter, "busybox", "sh", "-c", command).stdout == "x\n"
    assert llbuild("run", "--snapshotter", snapshotter, "busybox", "ls", "/bin/vi").stdout == "/bin/vi\n"


def test_fifty_layers_of_a_chain_are_seen_by_the_last(
    llbuild: Llbuild, context: Callable[..., Path], snapshotter: str
) -> None:
    steps = "".join(f"RUN echo {number} > /f{number} && rm -f /f{number - 2}\n" for number in range(50))
    llbuild.build("--snapshotter", snapshotter, "-t", "chain", context(f"FROM busybox\n{steps}"))
    assert llbuild("run", "chain", "sh", "-c", "ls /f*").stdout.split() == ["/f48", "/f49"]


def test_the_config_file_names_one_and_the_flag_beats_it(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text('[build]\nsnapshotter = "native"\n')
    env = {"LLBUILD_CONFIG": str(tmp_path / "config.toml")}
    probe = "FROM busybox\nRUN grep ' / / ' /proc/self/mountinfo > /kind; grep -c overlay /proc/self/mountinfo; true\n"
    said = llbuild("build", "--progress=plain", context(probe), env=env).stderr
    assert " 0\n" in said
    said = llbuild(
        "build", "--no-cache", "--progress=plain", "--snapshotter", "overlay", context(probe), env=env
    ).stderr
    assert " 1\n" in said


def test_one_that_does_not_exist_is_refused(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    ended = llbuild("build", "--snapshotter", "overly", context("FROM scratch\n"), exit_code=2)
    assert "unknown snapshotter 'overly' (did you mean 'overlay'?)" in ended.stderr


def test_a_program_that_is_missing_is_named(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "git").symlink_to(shutil.which("git") or "/usr/bin/git")
    ended = llbuild(
        *("build", "--snapshotter", "fuse-overlayfs", context("FROM busybox\nRUN true\n")),
        env={"PATH": str(bare)},
        exit_code=1,
    )
    assert "fuse-overlayfs is not installed" in ended.stderr
    assert "--snapshotter native" in ended.stderr
