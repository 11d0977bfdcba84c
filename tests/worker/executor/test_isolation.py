"""What a process sees of the world, and what of the machine it does not."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import SandboxError
from llbuild.llb import HostIp, NetMode, Ulimit
from llbuild.tests.worker.executor.conftest import FAKED_IDS, ONE_ID, RUNTIME, of_machine, status_field
from llbuild.worker.executor import BindMount, OverlayMount, TmpfsMount

if TYPE_CHECKING:
    from llbuild.tests.worker.executor.conftest import Lab

DOCKER_DEFAULT = "00000000a80425fb"  # what `docker run --rm busybox grep Cap /proc/self/status` shows


@pytest.mark.needs_namespaces("processes are the machine's")
async def test_it_is_process_1_among_its_own(lab: Lab) -> None:
    outcome = await lab.run("echo $$; ps -o pid,comm; true")
    pid, header, *processes = outcome.lines
    assert (pid, header.split()) == ("1", ["PID", "COMMAND"])
    assert [line.split()[1] for line in processes] == ["sh", "ps"]


@pytest.mark.needs_namespaces("the hostname is the machine's")
async def test_its_name_is_buildkits_and_the_machine_keeps_its_own(lab: Lab) -> None:
    before = socket.gethostname()
    assert (await lab.run("hostname")).ok == "buildkitsandbox"
    assert (await lab.run("hostname", hostname="builder")).ok == "builder"
    assert socket.gethostname() == before


@pytest.mark.needs_namespaces("nothing is mounted but /proc, /sys and devices")
async def test_its_mounts_are_those_of_a_container_and_the_machine_has_none_of_them(lab: Lab, tmp_path: Path) -> None:
    outcome = await lab.run("cat /proc/mounts")
    kinds = {line.split()[1]: line.split()[2] for line in outcome.lines if not line.split()[1].startswith("/proc/")}
    expected = {"/": "overlay", "/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs", "/dev/pts": "devpts"}
    assert expected.items() <= kinds.items()
    assert kinds["/dev/shm"] == "tmpfs"
    assert kinds["/dev/mqueue"] == "mqueue"
    assert not [path for path in kinds if path.startswith(("/home", "/tmp", "/var", "/run", "/root"))]
    # Other programs may mount things meanwhile; none of what is mounted is ours.
    assert str(tmp_path) not in of_machine("/proc/self/mountinfo")


async def test_sys_cannot_be_written(lab: Lab) -> None:
    outcome = await lab.run("for dir in /sys /sys/fs/cgroup; do [ -d $dir ] && touch $dir/x; done")
    assert "File exists" not in outcome.stderr
    assert "Read-only" in outcome.stderr or "Permission denied" in outcome.stderr


@pytest.mark.needs_namespaces("/proc shows the machine's processes, and by them its folders to root")
async def test_the_folders_of_the_machine_are_out_of_reach(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    script = f"ls -d {tmp_path}; cd ..; ls -d ..{tmp_path}; ls -d /proc/1/root{tmp_path}; ls -d /proc/1/cwd{tmp_path}"
    outcome = await lab.run(script)
    assert outcome.stdout == ""
    assert outcome.stderr.count("No such file") == 4


@pytest.mark.needs_namespaces("two fewer: CAP_MKNOD, CAP_SYS_CHROOT")
async def test_the_default_capabilities_are_dockers(lab: Lab) -> None:
    outcome = await lab.run("grep -E '^(Cap|NoNewPrivs)' /proc/self/status")
    caps = dict(line.split() for line in outcome.lines)
    none = "0" * 16
    assert caps.pop("NoNewPrivs:") == "0"  # as BuildKit: sudo works in a RUN
    made = ~(1 << 27) if RUNTIME else -1  # CAP_MKNOD: with a runtime, nothing else keeps device nodes closed
    kept = f"{int(DOCKER_DEFAULT, 16) & int(status_field('CapPrm'), 16) & made:016x}"
    assert caps == {"CapInh:": none, "CapPrm:": kept, "CapEff:": kept, "CapBnd:": kept, "CapAmb:": none}


@pytest.mark.needs_root
async def test_another_user_has_no_capabilities_and_its_groups(lab: Lab) -> None:
    if ONE_ID:
        pytest.skip("needs a second user id")
    outcome = await lab.run("id; grep -E 'Cap(Prm|Eff|Amb)' /proc/self/status", uid=1000, gid=100, groups=(100, 27))
    user, *caps = outcome.lines
    assert user == "uid=1000 gid=100 groups=27,100"
    if not FAKED_IDS:  # whoever is only called so keeps what root of the step has
        assert {line.split()[1] for line in caps} == {"0" * 16}


@pytest.mark.needs_root
async def test_another_user_may_open_its_output_by_name(lab: Lab) -> None:
    if ONE_ID:
        pytest.skip("needs a second user id")
    assert (await lab.run("echo to stdout > /dev/stdout; echo > /dev/stderr", uid=1000)).ok == "to stdout"


async def test_an_insecure_step_keeps_what_llbuild_may_do_and_sees_everything(lab: Lab) -> None:
    outcome = await lab.run("grep CapEff /proc/self/status; grep -c ' /proc/' /proc/mounts", insecure=True)
    assert outcome.stdout.split() == ["CapEff:", status_field("CapPrm"), "0"]


@pytest.mark.needs_namespaces("/proc is the machine's")
async def test_what_tells_too_much_is_masked_or_read_only(lab: Lab) -> None:
    outcome = await lab.run("cat /proc/kcore /proc/keys /proc/timer_list; ls /sys/firmware /proc/acpi /proc/scsi")
    assert set(outcome.stdout.split()) <= {"/proc/acpi:", "/proc/scsi:", "/sys/firmware:"}
    outcome = await lab.run("echo x > /proc/sys/kernel/hostname; echo b > /proc/sysrq-trigger; touch /proc/irq/x")
    assert "Read-only file system" in outcome.stderr
    assert outcome.stdout == ""


@pytest.mark.needs_namespaces("there is no terminal device and no mqueue of its own")
async def test_the_devices_work(lab: Lab) -> None:
    script = """
        set -e
        echo lost > /dev/null
        head -c 4 /dev/zero | od -An -tx1
        head -c 8 /dev/urandom | wc -c
        head -c 8 /dev/random | wc -c
        echo piped | cat /dev/stdin /dev/fd/0
        if echo x > /dev/full; then exit 9; fi
        ls -l /dev/ptmx | grep -o 'pts/ptmx'
        [ -c /dev/pts/ptmx ] && [ -c /dev/tty ]
        echo shared > /dev/shm/x && cat /dev/shm/x
        ls -d /dev/mqueue
    """
    expected = ["00", "00", "00", "00", "8", "8", "piped", "pts/ptmx", "shared", "/dev/mqueue"]
    assert (await lab.run(script)).stdout.split() == expected


@pytest.mark.needs_namespaces("/dev/shm is an ordinary folder")
async def test_shared_memory_has_the_size_asked_for(lab: Lab) -> None:
    assert (await lab.run("df -k /dev/shm | tail -1", shm_size_bytes=8 << 20)).ok.split()[1] == "8192"


async def test_hosts_and_resolver_can_be_written_and_are_nobody_elses(lab: Lab) -> None:
    extra = (HostIp(host="db", ip="10.1.2.3"),)
    outcome = await lab.run("cat /etc/hosts; echo 1.2.3.4 x >> /etc/hosts; > /etc/resolv.conf", extra_hosts=extra)
    assert outcome.lines == [
        "127.0.0.1\tlocalhost buildkitsandbox",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "10.1.2.3\tdb",
    ]
    assert outcome.written() == []
    second = await lab.run("cat /etc/resolv.conf; grep -c 1.2.3.4 /etc/hosts")
    assert second.stdout.endswith("0\n")
    assert of_machine("/etc/resolv.conf").strip() in second.stdout


@pytest.mark.needs_namespaces("/sys shows the machine's devices")
async def test_without_network_there_is_only_loopback(lab: Lab) -> None:
    script = "ls /sys/class/net; ifconfig lo | grep -c 'UP LOOPBACK'; ping -c 1 127.0.0.1 >/dev/null && echo alive"
    assert (await lab.run(script, network=NetMode.NONE)).stdout.split() == ["lo", "1", "alive"]


async def test_the_machines_network_is_there_unless_refused(lab: Lab) -> None:
    mine = os.readlink("/proc/self/ns/net")
    for network in (NetMode.SANDBOX, NetMode.HOST):
        assert (await lab.run("readlink /proc/self/ns/net", network=network)).ok == mine
    assert (await lab.run("readlink /proc/self/ns/net", network=NetMode.NONE)).ok != mine


async def test_nothing_of_llbuilds_environment_or_files_is_inherited(lab: Lab) -> None:
    outcome = await lab.run("env | cut -d= -f1 | sort | xargs; ls /proc/self/fd | xargs; umask; ulimit -n")
    env, descriptors, umask, _ = outcome.lines
    assert set(env.split()) <= {"PATH", "PWD", "SHLVL", "OLDPWD"} | ({"HOME"} if RUNTIME else set())  # runtimes add it
    assert descriptors == "0 1 2 3"  # 3 is what ls reads the folder with
    assert umask == "0022"


async def test_signals_are_neither_ignored_nor_blocked(lab: Lab) -> None:
    outcome = await lab.run("exec grep -E 'Sig(Ign|Blk)' /proc/self/status")
    assert {line.split()[1] for line in outcome.lines} == {"0" * 16}


@pytest.mark.needs_namespaces("it is not process 1")
async def test_it_has_a_session_of_its_own(lab: Lab) -> None:
    assert (await lab.run("awk '{print $5, $6, $7}' /proc/1/stat")).ok == "1 1 0"  # group, session, no terminal


async def test_limits_are_llbuilds_own_unless_given(lab: Lab) -> None:
    outcome = await lab.run("ulimit -Sn; ulimit -Hn", ulimits=(Ulimit(name="nofile", soft=100, hard=200),))
    assert outcome.lines == ["100", "200"]


@pytest.mark.needs_namespaces("keys are the machine's")
async def test_the_machines_keys_are_not_there(lab: Lab) -> None:
    assert (await lab.run("wc -c < /proc/keys")).ok == "0"


@pytest.mark.needs_namespaces("the interpreter is not on a mount of its own")
async def test_the_running_python_cannot_be_overwritten_from_inside(lab: Lab) -> None:
    """CVE-2019-5736: the file a step's first process was before its exec must not be writable for anyone."""
    helper = lab.executor._helper
    assert helper is not None
    executable = os.open(f"/proc/{helper.pid}/exe", os.O_PATH)
    assert os.fstatvfs(executable).f_flag & os.ST_RDONLY
    os.close(executable)
    outcome = await lab.run_spec(lab.spec("", args=("/proc/self/exe", "-c", "print(1)")))
    assert not outcome.status.ok


@pytest.mark.needs_namespaces("it can make none: CAP_MKNOD is missing")
async def test_device_nodes_a_step_makes_do_not_work(lab: Lab, tmp_path: Path) -> None:
    """Docker's device cgroup would stop at most of them: the disks of the machine, say."""
    (tmp_path / "shared").mkdir()
    mounts = (
        BindMount(dest="/bound", source=str(tmp_path / "shared"), readonly=False),
        TmpfsMount(dest="/mem"),
        OverlayMount(dest="/layers", lowers=(lab.layer("x"),)),
    )
    script = """
        for folder in / /dev /dev/shm /tmp /bound /mem; do
            mknod $folder/zero5 c 1 5
            test "$(head -c 1 $folder/zero5 | wc -c)" = 0 || echo "$folder opened"
            rm -f $folder/zero5
        done
        ls /layers /bound; head -c 1 /dev/zero | wc -c
    """
    outcome = await lab.run(script, mounts=mounts)
    assert outcome.lines == ["/bound:", "", "/layers:", "x", "1"]


@pytest.mark.needs_namespaces("devices are the machine's, where they can be mounted")
async def test_changing_a_device_changes_nothing_outside(lab: Lab) -> None:
    before = os.stat("/dev/null")
    await lab.run("chmod 600 /dev/null; chown 1 /dev/null; rm -f /dev/null; touch -d @0 /dev/null")
    after = os.stat("/dev/null")
    assert (before.st_mode, before.st_uid, before.st_ino) == (after.st_mode, after.st_uid, after.st_ino)
    assert (await lab.run("stat -c %a /dev/null")).ok == "666"


@pytest.mark.needs_namespaces("/proc/1 is the machine's first process")
async def test_open_folders_of_the_first_process_lead_nowhere(lab: Lab, tmp_path: Path) -> None:
    """CVE-2024-21626: a working directory, or a command, named by a descriptor the runtime forgot to close."""
    (tmp_path / "planted").mkdir()
    layer = lab.layer("opt")
    for number in range(3, 40):
        (Path(layer) / f"fd{number}").symlink_to(f"/proc/self/fd/{number}")
    up = "/.." * 12
    for number in range(3, 40):
        for cwd in (f"/proc/self/fd/{number}", f"/fd{number}{up}", f"/fd{number}{up}{tmp_path}/planted/made"):
            with suppress(SandboxError):
                outcome = await lab.run(f"ls -d .{up}{tmp_path}", cwd=cwd, root=lab.root(layer))
                assert outcome.stdout == ""
        command = f"/proc/self/fd/{number}{up}/bin/ls"
        outcome = await lab.run_spec(lab.spec("", args=(command, f"/proc/self/fd/{number}{up}"), root=lab.root(layer)))
        assert outcome.status.code in (126, 127)
    assert list((tmp_path / "planted").iterdir()) == []
