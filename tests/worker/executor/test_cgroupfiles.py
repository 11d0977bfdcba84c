"""What the kernel tells of cgroups, and what is written into them: texts of several machines."""

from __future__ import annotations

import pytest
from llbuild.llb import LinuxResources
from llbuild.worker.executor import CgroupSpec
from llbuild.worker.executor.cgroupfiles import Hierarchy, hierarchies, settings_v1, settings_v2

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /nowhere/unified rw - cgroup2 cgroup2 rw
"""
HYBRID_CGROUPS = "9:name=systemd:/x\n4:memory:/docker/abc/inner\n3:freezer:/\n1:cpu,cpuacct:/a b\n0::/session\n"


def test_hierarchies_of_both_versions_are_found_beside_each_other() -> None:
    assert hierarchies(HYBRID, HYBRID_CGROUPS) == [
        Hierarchy(
            mount="/sys/fs/cgroup/cpu,cpuacct",
            own="/sys/fs/cgroup/cpu,cpuacct/a b",
            controllers=frozenset({"cpu", "cpuacct"}),
        ),
        Hierarchy(mount="/sys/fs/cgroup/memory", own="/sys/fs/cgroup/memory/inner", controllers=frozenset({"memory"})),
        Hierarchy(
            mount="/nowhere/unified",
            own="/nowhere/unified/session",
            controllers=frozenset(),
            unified=True,
        ),
    ]


def test_a_cgroup_outside_of_what_is_mounted_is_not_looked_for_elsewhere() -> None:
    line = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    (found,) = hierarchies(line, "4:memory:/other\n")
    assert found.own == "/sys/fs/cgroup/memory"


@pytest.mark.parametrize(
    ("spec", "version_2", "version_1"),
    [
        (CgroupSpec(), {}, {}),
        (CgroupSpec(parent="/x"), {}, {}),
        (CgroupSpec(pids=7), {"pids.max": "7"}, {"pids.max": "7"}),
        (
            CgroupSpec(resources=LinuxResources(memory=64, memory_swap=100)),
            {"memory.max": "64", "memory.swap.max": "36"},
            {"memory.limit_in_bytes": "64", "memory.memsw.limit_in_bytes": "100"},
        ),
        (
            CgroupSpec(resources=LinuxResources(memory=64, memory_swap=-1)),
            {"memory.max": "64", "memory.swap.max": "max"},
            {"memory.limit_in_bytes": "64", "memory.memsw.limit_in_bytes": "-1"},
        ),
        (
            CgroupSpec(resources=LinuxResources(cpu_quota=50_000)),
            {"cpu.max": "50000 100000"},
            {"cpu.cfs_quota_us": "50000"},
        ),
        (
            CgroupSpec(resources=LinuxResources(cpu_quota=50_000, cpu_period=200_000, cpu_shares=1024)),
            {"cpu.weight": "39", "cpu.max": "50000 200000"},
            {"cpu.shares": "1024", "cpu.cfs_period_us": "200000", "cpu.cfs_quota_us": "50000"},
        ),
        (
            CgroupSpec(resources=LinuxResources(cpu_shares=1, cpuset_cpus="0-1", cpuset_mems="0")),
            {"cpu.weight": "1", "cpuset.cpus": "0-1", "cpuset.mems": "0"},
            {"cpu.shares": "1", "cpuset.cpus": "0-1", "cpuset.mems": "0"},
        ),
    ],
)
def test_limits_are_written_as_each_version_wants_them(
    spec: CgroupSpec, version_2: dict[str, str], version_1: dict[str, str]
) -> None:
    assert settings_v2(spec) == version_2
    assert settings_v1(spec) == version_1
