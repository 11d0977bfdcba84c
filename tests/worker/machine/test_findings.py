"""What is concluded from what the kernel says; and that this machine, where the tests run, is found fit for builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.worker.executor.cgroupfiles import hierarchies
from llbuild.worker.machine import Level, find_all
from llbuild.worker.machine.cgroups import cgroup_finding
from llbuild.worker.machine.confinement import fakes_ids, seccomp_finding
from llbuild.worker.machine.programs import binfmt_platforms
from llbuild.worker.machine.storage import filesystem_of, find_snapshotter, find_state_folder
from llbuild.worker.machine.system import kernel_version
from llbuild.worker.userns import probe_namespaces

if TYPE_CHECKING:
    from pathlib import Path

EMULATOR = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: {}\noffset 0\nmagic 7f454c46\n"
MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:26 / /var rw - xfs /dev/sdb rw
31 30 0:27 / /var/lib/with\\040space rw - btrfs /dev/sdc rw
32 22 0:28 / /var rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("release", "want"),
    [("6.18.44-fc", (6, 18)), ("5.4", (5, 4)), ("6.1-rc2", (6, 1)), ("7", (7, 0)), ("x.y", (0, 0))],
)
def test_the_kernels_version_is_its_first_two_numbers(release: str, want: tuple[int, int]) -> None:
    assert kernel_version(release) == want


@pytest.mark.parametrize(
    ("actions", "machine", "level", "said"),
    [
        ("kill_process errno trace log allow\n", "x86_64", Level.GOOD, "x86_64 and x86"),
        ("", "x86_64", Level.BROKEN, "not in this kernel"),
        ("errno allow", "sparc64", Level.BROKEN, "no profile for sparc64"),
    ],
)
def test_a_filter_needs_the_kernel_and_a_profile(actions: str, machine: str, level: Level, said: str) -> None:
    found = seccomp_finding(actions, machine)
    assert found.level is level
    assert said in found.value
    assert ("seccomp=unconfined" in found.hint) == (level is Level.BROKEN)


def test_ids_are_made_up_where_the_kernel_lets_calls_be_answered() -> None:
    assert fakes_ids("x86_64", "kill_process errno user_notif allow\n")
    assert fakes_ids("riscv64", "user_notif")
    assert not fakes_ids("x86_64", "kill_process errno allow\n")
    assert not fakes_ids("s390x", "user_notif")


def test_emulators_count_when_they_are_enabled_and_work_in_any_root() -> None:
    entries = {
        "qemu-aarch64": EMULATOR.format("OCF"),
        "qemu-arm": EMULATOR.format("OC"),
        "qemu-riscv64": EMULATOR.format("F").replace("enabled", "disabled"),
        "qemu-hexagon": EMULATOR.format("F"),
        "qemu-s390x-static": EMULATOR.format("POCF"),
    }
    assert binfmt_platforms(entries) == ["linux/arm64", "linux/s390x"]


@pytest.mark.parametrize(
    ("path", "want"),
    [("/etc", "ext4"), ("/var/lib", "tmpfs"), ("/various", "ext4"), ("/var/lib/with space/x", "btrfs")],
)
def test_a_path_is_on_the_filesystem_mounted_nearest_above_it(path: str, want: str) -> None:
    assert filesystem_of(path, MOUNTS) == want


def test_cgroups_of_version_2_are_used_as_far_as_they_are_ours(tmp_path: Path) -> None:
    own = tmp_path / "user"
    own.mkdir()
    (own / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    mount = f"30 22 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw,nsdelegate\n"
    assert cgroup_finding(hierarchies(mount, "0::/user\n")).value == "version 2; writable: cpu, memory, pids"
    (own / "cgroup.controllers").write_text("cpu\n")
    limited = cgroup_finding(hierarchies(mount, "0::/user\n"))
    assert (limited.level, limited.value) == (Level.LIMITED, "version 2; writable: cpu")
    assert "Delegate" in limited.hint


def test_cgroups_of_version_1_are_found_beside_version_2(tmp_path: Path) -> None:
    for name in ("memory/job", "pids", "unified"):
        (tmp_path / name).mkdir(parents=True)
    mounts = "".join(
        f"3{number} 22 0:2{number} {root} {tmp_path}/{name} rw - {kind} {kind} {options}\n"
        for number, (name, kind, options, root) in enumerate(
            [
                ("memory", "cgroup", "rw,memory", "/"),
                ("pids", "cgroup", "rw,pids", "/inside"),
                ("unified", "cgroup2", "rw", "/"),
            ]
        )
    )
    found = cgroup_finding(hierarchies(mounts, "4:pids:/inside\n3:memory:/job\n0::/\n"))
    assert found.value == "version 1 and 2 (hybrid); writable: memory, pids"


def test_without_cgroups_it_says_what_they_would_be_for() -> None:
    found = cgroup_finding(hierarchies(MOUNTS, ""))
    assert (found.level, found.value) == (Level.MISSING, "none mounted")


def test_a_state_folder_that_does_not_exist_is_looked_for_above(tmp_path: Path) -> None:
    found = find_state_folder(str(tmp_path / "a/b"))
    assert found.value.startswith(f"{tmp_path}/a/b (not made yet); ")
    assert list(tmp_path.iterdir()) == []
    assert "(not made yet)" not in find_state_folder(str(tmp_path)).value


def test_layers_can_be_mounted_where_tests_run_and_the_trial_leaves_nothing(tmp_path: Path) -> None:
    if probe_namespaces() is not None:
        pytest.skip("needs the right to mount")
    found = find_snapshotter(str(tmp_path))
    assert found.level is Level.GOOD, found
    assert list(tmp_path.iterdir()) == []


def test_each_thing_is_told_once_and_what_lacks_has_a_hint(tmp_path: Path) -> None:
    findings = find_all(str(tmp_path))
    names = [finding.name for finding in findings]
    assert len(names) == len(set(names))
    assert all(finding.value for finding in findings)
    assert [finding.name for finding in findings if finding.level is not Level.GOOD and not finding.hint] == []
