"""Users and owners inside a step. Where there is one id, the keeper of ids answers for them, else the kernel.

Nearly all of it must come out the same: run as root, with ranges and with one id (test_unprivileged.py).
"""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.blocking import run_blocking
from llbuild.tests.worker.executor.conftest import FAKED_IDS, IN_USERNS, RUNTIME
from llbuild.worker.layer import Compression, pack_layer
from llbuild.worker.owners import OwnerTable, recall

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.tests.worker.executor.conftest import Lab

pytestmark = [
    pytest.mark.sandbox_only("a runtime sets up its filters itself"),
    pytest.mark.skipif(os.geteuid() != 0, reason="runs in a user namespace here: see test_unprivileged.py"),
]


async def owners(upper: Path) -> dict[str, tuple[int, int]]:
    """Of everything in a layer, as its tar would say."""
    return await run_blocking(_packed_owners, upper)


def _packed_owners(upper: Path) -> dict[str, tuple[int, int]]:
    data = io.BytesIO()
    pack_layer(str(upper), data.write, Compression.NONE)
    data.seek(0)
    with tarfile.open(fileobj=data) as tar:
        return {member.name: (member.uid, member.gid) for member in tar}


@pytest.mark.needs_namespaces("what a step wrote is no layer before the snapshotter makes one")
async def test_owners_are_changed_seen_and_kept(lab: Lab) -> None:
    script = """
        touch a b && mkdir d && ln -s a l && mkfifo p && ln b hard
        chown 33:34 a; chown 1000 d; chgrp 5 b; chown -h 6:7 l; chown 8:9 p; chown 11:34 l
        stat -c '%n %u:%g' a b d hard l p; stat -L -c '%u:%g' l
        chown 0:0 p; stat -c '%u:%g' p
    """
    outcome = await lab.run(script, cwd="/w")
    assert outcome.lines == [
        *("a 11:34", "b 0:5", "d 1000:0", "hard 0:5", "l 6:7", "p 8:9"),
        *("11:34", "0:0"),
    ]
    got = await owners(outcome.upper)
    assert {name.removeprefix("w/"): got[name] for name in got if name != "w"} == {
        "a": (11, 34),
        "b": (0, 5),
        "hard": (0, 5),
        "d": (1000, 0),
        "l": (6, 7),
        "p": (0, 0),
    }


async def test_owners_of_lower_layers_are_seen_and_copied_up(lab: Lab) -> None:
    first = await lab.run("mkdir /d && touch /d/f /d/g && ln -s f /d/l && chown -R 5:6 /d && chown -h 5:6 /d/l")
    root = lab.root(str(first.upper))
    outcome = await lab.run(
        "stat -c '%n %u:%g' /d /d/f /d/l; echo x >> /d/f; chmod 700 /d/g; stat -c %u:%g /d/f; chown -h 7:8 /d/l;"
        " stat -c %u:%g /d/l; mv /d/l /d/m; stat -c %u:%g /d/m",
        root=root,
    )
    assert outcome.lines == ["/d 5:6", "/d/f 5:6", "/d/l 5:6", "5:6", "7:8", "7:8"]
    got = await owners(outcome.upper)
    assert {name: got[name] for name in ("d", "d/f", "d/g", "d/m")} == {
        "d": (5, 6),
        "d/f": (5, 6),
        "d/g": (5, 6),
        "d/m": (7, 8),
    }


async def test_set_id_bits_go_with_the_owner(lab: Lab) -> None:
    outcome = await lab.run(
        "touch f; chmod 6755 f; chown 5:5 f; stat -c %a f; chmod 4755 f; stat -c '%a %u' f", cwd="/w"
    )
    assert outcome.lines == ["755", "4755 5"]


async def test_a_user_is_who_the_step_says(lab: Lab) -> None:
    outcome = await lab.run("id; id -G; touch /tmp/mine; stat -c %u:%g /tmp/mine", uid=1000, gid=100, groups=(100, 27))
    assert outcome.lines == ["uid=1000 gid=100 groups=27,100", "100 27", "1000:100"]
    assert (await owners(outcome.upper))["tmp/mine"] == (1000, 100)


async def test_root_has_no_groups_of_whoever_runs_llbuild(lab: Lab) -> None:
    assert (await lab.run("id -G")).lines == ["0"]


CHANGES = """
def ids():
    return os.getresuid(), os.getresgid(), os.getgroups()
def refused(change, *args):
    try:
        change(*args)
    except PermissionError:
        return True
    return False
os.setgroups([7, 5])
os.setresgid(100, 100, 100)
os.seteuid(1000)
print(ids(), refused(os.setuid, 5), refused(os.setgroups, []), refused(os.chown, "/tmp", 0, 0), flush=True)
os.seteuid(0)
child = os.fork()
if child == 0:
    os.setuid(1000)
    print(ids(), refused(os.setuid, 0), refused(os.seteuid, 0), refused(os.setreuid, 0, 0), flush=True)
    grandchild = os.fork()
    if grandchild == 0:
        os.execv("/bin/id", ["id", "-u"])
    os.waitpid(grandchild, 0)
    os._exit(0)
os.waitpid(child, 0)
print(ids(), flush=True)
os.setreuid(5, 6)
print(os.getresuid())
"""


async def test_ids_change_by_the_rules_and_pass_on_to_children(lab: Lab) -> None:
    outcome = await lab.python(CHANGES)
    assert outcome.lines == [
        "((0, 1000, 0), (100, 100, 100), [5, 7]) True True True",
        "((1000, 1000, 1000), (100, 100, 100), [5, 7]) True True True",
        "1000",
        "((0, 0, 0), (100, 100, 100), [5, 7])",
        "(5, 6, 6)",
    ]


async def test_files_belong_to_whoever_makes_them(lab: Lab) -> None:
    script = """
import stat
os.mkdir("/s"); os.chown("/s", 0, 50); os.chmod("/s", 0o2777)
os.mkdir("/t", 0o777); os.chmod("/t", 0o777)
open("/s/root", "w").close()
os.setgid(100); os.setuid(1000)
open("/t/plain", "w").close()
os.close(os.open("/t/new", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640))
os.mkdir("/t/folder")
os.symlink("x", "/t/link")
os.mkfifo("/t/fifo")
open("/s/plain", "w").close()
os.mkdir("/s/folder")
with open("/t/plain", "r+") as file:
    file.write("x")
for name in ("/s/root", "/t/plain", "/t/new", "/t/folder", "/t/link", "/t/fifo", "/s/plain", "/s/folder"):
    found = os.lstat(name)
    print(name, found.st_uid, found.st_gid, oct(stat.S_IMODE(found.st_mode)))
"""
    outcome = await lab.python(script)
    assert outcome.lines == [
        "/s/root 0 50 0o644",
        "/t/plain 1000 100 0o644",
        "/t/new 1000 100 0o640",
        "/t/folder 1000 100 0o755",
        "/t/link 1000 100 0o777",
        "/t/fifo 1000 100 0o644",
        "/s/plain 1000 50 0o644",
        "/s/folder 1000 50 0o2755",
    ]
    got = await owners(outcome.upper)
    assert (got["t/link"], got["t/fifo"], got["t/folder"], got["s/root"]) == (
        *((1000, 100), (1000, 100), (1000, 100), (0, 50)),
    )


async def test_copies_keep_owners(lab: Lab) -> None:
    script = "mkdir -p a/b; ln -s x a/l; chown 5:6 a/b; chown -h 7:8 a/l; cp -a a c; stat -c %u:%g c/b c/l"
    assert (await lab.run(script, cwd="/w")).lines == ["5:6", "7:8"]


async def test_a_link_that_takes_the_number_of_another_has_an_owner_of_its_own(lab: Lab) -> None:
    script = "ln -s x l; chown -h 5:6 l; rm l; for n in 1 2 3 4; do ln -s y$n m$n; done; stat -c %u:%g m1 m2 m3 m4"
    outcome = await lab.run(script, cwd="/w")
    assert outcome.lines == ["0:0"] * 4
    assert {owner for name, owner in (await owners(outcome.upper)).items() if name.startswith("w/")} == {(0, 0)}


async def test_a_path_means_what_it_means_after_chroot(lab: Lab) -> None:
    script = """
os.makedirs("/jail/in"); open("/jail/in/f", "w").close(); os.makedirs("/in"); open("/in/f", "w").close()
if os.fork() == 0:
    os.chroot("/jail"); os.chdir("/")
    os.symlink("/in/f", "/in/l")
    os.chown("/in/l", 5, 6)
    print(os.stat("/in/f").st_uid, os.stat("../../in/f").st_uid, flush=True)
    os._exit(0)
os.wait()
print(os.stat("/in/f").st_uid, os.stat("/jail/in/f").st_uid)
"""
    assert (await lab.python(script)).lines == ["5 5", "0 5"]


async def test_a_user_namespace_within_has_its_own_ids_and_mounts(lab: Lab) -> None:
    script = """
import ctypes
os.makedirs("/m"); open("/m/f", "w").close(); os.chown("/m/f", 5, 6)
if os.fork() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x00020000) == 0  # CLONE_NEWNS
    assert libc.mount(b"none", b"/", None, 1 << 14 | 1 << 18, None) == 0  # MS_REC | MS_PRIVATE
    assert libc.mount(b"none", b"/m", b"tmpfs", 0, None) == 0
    open("/m/f", "w").close(); os.chown("/m/f", 0, 7)
    print(os.stat("/m/f").st_gid in (0, 7), flush=True)  # in memory, owners are remembered since Linux 6.6
    assert libc.unshare(0x10000000) == 0  # CLONE_NEWUSER
    print(os.getuid(), flush=True)
    os._exit(0)
os.wait()
print(os.stat("/m/f").st_uid, os.stat("/m/f").st_gid)
"""
    assert (await lab.python(script, insecure=True)).lines == ["True", "65534", "5 6"]


async def test_threads_and_many_processes_at_once(lab: Lab) -> None:
    script = """
import concurrent.futures
os.mkdir("/w")
children = []
for uid in range(1, 9):
    child = os.fork()
    if child == 0:
        for n in range(50):
            path = f"/w/{uid}.{n}"
            open(path, "w").close(); os.chown(path, uid, uid)
        os.setuid(uid)
        os._exit(0 if os.getuid() == uid and os.stat(f"/w/{uid}.49").st_uid == uid else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(set(pool.map(lambda n: os.stat(f"/w/{n % 8 + 1}.{n % 50}").st_uid == n % 8 + 1, range(400))))
"""
    outcome = await lab.python(script)
    assert outcome.lines == ["[0, 0, 0, 0, 0, 0, 0, 0]", "{True}"]
    got = await owners(outcome.upper)
    assert all(got[f"w/{uid}.{n}"] == (uid, uid) for uid in range(1, 9) for n in range(50))


async def test_a_set_user_id_program_makes_its_owner(lab: Lab) -> None:
    script = """
import shutil, sys
shutil.copy(sys.executable, "/python"); os.chown("/python", 7, 8); os.chmod("/python", 0o6755)
program = "import os; print(os.getresuid(), os.getresgid()); os.setuid(os.getuid()); print(os.getresuid())"
os.setgid(100); os.setuid(1000)
os.execv("/python", ["/python", "-I", "-c", program])
"""
    assert (await lab.python(script)).lines == ["(1000, 7, 7) (100, 8, 8)", "(1000, 1000, 7)"]


async def test_calls_with_nonsense_fail_as_they_do_for_the_kernel(lab: Lab) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers below are those of x86-64")
    script = """
print(call(92, 0, 1, 1), call(92, b"", 1, 1), call(92, b"/nothing", 1, 1), call(92, b"/" + b"x" * 5000, 1, 1))
print(call(93, 77, 1, 1), call(260, 77, b"x", 1, 1, 0), call(4, b"/", 1), call(105, -1), call(116, 70000, 0))
print(call(118, 1, 1, 1), call(83, 0, 0o755), call(133, b"/tmp", 0o100644, 0))
"""
    assert [line.split() for line in (await lab.python(script)).lines] == [
        ["EFAULT", "ENOENT", "ENOENT", "ENAMETOOLONG"],
        ["EBADF", "EBADF", "EFAULT", "EINVAL", "EINVAL"],
        ["EFAULT", "EFAULT", "EEXIST"],
    ]


@pytest.mark.skipif(not FAKED_IDS, reason="where there are devices, they are real ones")
async def test_device_nodes_are_remembered_for_the_layer(lab: Lab) -> None:
    outcome = await lab.run(
        "mknod -m 640 /sda b 8 0; chown 0:6 /sda; ls -ln /sda; test -b /sda; rm -f /x; mknod /x c 1 3"
    )
    assert outcome.ok.split()[:6] == ["brw-r-----", "1", "0", "6", "8,", "0"]
    assert recall(str(outcome.upper / "sda")) is not None
    assert (await owners(outcome.upper))["sda"] == (0, 6)


@pytest.mark.skipif(not FAKED_IDS, reason="the kernel knows these ids")
async def test_what_is_remembered_costs_a_step_nothing_that_does_not_need_it(lab: Lab) -> None:
    outcome = await lab.run("mkdir /d; echo x > /d/f; ln -s f /d/l; chown 0:0 /d/f; cat /d/f")
    assert recall(str(outcome.upper / "d")) is recall(str(outcome.upper / "d/f")) is None
    assert not (outcome.upper.parent / "owners").exists()
    assert OwnerTable(str(outcome.upper)).owners == {}


@pytest.mark.skipif(not FAKED_IDS, reason="there is nobody to fool")
async def test_nothing_outside_the_root_is_reached_by_way_of_the_keeper(lab: Lab, tmp_path: Path) -> None:
    """It has files of the machine open, and sees the helper's processes: neither has a name for the step."""
    (tmp_path / "outside").write_text("x")
    script = f"""
for path in ("self/fd/3", "/proc/self/fd/150", "/proc/1/cwd/../..{tmp_path}/outside", "../../../..{tmp_path}/outside",
             "1/root/etc", "2/cwd", "/self/fd/4", "thread-self/fd/3"):
    for dir_fd in (None, os.open("/", os.O_RDONLY)):
        try:
            os.chown(path, 5, 5, dir_fd=dir_fd)
            print("changed", path)
        except OSError as exc:
            pass
for fd in range(3, 200):
    try:
        os.fchown(fd, 5, 5)
    except OSError:
        pass
print([name for name in os.listdir("/proc") if name.isdigit()])
os.kill(-1, 9)
"""
    outcome = await lab.python(script)
    assert outcome.stdout.splitlines()[-1:] == ["['1']"]
    assert "changed" not in outcome.stdout
    assert recall(str(tmp_path / "outside")) is None
    assert (await lab.run("id -u", uid=5)).ok == "5"


@pytest.mark.skipif(IN_USERNS or RUNTIME is not None, reason="for root only")
async def test_as_root_nobody_answers_but_the_kernel(lab: Lab) -> None:
    outcome = await lab.run("chown 5:6 /etc; cat /proc/self/timerslack_ns; true")
    assert (outcome.upper / "etc").stat().st_uid == 5
    assert recall(str(outcome.upper / "etc")) is None
