"""How steps run, as the command line says: network, hosts, limits, rights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool
from llbuild.worker.executor import machine_address, missing_network, network_program
from llbuild.worker.executor.cgroupfiles import hierarchies_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llbuild.tests.end_to_end.driver import Llbuild

# Not the cgroup of whoever runs the tests, which what is left there would keep busy; nor that of tests beside these.
PARENT = f"llbuild-tests-{os.getpid()}"


@pytest.fixture
def cgroup_parent() -> Iterator[str]:
    found = hierarchies_here()
    missing = {"cpu", "memory", "pids"} - {name for hierarchy in found for name in hierarchy.controllers}
    if missing:
        pytest.skip(f"needs cgroup controllers: {', '.join(sorted(missing))}")
    yield f"/{PARENT}/inner"
    for hierarchy in found:
        for folder in (Path(hierarchy.mount) / PARENT / "inner", Path(hierarchy.mount) / PARENT):
            assert not folder.exists() or [path for path in folder.iterdir() if path.is_dir()] == []
            if folder.exists():
                folder.rmdir()


def test_steps_run_as_the_command_line_says(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(
        "FROM busybox\n"
        "RUN ip -o link | grep -c mtu; grep -c '10.0.0.1.one' /etc/hosts; grep -c '::1.six' /etc/hosts;"
        " ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -1 | awk '{print $2}'\n"
    )
    flags = (
        *("--network", "none", "--add-host", "one:10.0.0.1", "--add-host", "six=[::1]"),
        *("--ulimit", "nofile=100:200", "--shm-size", "8m"),
    )
    outcome = llbuild.build(*flags, folder)
    assert outcome.step("ip -o link").output.split() == [b"1", b"1", b"1", b"100", b"200", b"8192"]
    assert outcome.named("network of this machine") == []


def test_a_host_gateway_is_this_machine(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN grep gate /etc/hosts\n")
    outcome = llbuild.build("--add-host", "gate:host-gateway", folder)
    address = machine_address()
    assert outcome.step("grep").output == f"{address}\tgate\n".encode()
    outcome = llbuild.build("--add-host", "gate:host-gateway", "--network=host", folder)
    assert outcome.step("grep").output == b"127.0.0.1\tgate\n"


def test_a_step_has_a_network_that_is_not_the_machines(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    if not network_program():
        pytest.skip(missing_network())
    mine = os.readlink("/proc/self/ns/net").encode()
    folder = context("FROM busybox\nRUN readlink /proc/self/ns/net\nRUN --network=host readlink  /proc/self/ns/net\n")
    outcome = llbuild.build("--allow", "network.host", folder)
    first, second = (step.output.strip() for step in outcome.named("readlink"))
    if not outcome.named("network of this machine"):  # the program may find no way out of here
        assert first != mine
    assert second == mine


def test_where_there_is_only_the_machines_network_a_notice_says_so(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    """Once, and only where a step gets less of a wall than it would elsewhere."""
    unshare = require_tool("unshare")
    if os.geteuid() != 0:
        pytest.skip("needs the right to cover the device")
    llbuild.prefix = (unshare, "--mount", "/bin/sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh")
    outcome = llbuild.build(context("FROM busybox\nRUN readlink /proc/self/ns/net\nRUN true\n"))
    (notice,) = outcome.named("steps use the network of this machine")
    assert "there is no /dev/net/tun: load the module tun" in notice.name
    assert outcome.step("readlink").output.strip() == os.readlink("/proc/self/ns/net").encode()
    for flags in (("--network", "none"), ("--network", "host")):
        assert llbuild.build(*flags, "--no-cache", context("FROM busybox\nRUN true\n")).named("this machine") == []


def test_steps_may_make_the_calls_that_a_profile_permits(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    profile = tmp_path / "profile.json"
    rule = {"names": ["chmod", "fchmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    folder = context("FROM busybox\nRUN touch /x && ! chmod 700 /x\n")
    assert b"No space left" in llbuild.build("--security-opt", f"seccomp={profile}", folder).step("chmod").output
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmod"]}]}')
    failed = llbuild("build", "--no-cache", "--security-opt", f"seccomp={profile}", folder, exit_code=1)
    assert f"{profile}: syscalls[0]: action None is none of SCMP_ACT_ALLOW" in failed.stderr
    missing = llbuild("build", "--security-opt", "seccomp=/nowhere", folder, exit_code=2)
    assert "there is no such file" in missing.stderr


def test_rights_are_given_by_the_command_line_alone(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    insecure = context("FROM busybox\nRUN --security=insecure mount -t tmpfs none /mnt || mkdir /mnt\nRUN true\n")
    for arguments in ((), ("--allow", "network.host"), ("--network", "host")):
        outcome = llbuild.build(*arguments, insecure, exit_code=1)
        assert "the step wants to run without confinement" in outcome.stderr
        assert "hint: if you trust it, allow it with --allow security.insecure" in outcome.stderr
        assert outcome.ran() == []
    llbuild.build("--allow", "security.insecure", insecure)
    llbuild.build(insecure, exit_code=1)  # also where nothing would have to run
    host = context("FROM busybox\nRUN --network=host true\n")
    llbuild.build(host, exit_code=1)
    llbuild.build("--allow", "network.host", host)
    llbuild.build("--network", "host", context("FROM busybox\nRUN true\n"))


@pytest.mark.needs_root
def test_a_step_that_takes_more_memory_than_it_may_is_told_so(
    llbuild: Llbuild, context: Callable[..., Path], cgroup_parent: str
) -> None:
    folder = context("FROM busybox\nRUN echo fine\nRUN tail /dev/zero\n")
    flags = ("--resource", "memory=32m,cpus=0.9", "--resource", "pids=50", "--cgroup-parent", cgroup_parent)
    outcome = llbuild.build(*flags, folder, exit_code=1)
    assert outcome.step("echo fine").output == b"fine\n"
    assert "it used more memory than it may, 33554432 bytes, and was killed for it" in outcome.stderr
    assert "hint: raise the limit: --resource memory=BYTES" in outcome.stderr


@pytest.mark.needs_root
def test_a_step_that_forks_without_end_is_stopped(
    llbuild: Llbuild, context: Callable[..., Path], cgroup_parent: str
) -> None:
    folder = context("FROM busybox\nRUN bomb() { bomb & bomb; }; bomb\n")
    flags = ("--resource", "pids=20", "--cgroup-parent", cgroup_parent)
    outcome = llbuild.build(*flags, folder, exit_code=1)
    assert "it wanted more processes at once than it may have, 20" in outcome.stderr


@pytest.mark.needs_root
def test_limits_of_the_frontend_and_of_a_definition_count_too(
    llbuild: Llbuild, context: Callable[..., Path], cgroup_parent: str, tmp_path: Path
) -> None:
    folder = context("FROM busybox\nRUN tail /dev/zero\n")
    flags = ("--opt", "memory=33554432", "--opt", f"cgroup-parent={cgroup_parent}")
    assert "used more memory than it may" in llbuild.build(*flags, folder, exit_code=1).stderr
    llbuild("compile", "--format=buildkit", *flags, "-o", tmp_path / "definition", folder)
    solved = llbuild("solve", "--progress=rawjson", tmp_path / "definition", exit_code=1)
    assert "used more memory than it may" in solved.stderr


def test_parents_of_what_is_copied_are_kept(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(
        "FROM busybox\n"
        "COPY --parents ./x/a.txt ./x/./y/*.txt /one/\n"
        "COPY --parents --chmod=u=rwX,go= **/b.txt /two/\n"
        "RUN find /one /two -type f | sort && stat -c %a /two/x/y/b.txt\n"
    )
    (folder / "x/y").mkdir(parents=True)
    (folder / "x/a.txt").write_text("a")
    (folder / "x/y/b.txt").write_text("b")
    outcome = llbuild.build(folder)
    assert outcome.step("find").output.split() == [b"/one/x/a.txt", b"/one/y/b.txt", b"/two/x/y/b.txt", b"600"]
    (folder / "Dockerfile").write_text("FROM busybox\nCOPY --parents x/c.txt /\n")
    assert "'x/c.txt' not found" in llbuild.build(folder, exit_code=1).stderr
