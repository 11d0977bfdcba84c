"""Starting and ending: exit codes, users, working folders, output, cancellation, and what stays behind (nothing)."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from llbuild.blocking import run_blocking
from llbuild.errors import SandboxError
from llbuild.tests.processes import having_word, outliving
from llbuild.tests.worker.executor.conftest import ONE_ID, of_machine
from llbuild.worker.executor import ExecSpec, RootMount, SandboxExecutor, Stdio
from llbuild.worker.machine.storage import filesystem_of

if TYPE_CHECKING:
    from llbuild.tests.worker.executor.conftest import Lab

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("script", "code", "by_signal"),
    [
        ("exit 0", 0, 0),
        ("exit 7", 7, 0),
        ("sh -c 'kill -9 $$'; exit $?", 137, 0),
        pytest.param(
            "exec sh -c 'kill -SEGV $$; kill -9 1; exit 3'",  # nobody inside can kill process 1
            *(3, 0),
            marks=pytest.mark.needs_namespaces("it is not process 1"),
        ),
    ],
)
async def test_the_exit_code_is_the_commands(lab: Lab, script: str, code: int, by_signal: int) -> None:
    status = (await lab.run(script)).status
    assert (status.code, status.signal) == (code, by_signal)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("nosuch",), 127, "exec: nosuch: executable file not found in $PATH"),
        (("/bin/nosuch",), 127, "exec: /bin/nosuch: no such file"),
        (("/etc",), 126, "exec: /etc: Permission denied"),
        (("/data/plain",), 126, "exec: /data/plain: Permission denied"),
        (("/data/garbage",), 126, "exec: /data/garbage: Exec format error"),
        (("/data/script",), 127, "exec: /data/script: found, but its interpreter or dynamic loader is missing"),
    ],
)
async def test_a_command_that_cannot_run_says_why(lab: Lab, args: tuple[str, ...], code: int, message: str) -> None:
    layer = lab.layer("etc", data__plain="", data__garbage="\1\2", data__script="#!/no/such/shell\n")
    for name in ("garbage", "script"):
        (Path(layer) / "data" / name).chmod(0o755)
    outcome = await lab.run_spec(lab.spec("", args=args, root=lab.root(layer)))
    assert (outcome.status.code, outcome.stderr) == (code, message + "\n")


async def test_the_command_is_looked_up_in_its_own_path(lab: Lab) -> None:
    layer = lab.layer(opt__tool='#!/bin/sh\necho found "$@"\n')
    (Path(layer) / "opt/tool").chmod(0o755)
    spec = lab.spec("", args=("tool", "it"), env=("PATH=/nowhere:/opt",), root=lab.root(layer))
    assert (await lab.run_spec(spec)).ok == "found it"


async def test_output_arrives_unchanged_and_whole(lab: Lab) -> None:
    outcome = await lab.run("seq 1 200000; echo oops >&2")
    assert outcome.lines == [str(number) for number in range(1, 200001)]
    assert outcome.stderr == "oops\n"


async def test_output_comes_while_the_process_still_runs(lab: Lab) -> None:
    seen = anyio.Event()

    def watch(_number: int, data: bytes) -> None:
        if b"ready" in data:
            seen.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(lab.executor.run, lab.spec("echo ready; sleep 100"), watch)
            await seen.wait()
            group.cancel_scope.cancel()


@pytest.mark.sandbox_only("config.json is UTF-8")
@pytest.mark.needs_namespaces("its hostname is the machine's")
async def test_names_that_are_no_text_survive(lab: Lab) -> None:
    strange = os.fsdecode(b"caf\xe9")
    spec = lab.spec(
        "", args=("/bin/sh", "-c", 'echo "$0" "$VALUE" > "$0"', strange), env=("PATH=/bin", f"VALUE={strange}")
    )
    outcome = await lab.run_spec(spec)
    assert outcome.status.ok
    assert os.listdir(os.fsencode(outcome.upper)) == [b"caf\xe9"]
    assert (outcome.upper / strange).read_bytes() == b"caf\xe9 caf\xe9\n"


async def test_a_large_environment_and_a_long_script_fit(lab: Lab) -> None:
    env = ("PATH=/bin", *(f"V{number}={'x' * 1000}" for number in range(1000)))
    outcome = await lab.run_spec(lab.spec(": " + "y" * 100_000 + "\necho $V999 | wc -c", env=env))
    assert outcome.ok == "1001"


async def test_a_missing_working_folder_is_made_for_the_user(lab: Lab) -> None:
    uid = 0 if ONE_ID else 1000
    outcome = await lab.run("pwd; stat -c '%u %a' .", cwd="/srv/app/data", uid=uid, gid=uid)
    assert outcome.lines == ["/srv/app/data", f"{uid} 755"]
    assert outcome.written() == ["srv/", "srv/app/", "srv/app/data/"]


async def test_a_working_folder_that_is_a_file_is_refused(lab: Lab) -> None:
    root = lab.root(lab.layer(srv="x"))
    with pytest.raises(SandboxError, match="cannot use /srv/app: .*Not a directory"):
        await lab.run("true", cwd="/srv/app", root=root)


async def test_a_user_who_does_not_exist_here_is_refused(lab: Lab) -> None:
    if not ONE_ID:
        pytest.skip("there are other ids here")
    with pytest.raises(SandboxError, match="user 1000:0 does not exist in this user namespace"):
        await lab.run("true", uid=1000)


async def test_every_run_is_counted(lab: Lab) -> None:
    for _ in range(3):
        await lab.run("true")
    assert lab.executor.started == 3


@pytest.mark.needs_namespaces("the lab copies forty roots, which takes its time")
async def test_forty_run_at_once(lab: Lab) -> None:
    """Each waits for all others to have started, over a folder they share."""
    from llbuild.worker.executor import BindMount

    meeting = lab.base / "meeting"
    meeting.mkdir()
    mounts = (BindMount(dest="/meeting", source=str(meeting), readonly=False),)
    results: list[str] = []

    async def one(number: int) -> None:
        script = f"touch /meeting/{number}; until [ $(ls /meeting | wc -l) = 40 ]; do usleep 20000; done; echo {number}"
        results.append((await lab.run(script, mounts=mounts)).ok)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(one, number)
    assert sorted(results, key=int) == [str(number) for number in range(40)]


async def test_daemons_die_with_the_step(lab: Lab) -> None:
    mark = f"1234.{os.getpid()}"
    script = f"setsid sleep {mark} & until ps -o args | grep -q '^sleep 1234'; do usleep 1000; done; echo started"
    outcome = await lab.run(script)
    assert outcome.ok == "started"
    assert having_word(mark) == []


async def test_cancelling_kills_the_whole_tree_before_it_returns(lab: Lab) -> None:
    started = anyio.Event()
    mark = f"1234.{os.getpid()}5"  # this suite may run several times at once
    script = f"""
        (setsid sh -c 'trap "" TERM; sleep {mark} & wait' &)
        sleep {mark} &
        until [ "$(ps -o args | grep -c '^sleep 1234')" = 2 ]; do usleep 1000; done
        echo up
        wait
    """
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(lab.executor.run, lab.spec(script), lambda _n, _d: started.set())
            await started.wait()
            assert len(having_word(mark)) == 2
            group.cancel_scope.cancel()
    assert having_word(mark) == []
    assert (await lab.run("echo still here")).ok == "still here"


async def test_leaving_the_executor_takes_everything_along(tmp_path: Path, lab: Lab) -> None:
    executor = SandboxExecutor(tmp_path / "second")
    started = anyio.Event()
    async with anyio.create_task_group() as group, executor:
        group.start_soon(executor.run, lab.spec(f"echo up; sleep 1235.25{os.getpid()}"), lambda _n, _d: started.set())
        await started.wait()
        group.cancel_scope.cancel()
    assert having_word(f"1235.25{os.getpid()}") == []


async def test_a_broken_helper_is_an_error_and_no_hang(lab: Lab) -> None:
    started = anyio.Event()
    helper = lab.executor._helper
    assert helper is not None
    failures: list[SandboxError] = []

    async def run() -> None:
        try:
            await lab.executor.run(lab.spec(f"echo up; sleep 1235.5{os.getpid()}"), lambda _n, _d: started.set())
        except SandboxError as exc:
            failures.append(exc)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await started.wait()
            os.kill(helper.pid, signal.SIGKILL)
        with pytest.raises(SandboxError, match="helper"):
            await lab.run("true")
    assert "the sandbox helper ended unexpectedly" in failures[0].message
    assert await run_blocking(outliving, f"1235.5{os.getpid()}") == []


PARENT = """
import anyio, sys
from llbuild.worker.executor import ExecSpec, RootMount, SandboxExecutor
from llbuild.worker.userns import enter_user_namespace, needs_user_namespace
if needs_user_namespace():
    enter_user_namespace()
async def main():
    async with SandboxExecutor(sys.argv[1] + "/executor") as executor:
        root = RootMount(lowers=(sys.argv[2],), upper=sys.argv[1] + "/fs", work=sys.argv[1] + "/work")
        script = "setsid sleep " + sys.argv[3] + " & until ps -o args | grep -q '^sleep 1236';"
        script += " do usleep 1000; done; echo up; wait"
        spec = ExecSpec(args=("/bin/sh", "-c", script), env=("PATH=/bin",), root=root)
        await executor.run(spec, lambda number, data: print("up", flush=True))
anyio.run(main)
"""


@pytest.mark.usefixtures("unshared")
def test_when_llbuild_is_killed_nothing_runs_on(tmp_path: Path, busybox_rootfs: Path) -> None:
    for name in ("fs", "work"):
        (tmp_path / name).mkdir()
    mark = f"1236.{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path, busybox_rootfs, mark],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / ".typing"), *sys.path])},
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        steps = [os.pidfd_open(pid) for pid in having_word(mark)]
        assert steps
        parent.kill()
        for fd in steps:
            assert select.select([fd], [], [], 10)[0]
            os.close(fd)


async def test_the_callers_own_output_can_be_used(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    status = await lab.executor.run(lab.spec("echo to you; echo and you >&2", stdio=Stdio.INHERIT))
    assert status.ok
    assert capfd.readouterr() == ("to you\n", "and you\n")


async def test_an_empty_command_is_refused(lab: Lab) -> None:
    with pytest.raises(SandboxError, match="no command to run"):
        await lab.run_spec(lab.spec("", args=()))
    with pytest.raises(SandboxError, match="zero byte"):
        await lab.run_spec(lab.spec("", args=("a\0b",)))


@pytest.mark.needs_namespaces("roots are copies")
async def test_scratch_has_nothing_to_run(lab: Lab) -> None:
    root = lab.root()
    spec = lab.spec("", args=("/bin/sh",), root=RootMount(upper=root.upper, work=root.work))
    outcome = await lab.run_spec(spec)
    assert (outcome.status.code, outcome.stderr) == (127, "exec: /bin/sh: no such file\n")
    assert outcome.written() == []


@pytest.mark.usefixtures("unshared")
async def test_a_folder_that_cannot_be_made_is_a_clear_error() -> None:
    async with SandboxExecutor("/proc/nowhere") as executor:
        root = RootMount(lowers=("/nonexistent",))
        with pytest.raises(SandboxError, match=r"the sandbox helper ended unexpectedly \(exit code 1: .*/proc/nowhere"):
            await executor.run(ExecSpec(args=("true",), root=root))


async def test_what_it_wrote_to_disk_is_told_its_children_included(lab: Lab) -> None:
    if filesystem_of(str(lab.base), of_machine("/proc/self/mountinfo")) == "tmpfs":
        pytest.skip("temporary files are in memory here: nothing reaches a disk")
    outcome = await lab.run("sh -c 'dd if=/dev/zero of=/x bs=1M count=8 2>/dev/null'; true")
    assert 8 << 20 <= outcome.status.written_bytes < 24 << 20
    assert (await lab.run("true")).status.written_bytes < 1 << 20
