"""A step on a terminal of its own, joined to the one llbuild runs on."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

CLIENT = """
import anyio, sys
from llbuild.worker.executor import ExecSpec, RootMount, SandboxExecutor, Stdio
from llbuild.worker.userns import enter_user_namespace, needs_user_namespace
if needs_user_namespace():
    enter_user_namespace()
async def main():
    async with SandboxExecutor(sys.argv[1] + "/executor") as executor:
        root = RootMount(lowers=(sys.argv[2],), upper=sys.argv[1] + "/fs", work=sys.argv[1] + "/work")
        spec = ExecSpec(args=("/bin/sh", "-c", sys.argv[3]), env=("PATH=/bin",), root=root, stdio=Stdio.TERMINAL)
        sys.exit((await executor.run(spec)).code)
anyio.run(main)
"""


class Terminal:
    """A client on a terminal of 30 rows and 100 columns, and whoever types on it."""

    def __init__(self, folder: Path, rootfs: Path, script: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
        for name in ("fs", "work"):
            (folder / name).mkdir()
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, folder, rootfs, script],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / ".typing"), *sys.path])},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        self.slave = slave
        self.seen = b""

    def wait_for(self, text: bytes) -> None:
        while text not in self.seen:
            self.seen += os.read(self._master, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        code = self.process.wait(20)
        self.after = termios.tcgetattr(self.slave)
        os.close(self.slave)
        os.close(self._master)
        return code


@pytest.mark.usefixtures("unshared")
def test_a_step_gets_a_terminal_with_size_and_keys(tmp_path: Path, busybox_rootfs: Path) -> None:
    script = "tty; stty size; [ -c /dev/console ] && echo console; read word; echo got:$word; exit 4"
    terminal = Terminal(tmp_path, busybox_rootfs, script)
    terminal.wait_for(b"console\r\n")
    assert b"/dev/pts/0\r\n30 100\r\n" in terminal.seen
    terminal.type(b"hello\r")
    terminal.wait_for(b"got:hello\r\n")
    assert terminal.end() == 4
    assert terminal.after == terminal.before


@pytest.mark.usefixtures("unshared")
def test_ctrl_c_reaches_what_runs_in_the_foreground_there(tmp_path: Path, busybox_rootfs: Path) -> None:
    script = "trap 'echo stopped; exit 5' INT; echo ready; while :; do usleep 1000; done"
    terminal = Terminal(tmp_path, busybox_rootfs, script)
    terminal.wait_for(b"ready")
    terminal.type(b"\x03")
    terminal.wait_for(b"stopped")
    assert terminal.end() == 5
