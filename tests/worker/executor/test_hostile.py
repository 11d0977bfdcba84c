"""Steps that try to get out, to see too much, to harm the machine or to stay. docs/security.md lists the outcomes.

What others prove is not repeated: masked files, devices, descriptors and links in test_isolation.py, mount points in
test_mounts.py, system calls in test_seccomp.py, daemons and cancelling in test_process.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.worker.executor.conftest import FAKED_IDS, IN_USERNS, ONE_ID, of_machine
from llbuild.worker.executor import BindMount, CgroupSpec, TmpfsMount
from llbuild.worker.machine import Level
from llbuild.worker.machine.cgroups import find_cgroups

if TYPE_CHECKING:
    from llbuild.tests.worker.executor.conftest import Lab

MAY_LIMIT = find_cgroups().level is Level.GOOD

pytestmark = pytest.mark.needs_namespaces("there is no wall here that would hold")


async def test_nothing_can_be_mounted_unmounted_or_made_writable(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    mounts = (BindMount(dest="/shared", source=str(tmp_path / "shared")),)
    script = """
        mkdir /m
        mount -t tmpfs none /m
        mount -t proc proc /m
        mount --bind / /m
        mount -o remount,rw,bind /shared
        mount -o remount,rw /sys
        umount /proc/sysrq-trigger
        umount -l /proc/kcore
        pivot_root / /m
        touch /shared/x
        sort /proc/mounts > /tmp/after
        cat /tmp/after
    """
    before = (await lab.run("mkdir -p /tmp; sort /proc/mounts", mounts=mounts)).lines
    outcome = await lab.run(f"mkdir -p /tmp; {script}", mounts=mounts)
    kinds = [sorted(line.split()[1:3] for line in lines) for lines in (before, outcome.lines)]
    assert kinds[0] == kinds[1]
    assert outcome.stderr.count("not permitted") + outcome.stderr.count("denied") >= 8
    assert "touch: /shared/x: Read-only file system" in outcome.stderr
    assert list((tmp_path / "shared").iterdir()) == []


async def test_a_namespace_of_its_own_gives_no_power_back(lab: Lab) -> None:
    outcome = await lab.run("unshare -r -m /bin/true; echo $?; unshare -n /bin/true; echo $?; nsenter -t 1 -m true")
    assert outcome.stdout.split() == ["1", "1"]
    assert outcome.stderr.count("not permitted") == 3


async def test_the_classic_way_out_of_a_chroot_ends_at_the_steps_own_root(lab: Lab) -> None:
    script = """
top = os.open("/", os.O_RDONLY)
os.mkdir("/jail")
os.chroot("/jail")
os.fchdir(top)
for _ in range(40):
    os.chdir("..")
os.chroot(".")
print(os.path.isdir("/jail"), os.path.exists("/bin/busybox"), os.stat("/").st_ino == os.fstat(top).st_ino)
"""
    assert (await lab.python(script)).lines == ["True True True"]


async def test_no_process_outside_can_be_seen_signalled_or_traced(lab: Lab) -> None:
    script = """
print(os.getppid(), [name for name in os.listdir("/proc") if name.isdigit()])
seen = set()
for pid in range(2, 4000):
    try:
        os.kill(pid, 0)
        seen.add("signalled")
    except ProcessLookupError:
        pass
    seen.add(call(101, 16, pid, 0, 0) if os.uname().machine == "x86_64" else "ESRCH")  # PTRACE_ATTACH
    try:
        os.pidfd_open(pid)
        seen.add("opened")
    except ProcessLookupError:
        pass
print(seen)
"""
    assert (await lab.python(script)).lines == ["0 ['1']", "{'ESRCH'}"]


async def test_killing_everything_kills_only_the_step_itself(lab: Lab) -> None:
    outcome = await lab.run("sleep 100 & kill -9 -1; kill -9 0; kill -9 1; echo still here")
    assert outcome.status.code in (0, 137)
    assert (await lab.run("echo next")).ok == "next"


async def test_the_environment_and_the_memory_of_llbuild_are_not_there(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLBUILD_TEST_TOKEN", "hunter2hunter2")
    script = """
found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "auxv", "maps", "stack", "wchan"):
        try:
            found.append(open(f"/proc/{pid}/{name}", "rb").read())
        except OSError:
            pass
text = b"".join(found)
words = (b"2retnuh", b"DLIUBLL", b"xobdnas-dliubll")  # backwards, since this script is an argument itself
print(*(word[::-1] in text for word in words))
"""
    assert (await lab.python(script)).lines == ["False False False"]


async def test_settings_of_the_machine_cannot_be_changed(lab: Lab) -> None:
    before = {name: of_machine(f"/proc/sys/{name}") for name in ("kernel/core_pattern", "vm/overcommit_memory")}
    script = """
        for file in kernel/core_pattern kernel/hostname kernel/modprobe vm/overcommit_memory fs/file-max; do
            echo "|/bin/sh" > /proc/sys/$file && echo "$file changed"
        done
        echo 1 > /sys/kernel/mm/transparent_hugepage/enabled && echo sys changed
        echo b > /proc/sysrq-trigger && echo sysrq
        hostname other && echo named
        date -s 2001-01-01 > /dev/null
        date +%Y | grep 2001
        dmesg -c && echo read
        true
    """
    assert (await lab.run(script)).ok == ""
    assert before == {name: of_machine(f"/proc/sys/{name}") for name in before}


async def test_priorities_and_limits_above_llbuilds_own_are_refused(lab: Lab) -> None:
    outcome = await lab.run("nice -n -10 true && echo faster; ulimit -Hn 100000000 && echo more; true")
    assert outcome.stdout == ""


async def test_a_root_that_is_full_of_traps_is_only_a_root(lab: Lab, tmp_path: Path) -> None:
    """Links where the sandbox itself reads and writes: none is followed to the machine."""
    outside = tmp_path / "outside"
    outside.mkdir()
    layer = Path(lab.layer("bin"))
    (layer / "etc").symlink_to(outside)
    (layer / "tmp").symlink_to("/proc/1/root")
    (layer / "run").symlink_to(f"../../../../../..{outside}")
    mounts = (TmpfsMount(dest="/run/secrets/x"), TmpfsMount(dest="/tmp/y"))
    outcome = await lab.run("ls -d /etc/hosts; readlink /etc", root=lab.root(str(layer)), mounts=mounts)
    assert list(outside.iterdir()) == []
    assert outcome.lines == ["/etc/hosts", str(outside)]


@pytest.mark.parametrize("count", [3, 4])
async def test_what_a_step_leaves_open_or_running_does_not_hold_up_its_end(lab: Lab, count: int) -> None:
    script = f"""
        trap '' TERM HUP INT
        for n in $(seq {count}); do
            (trap '' TERM HUP INT; setsid sleep 1000 < /dev/null & ) &
        done
        mkfifo /fifo; (cat /fifo > /dev/null &) ; echo done
    """
    assert (await lab.run(script)).ok == "done"


async def test_the_kernels_keys_and_messages_of_others_are_out_of_reach(lab: Lab) -> None:
    outcome = await lab.run("cat /proc/keys /proc/key-users | wc -c; ipcs -q 2>/dev/null | grep -c 0x; ls /dev/shm")
    keys, queues, *shared = outcome.stdout.split()
    assert (queues, shared) == ("0", [])
    assert int(keys) < 200  # the count of its own keys, at most


@pytest.mark.needs_root
async def test_a_set_user_id_program_gains_no_more_than_docker_gives(lab: Lab) -> None:
    """Root inside, by whatever way, has the capabilities of the bounding set and no more."""
    if ONE_ID or FAKED_IDS:
        pytest.skip("needs a second user id")
    grep = Path(lab.layer("own")) / "own/grep"
    grep.write_bytes((lab.rootfs / "bin/busybox").read_bytes())
    grep.chmod(0o4755)
    root = lab.root(str(grep.parents[1]))
    outcome = await lab.run("/own/grep CapEff /proc/self/status", uid=1000, gid=1000, root=root)
    assert int(outcome.ok.split()[1], 16) & ~0xA80425FB == 0


@pytest.mark.needs_root
async def test_a_fork_bomb_ends_at_the_limit_of_processes_and_nothing_of_it_is_left(lab: Lab) -> None:
    if IN_USERNS or not MAY_LIMIT:
        pytest.skip("needs cgroups that may be written (llbuild info)")
    script = """
import time
def bomb():
    while True:
        try:
            if os.fork() == 0:
                continue
        except BlockingIOError:
            return
bomb()
if os.getpid() == 1:
    print(sum(name.isdigit() for name in os.listdir("/proc")) <= 40, flush=True)
else:
    time.sleep(1000)
"""
    outcome = await lab.python(script, cgroup=CgroupSpec(pids=40))
    assert outcome.lines == ["True"]
    assert outcome.status.forks_refused > 0
    assert (await lab.run("echo next")).ok == "next"
