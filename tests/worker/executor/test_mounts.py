"""The root and what is mounted into it: what a process can write, and what its layer then holds."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.blocking import run_blocking
from llbuild.errors import SandboxError
from llbuild.tests.worker.executor.conftest import ONE_ID, tree
from llbuild.values import replace
from llbuild.worker.executor import BindMount, OverlayMount, RootMount, SecretMount, TmpfsMount

if TYPE_CHECKING:
    from llbuild.tests.worker.executor.conftest import Lab

ROOT = Path(__file__).resolve().parents[3]


async def test_the_layer_holds_what_was_written_and_nothing_else(lab: Lab) -> None:
    outcome = await lab.run("mkdir -p /data/deep; echo x > /data/deep/file; rm /bin/true; rm -r /bin/nothere")
    assert outcome.written() == ["-bin/true", "bin/", "data/", "data/deep/", "data/deep/file"]
    assert (await lab.run(":; exit 0")).written() == []


@pytest.mark.needs_namespaces("roots are copies")
async def test_a_process_that_writes_nothing_leaves_an_empty_layer_even_on_scratch(lab: Lab) -> None:
    layer = lab.layer(busybox="")
    (Path(layer) / "busybox").write_bytes((lab.rootfs / "bin/busybox").read_bytes())
    (Path(layer) / "busybox").chmod(0o755)
    fresh = lab.root()
    root = RootMount(lowers=(layer,), upper=fresh.upper, work=fresh.work)
    outcome = await lab.run_spec(lab.spec("", args=("/busybox", "ls", "-a", "/"), root=root))
    assert outcome.lines == [".", "..", "busybox", "dev", "etc", "proc", "sys"]
    assert outcome.written() == []


@pytest.mark.needs_namespaces("what a step wrote is no layer before the snapshotter makes one")
async def test_upper_layers_win_and_deletions_count(lab: Lab) -> None:
    first = await lab.run("mkdir /d; echo 1 > /d/a; echo 1 > /d/b")
    second = await lab.run("echo 2 > /d/a; rm /d/b; ls /d", root=lab.root(str(first.upper)))
    assert second.ok == "a"
    third = await lab.run("cat /d/*", root=lab.root(str(first.upper), str(second.upper)))
    assert third.ok == "2"


async def test_three_hundred_layers_are_mounted(lab: Lab) -> None:
    layers = [lab.layer(**{f"layers__{number}": "", "top": str(number)}) for number in range(300)]
    outcome = await lab.run("ls /layers | wc -l; cat /top", root=lab.root(*layers))
    assert outcome.lines == ["300", "299"]


@pytest.mark.needs_namespaces("roots are copies")
async def test_folders_with_long_and_odd_names_are_mounted(lab: Lab) -> None:
    folder = lab.base / ("x" * 200) / ("y" * 200) / r"back\slash,comma:colon"
    for name in ("lower/found", "upper", "work"):
        (folder / name).mkdir(parents=True)
    root = RootMount(lowers=(str(lab.rootfs), f"{folder}/lower"), upper=f"{folder}/upper", work=f"{folder}/work")
    outcome = await lab.run("ls -d /found && touch /written", root=root)
    assert outcome.ok == "/found"
    assert tree(folder / "upper") == ["written"]


@pytest.mark.needs_namespaces("roots are copies")
async def test_a_layer_that_is_gone_is_a_clear_error(lab: Lab) -> None:
    with pytest.raises(SandboxError, match="cannot mount 3 layers: .*nowhere"):
        await lab.run("true", root=lab.root("/nowhere"))


@pytest.mark.needs_namespaces("refused: nothing keeps a copy from being written")
async def test_a_read_only_root_cannot_be_written(lab: Lab) -> None:
    for root in (replace(lab.root(), readonly=True), RootMount(lowers=(str(lab.rootfs),))):
        outcome = await lab.run("touch /x; echo fine > /dev/shm/x; echo fine > /etc/hosts", root=root)
        assert outcome.stderr == "touch: /x: Read-only file system\n"


@pytest.mark.needs_namespaces("what is bound is a copy, and may be written in vain")
async def test_a_folder_is_bound_read_only_or_writable(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "in").write_text("here")
    mounts = (
        BindMount(dest="/ro", source=str(folder)),
        BindMount(dest="/rw", source=str(folder), readonly=False),
    )
    outcome = await lab.run("cat /ro/in; echo back > /rw/out; touch /ro/x", mounts=mounts)
    assert (outcome.stdout, outcome.stderr) == ("here", "touch: /ro/x: Read-only file system\n")
    assert (folder / "out").read_text() == "back\n"
    assert outcome.written() == []


async def test_a_file_is_bound_and_its_mount_point_vanishes(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    mounts = (BindMount(dest="/run/secrets/token", source=str(tmp_path / "token")),)
    outcome = await lab.run("cat /run/secrets/token", mounts=mounts)
    assert outcome.ok == "s3cret"
    assert outcome.written() == []


@pytest.mark.needs_namespaces("refused: they would be written to the disk")
async def test_secrets_are_files_in_memory_that_vanish(lab: Lab) -> None:
    mounts = (
        SecretMount(dest="/run/secrets/one", data=b"first"),
        SecretMount(dest="/two", data=bytes(range(256)) * 1900, mode=0o755),
        SecretMount(dest="/empty", data=b"", mode=0o444),
    )
    script = (
        "stat -c '%a %u:%g %s' /run/secrets/one /two /empty; cat /run/secrets/one; echo; md5sum < /two;"
        "grep -cE ' /(run/secrets/one|two|empty) tmpfs ro,nosuid,nodev' /proc/mounts;"
        "grep -c ' /two .*noexec' /proc/mounts;"
        "echo x > /two; rm /two; mount -o remount,rw /two; umount /two; ls /run"
    )
    outcome = await lab.run(script, mounts=mounts)
    digest = hashlib.md5(bytes(range(256)) * 1900, usedforsecurity=False).hexdigest()
    assert outcome.stdout.splitlines() == [
        *("400 0:0 5", "755 0:0 486400", "444 0:0 0", "first", f"{digest}  -", "3", "0", "secrets")
    ]
    assert "Read-only file system" in outcome.stderr
    assert outcome.written() == []


@pytest.mark.needs_namespaces("refused: they would be written to the disk")
async def test_secrets_have_owners_where_these_exist(lab: Lab) -> None:
    mounts = (SecretMount(dest="/s", data=b"x", uid=7, gid=8),)
    assert (await lab.run("stat -c %u:%g /s", mounts=mounts)).ok == ("0:0" if ONE_ID else "7:8")


@pytest.mark.parametrize("link", ["/outside", "../../../outside", "/proc/1/root/outside", "/proc/self/cwd/outside"])
@pytest.mark.needs_namespaces("refused: they would be written to the disk")
async def test_a_secret_below_a_link_stays_inside(lab: Lab, link: str) -> None:
    layer = lab.layer()
    (Path(layer) / "run").symlink_to(link)
    outcome = await lab.run("cat /outside/s", mounts=(SecretMount(dest="/run/s", data=b"x"),), root=lab.root(layer))
    assert outcome.ok == "x"
    assert outcome.written() == []
    assert not await run_blocking(Path("/outside").exists)


async def test_a_socket_is_mounted_and_reached(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the paths of sockets must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        mounts = (BindMount(dest="/run/agent", source=str(tmp_path / "s"), readonly=False),)
        outcome = await lab.run("test -S /run/agent && stat -c %a /run/agent", mounts=mounts)
    assert outcome.ok.isdigit()
    assert outcome.written() == []


async def test_a_part_of_a_folder_is_bound_without_leaving_it(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_text("inside")
    (tmp_path / "tree/sub/link").symlink_to("/sub/file")
    (tmp_path / "tree/sub/escape").symlink_to("/etc/passwd")
    source = str(tmp_path / "tree")
    mounts = (
        BindMount(dest="/whole", source=source, selector="sub"),
        BindMount(dest="/one", source=source, selector="/sub/link"),
    )
    assert (await lab.run("cat /whole/file /one", mounts=mounts)).ok == "insideinside"
    for selector in ("sub/escape", "sub/../../secret"):
        with pytest.raises(SandboxError, match="cannot prepare the mount at /x: .*No such file"):
            await lab.run("true", mounts=(BindMount(dest="/x", source=source, selector=selector),))


@pytest.mark.needs_namespaces("layers are copies")
async def test_layers_are_mounted_read_only_or_with_changes_apart(lab: Lab) -> None:
    one, two = lab.layer(a="1", d__x="1"), lab.layer(b="2", d__y="2")
    fresh = lab.root()
    mounts = (
        OverlayMount(dest="/ro", lowers=(one, two)),
        OverlayMount(dest="/part", lowers=(one, two), selector="d/y"),
        OverlayMount(dest="/rw", lowers=(one,), upper=fresh.upper, work=fresh.work, readonly=False),
        OverlayMount(dest="/nothing", lowers=()),
    )
    outcome = await lab.run("cat /ro/a /ro/b /part; ls /nothing; echo 3 > /rw/new; touch /ro/x", mounts=mounts)
    assert (outcome.stdout, outcome.stderr) == ("122", "touch: /ro/x: Read-only file system\n")
    assert outcome.written() == []
    assert tree(Path(fresh.upper or "")) == ["new"]


@pytest.mark.needs_namespaces("refused: nothing bounds a folder")
async def test_memory_has_a_size_and_the_mode_of_what_it_covers(lab: Lab) -> None:
    layer = lab.layer("private")
    (Path(layer) / "private").chmod(0o700)
    mounts = (TmpfsMount(dest="/mem", size_bytes=1 << 20), TmpfsMount(dest="/private"))
    outcome = await lab.run(
        "stat -c %a /mem /private; df -k /mem | tail -1 | awk '{print $2}'; echo x > /mem/x",
        mounts=mounts,
        root=lab.root(layer),
    )
    assert outcome.lines == ["1777", "700", "1024"]
    assert outcome.written() == []


async def test_mounts_inside_mounts_come_after_them(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "src/cache").mkdir(parents=True)
    mounts = (TmpfsMount(dest="/src/cache"), BindMount(dest="/src", source=str(tmp_path / "src")))
    assert (await lab.run("touch /src/cache/x && ls /src/cache", mounts=mounts)).ok == "x"


async def test_mount_points_vanish_with_their_parents_and_keep_the_times_of_the_rest(lab: Lab) -> None:
    layer = lab.layer("opt/tool/lib")
    for name in ("opt", "opt/tool"):
        os.utime(Path(layer) / name, (1_000_000_000, 1_000_000_000))
    mounts = (
        TmpfsMount(dest="/opt/tool/cache/deep"),
        TmpfsMount(dest="/new/made/here"),
        BindMount(dest="/opt/tool/config", source="/etc/passwd"),
    )
    root = lab.root(layer)
    outcome = await lab.run("stat -c %Y /opt/tool; ls /opt/tool; ls /new/made", mounts=mounts, root=root)
    assert outcome.lines == ["1000000000", "cache", "config", "lib", "here"]
    assert outcome.written() == []


async def test_mount_points_that_were_used_stay(lab: Lab) -> None:
    layer = lab.layer("opt/tool")
    mounts = (TmpfsMount(dest="/opt/tool/cache/deep"), TmpfsMount(dest="/gone/made"))
    root = lab.root(layer)
    outcome = await lab.run("echo x > /opt/tool/cache/kept; chmod 700 /opt; ls /gone", mounts=mounts, root=root)
    assert outcome.status.ok
    assert outcome.written() == ["opt/", "opt/tool/", "opt/tool/cache/", "opt/tool/cache/kept"]
    assert stat.S_IMODE((outcome.upper / "opt").stat().st_mode) == 0o700


async def test_a_folder_changed_by_the_step_stays_though_it_was_copied_up_for_a_mount(lab: Lab) -> None:
    mounts = (TmpfsMount(dest="/opt/cache"),)
    outcome = await lab.run("chmod 711 /opt", mounts=mounts, root=lab.root(lab.layer("opt")))
    assert outcome.written() == ["opt/"]


@pytest.mark.needs_namespaces("links are replaced for the time of the step")
async def test_a_dangling_link_is_followed_inside_the_image_only(lab: Lab, tmp_path: Path) -> None:
    """As Debian's /etc/resolv.conf -> /run/systemd/resolve/stub-resolv.conf."""
    layer = lab.layer("etc", "run")
    (Path(layer) / "etc/resolv.conf").symlink_to(f"../../..{tmp_path}/elsewhere")
    (Path(layer) / "loop").symlink_to("loop")
    root = lab.root(layer)
    assert (await lab.run("cat /etc/resolv.conf > /dev/null", root=root)).written() == []
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(SandboxError, match="/loop/x: too many symbolic links"):
        await lab.run("true", root=lab.root(layer), mounts=(TmpfsMount(dest="/loop/x"),))


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
async def test_an_image_cannot_redirect_the_kernels_filesystems(lab: Lab, name: str) -> None:
    layer = lab.layer("elsewhere")
    (Path(layer) / name).symlink_to("elsewhere")
    with pytest.raises(SandboxError, match=f"/{name} must be an ordinary folder in the image"):
        await lab.run("true", root=lab.root(layer))


async def test_links_through_the_first_process_lead_nowhere(lab: Lab) -> None:
    """A mount point that goes through /proc must not reach what the process still has open then."""
    layer = lab.layer()
    for number in range(3, 40):
        (Path(layer) / f"fd{number}").symlink_to(f"/proc/self/fd/{number}")
    (Path(layer) / "cwd").symlink_to("/proc/1/cwd/../../..")
    await lab.run("true")
    before = tree(lab.base / "executor")
    for number in range(3, 40):
        with suppress(SandboxError):
            await lab.run("true", root=lab.root(layer), mounts=(TmpfsMount(dest=f"/fd{number}/planted"),))
    assert tree(lab.base / "executor") == before
    assert not list(lab.base.rglob("planted"))


async def test_a_folder_cannot_cover_a_file(lab: Lab) -> None:
    with pytest.raises(SandboxError, match="cannot mount at /bin/busybox: one is a folder, the other is a file"):
        await lab.run("true", mounts=(TmpfsMount(dest="/bin/busybox"),))
    with pytest.raises(SandboxError, match="an extra mount cannot be at /"):
        await lab.run("true", mounts=(TmpfsMount(dest="/"),))


async def test_what_an_image_deleted_is_made_again_for_the_time_of_the_step(lab: Lab) -> None:
    layer = lab.layer()
    for name in ("proc", "sys", "dev", "etc"):
        os.mknod(Path(layer) / name, stat.S_IFCHR, 0)  # a whiteout
    outcome = await lab.run("ls -d /proc/self /sys/kernel /dev/null /etc/hosts", root=lab.root(layer))
    assert len(outcome.lines) == 4
    assert [entry for entry in outcome.written() if not entry.startswith("-")] == []


OLD_KERNEL = """
import errno, os, sys
from llbuild.worker import syscalls
from llbuild.worker.executor import mounts
from llbuild.worker.executor.host import Host
from llbuild.worker.userns import enter_user_namespace, needs_user_namespace
base = os.fsencode(sys.argv[1])
if needs_user_namespace():
    enter_user_namespace()
syscalls.unshare(syscalls.CLONE_NEWNS)
syscalls.mount_setattr(syscalls.AT_FDCWD, b"/", propagation=syscalls.MS_PRIVATE, recursive=True)
lowers = [base + b"/%d" % number for number in range(int(sys.argv[2]))]
host = Host(base + b"/stage", b"")
def refuse(context, key=b"lowerdir+", value=b""):
    if key == b"lowerdir+":
        raise OSError(errno.EINVAL, "Invalid argument")
if sys.argv[3] == "together":  # before 6.5 nobody looks at the options until there are all
    syscalls.fsconfig_create = refuse
elif sys.argv[3] == "too long":  # … or they fill their page
    syscalls.fsconfig_string = refuse
    mounts._kernel_log = lambda context: b"VFS: Legacy: Cumulative options too large"
else:
    syscalls.fsconfig_string = refuse
    mounts._kernel_log = lambda context: b"overlay: Unknown parameter 'lowerdir+'"
tree = mounts.overlay(lowers, base + b"/upper", base + b"/work", host=host)
syscalls.move_mount(tree, base + b"/target")
print(len(os.listdir(base + b"/target")), open(base + b"/target/top").read())
open(base + b"/target/new", "w").close()
"""


@pytest.mark.usefixtures("unshared")
@pytest.mark.parametrize("refused", ["together", "too long", "by name"])
def test_three_hundred_layers_are_mounted_the_way_kernels_before_6_8_need_it(tmp_path: Path, refused: str) -> None:
    for name in ("stage", "upper", "work", "target"):
        (tmp_path / name).mkdir()
    for number in range(300):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / f"file{number}").touch()
        (tmp_path / str(number) / "top").write_text(str(number))
    done = subprocess.run(
        [sys.executable, "-c", OLD_KERNEL, tmp_path, "300", refused],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / ".typing"), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("301 299\n", "")
    assert tree(tmp_path / "upper") == ["new"]
