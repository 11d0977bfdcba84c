"""What a step may ask of the kernel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.worker.executor.conftest import FAKED_IDS, KIND, Lab
from llbuild.worker.executor import SandboxExecutor
from llbuild.worker.idmap import has_single_id

if TYPE_CHECKING:
    from pathlib import Path

if os.uname().machine != "x86_64":
    pytest.skip("the numbers below are those of x86-64", allow_module_level=True)

# What the kernel itself would answer to these is something else than EPERM, to root at least.
REFUSED = {
    "mount": "call(165, b'none', b'/tmp', b'tmpfs', 0, None)",
    "mount(2) of nothing": "call(165, None, None, None, 0, None)",
    "move_mount": "call(429, -1, b'', -1, b'', 0)",
    "fsopen": "call(430, None, 0)",
    "unshare a user namespace": "call(272, 0x10000000)",
    "clone a user namespace": "call(56, 0x10000011, 0, 0, 0, 0)",
    "setns": "call(308, -1, 0)",
    "bpf": "call(321, 0, None, 0)",
    "keyctl": "call(250, 0, -3, 0)",
    "add_key": "call(248, b'user', b'x', b'y', 1, -3)",
    "request_key": "call(249, b'user', b'x', None, 0)",
    "kexec_load": "call(246, 0, 0, None, 0)",
    "init_module": "call(175, None, 0, b'')",
    "perf_event_open": "call(298, None, 0, -1, -1, 0)",
    "io_uring_setup": "call(425, 1, None)",
    "userfaultfd": "call(323, 0)",
    "open_by_handle_at": "call(304, -1, None, 0)",
    "name_to_handle's twin, quotactl": "call(179, 0, None, 0, None)",
    "pivot_root": "call(155, None, None)",
    "swapon": "call(167, None, 0)",
    "reboot": "call(169, 0, 0, 0, None)",
    "settimeofday": "call(164, None, None)",
    "a socket of the hypervisor": "call(41, 40, 1, 0)",
    "a socket of the crypto interface": "call(41, 38, 5, 0)",
    "READ_IMPLIES_EXEC": "call(135, 0x400000)",
}


async def test_calls_that_reach_past_a_container_are_refused(lab: Lab) -> None:
    outcome = await lab.python("\n".join(f"print({call})" for call in REFUSED.values()))
    assert dict(zip(REFUSED, outcome.lines, strict=True)) == dict.fromkeys(REFUSED, "EPERM")


async def test_unknown_calls_and_clone3_do_not_exist_so_that_programs_try_another_way(lab: Lab) -> None:
    said = (await lab.python("print(call(435, None, 0), call(5000))")).lines
    assert said in (["ENOSYS ENOSYS"], ["ENOSYS EPERM"] if KIND == "crun" else [])  # crun's filter leaves that out


async def test_programs_of_32_bits_are_held_to_the_same(lab: Lab) -> None:
    script = """
import mmap
def old(number, first=0):  # mov eax, number; push rbx; mov ebx, first; int 0x80; pop rbx; ret
    number, first = (value.to_bytes(4, "little") for value in (number, first))
    code = b"\\xb8" + number + b"\\x53\\xbb" + first + b"\\xcd\\x80\\x5b\\xc3"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
if os.fork() == 0:
    old(20)
    os._exit(0)
if os.wait()[1]:
    print("none")  # a kernel without them ends such a program
else:
    print(old(20) == os.getpid(), old(21), old(310, 0x10000000), old(359, 40))  # getpid, mount, unshare, socket
"""
    outcome = await lab.python(script)
    assert outcome.lines in (["True -1 -1 -1"], ["none"])


async def test_a_debugger_a_thread_and_a_crowd_of_processes_work(lab: Lab) -> None:
    script = """
import signal, subprocess, threading
child = os.fork()
if child == 0:
    print(call(101, 0, 0, 0, 0), flush=True)  # PTRACE_TRACEME
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
print(os.WIFSTOPPED(os.waitpid(child, 0)[1]), call(101, 7, child, 0, 0))  # PTRACE_CONT
os.waitpid(child, 0)
threads = [threading.Thread(target=print, args=("thread",)) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(subprocess.run(["/bin/true"]).returncode, call(135, 0xffffffff))
"""
    assert (await lab.python(script)).lines == ["0", "True 0", "thread", "thread", "thread", "0 0"]


async def test_an_insecure_step_has_no_filter(lab: Lab) -> None:
    script = "print(call(250, 0, -3, 0) == 'EPERM', open('/proc/self/status').read().count('Seccomp:\\t0'))"
    assert (await lab.python(script, insecure=True)).lines == [f"False {0 if FAKED_IDS else 1}"]  # that of ids stays


async def test_a_filter_can_be_done_without(lab: Lab, tmp_path: Path) -> None:
    async with SandboxExecutor(tmp_path / "unconfined", seccomp="unconfined") as executor:
        free = Lab(executor, tmp_path / "unconfined", lab.rootfs)
        mode = 2 if has_single_id() else 0  # that of ids stays
        assert (await free.run("grep Seccomp: /proc/self/status")).lines == [f"Seccomp:\t{mode}"]
    assert (await lab.run("grep Seccomp: /proc/self/status")).lines == ["Seccomp:\t2"]
