"""Steps for another architecture, run by an emulator that only the build's own kernel namespace knows."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.platforms import host_platform
from llbuild.tests.end_to_end.driver import Llbuild, as_user, processes_of
from llbuild.tests.ordinary import NOBODY, folder_of
from llbuild.tests.tools import ROOT
from llbuild.worker.emulators import find_emulator
from llbuild.worker.machine.system import kernel_version, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = str(host_platform())
ARCH, MACHINE = ("arm64", "aarch64") if host_platform().architecture != "arm64" else ("amd64", "x86_64")
FOREIGN = f"linux/{ARCH}"
DOCKERFILE = """
FROM base
RUN uname -m > /machine && sh -c 'sh -c "uname -m"' >> /machine && chown 7:8 /machine
RUN --mount=type=cache,target=/c touch /c/x && cat /machine && grep CapEff /proc/self/status
"""

pytestmark = pytest.mark.slow  # fetches a package the first time


@pytest.fixture(scope="module")
def foreign_rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_emulator(ARCH) is None:
        pytest.skip(f"needs a static qemu for {ARCH} (Debian package qemu-user-static)")
    if kernel_version(read_text("/proc/sys/kernel/osrelease")) < (6, 7):
        pytest.skip("needs Linux 6.7, or an emulator registered with binfmt_misc")
    folder = tmp_path_factory.mktemp("foreign") / "rootfs"
    made = subprocess.run(
        [str(ROOT / "scripts/busybox-rootfs"), str(folder), ARCH], capture_output=True, text=True, check=False
    )
    if made.returncode == 3:
        pytest.skip(made.stderr.strip().splitlines()[-1])
    assert made.returncode == 0, made.stderr
    return folder


def test_one_build_runs_steps_for_two_architectures(
    bare_llbuild: Llbuild, context: Callable[..., Path], busybox_rootfs: Path, foreign_rootfs: Path, tmp_path: Path
) -> None:
    bare_llbuild("import", "--platform", HOST, busybox_rootfs, "native")
    bare_llbuild("import", "--platform", FOREIGN, foreign_rootfs, "foreign")
    bases = f"ARG TARGETARCH\nFROM native AS base-{HOST[6:]}\nFROM foreign AS base-{ARCH}\nFROM base-$TARGETARCH"
    text = DOCKERFILE.replace("FROM base", bases)
    flags = ("--platform", f"{HOST},{FOREIGN}", "-o", tmp_path / "out")
    outcome = bare_llbuild.build(*flags, context(text))
    for step in outcome.named("cat /machine"):
        *machines, capabilities = step.output.decode().splitlines()
        assert capabilities.split()[1] == "00000000a80425fb"
        assert machines == [MACHINE] * 2 or MACHINE not in machines
    assert (tmp_path / f"out/linux_{ARCH}/machine").read_text() == f"{MACHINE}\n{MACHINE}\n"
    assert bare_llbuild.build(*flags, context(text)).ran() == []


def test_the_machine_itself_learns_of_no_emulator(
    bare_llbuild: Llbuild, context: Callable[..., Path], foreign_rootfs: Path
) -> None:
    before = sorted(path.name for path in Path("/proc/sys/fs/binfmt_misc").iterdir())
    bare_llbuild("import", "--platform", FOREIGN, foreign_rootfs, "base")
    bare_llbuild.build("--platform", FOREIGN, context("FROM base\nRUN uname -m\n"))
    assert sorted(path.name for path in Path("/proc/sys/fs/binfmt_misc").iterdir()) == before


def test_the_walls_of_an_emulated_step_are_the_same(
    bare_llbuild: Llbuild, context: Callable[..., Path], foreign_rootfs: Path
) -> None:
    bare_llbuild("import", "--platform", FOREIGN, foreign_rootfs, "base")
    tries = (
        "mount -t tmpfs none /mnt; mknod /d c 1 3; unshare -m true; hostname x; echo b > /proc/sysrq-trigger;"
        " ip link set lo down; ls /usr/bin/qemu*; kill -9 -1; true"
    )
    outcome = bare_llbuild.build("--platform", FOREIGN, context(f"FROM base\nRUN ({tries}) 2>&1; true\n"))
    said = outcome.step("mount").output.decode()
    assert said.count("ermitted") + said.count("denied") + said.count("Read-only") >= 5
    assert "No such file" in said


@pytest.fixture(params=["one", "ranges"])
def nobodys(request: pytest.FixtureRequest, foreign_rootfs: Path) -> Iterator[Llbuild]:
    folder = Path(tempfile.mkdtemp(prefix="llbuild-nobody-"))
    shutil.copytree(foreign_rootfs, folder / "rootfs", symlinks=True)
    llbuild = as_user(NOBODY, folder_of(folder), request.param)
    llbuild("import", "--platform", FOREIGN, folder / "rootfs", "base")
    (folder / "context").mkdir()
    yield llbuild
    assert not processes_of(llbuild.root)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.needs_root  # to become somebody else
def test_an_ordinary_user_runs_them_too(nobodys: Llbuild) -> None:
    folder = nobodys.root.parent / "context"
    (folder / "Dockerfile").write_text("FROM base\nRUN uname -m && sh -c 'uname -m'\n")
    outcome = nobodys.build("--platform", FOREIGN, folder)
    assert outcome.step("uname").output.split() == [MACHINE.encode()] * 2
