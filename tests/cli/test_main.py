from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from llbuild import __version__

_ROOT = Path(__file__).resolve().parent.parent.parent
_PROGRAM = """\
import sys
from llbuild.cli import main
main.COMMANDS["faulty"] = ("llbuild.tests.cli.faulty", "")
main.program()
"""
_IGNORING = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def command(*words: str, program: str = _PROGRAM) -> list[str]:
    return [sys.executable, "-c", program, *words]


def environment(tmp: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT / ".typing"), "TMPDIR": str(tmp), "LLBUILD_ROOT": str(tmp / "root")}


def llbuild(tmp: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(command(*words), env=environment(tmp), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "code", "stdout", "stderr"),
    [
        (["version"], 0, f"llbuild {__version__}\n", ""),
        (["--version"], 0, f"llbuild {__version__}\n", ""),
        (["faulty", "code"], 42, "", ""),
        (["faulty", "ours"], 1, "", "error: the frobnicator is empty\nhint: fill it\n"),
        (
            ["faulty", "group"],
            1,
            "",
            (
                "error: /state/a: No space left on device\n"
                "hint: free some space, or keep the state elsewhere with --root DIR\n"
            ),
        ),
        (["faulty", "memory"], 1, "", "error: out of memory\n"),
        (["faulty", "exec"], 1, "", "error: exited with code 3\n"),
        (["faulty", "denied"], 1, "", "error: /var/lib/llbuild: Permission denied\n"),
        (
            ["faulty", "full"],
            1,
            "",
            (
                "error: /state/a -> /state/b: No space left on device\n"
                "hint: free some space, or keep the state elsewhere with --root DIR\n"
            ),
        ),
        (
            ["faulty", "usage"],
            2,
            "",
            (
                "llbuild faulty: error: --this and --that contradict each other\n"
                "hint: run 'llbuild faulty --help' for its flags\n"
            ),
        ),
        (
            ["biuld", "."],
            2,
            "",
            (
                "llbuild: error: unknown command 'biuld' (did you mean 'build'?)\n"
                "hint: run 'llbuild --help' for the list of commands\n"
            ),
        ),
        (
            ["--debgu", "build"],
            2,
            "",
            (
                "llbuild build: error: unknown flag '--debgu' (did you mean '--debug'?)\n"
                "hint: run 'llbuild build --help' for its flags\n"
            ),
        ),
        (
            ["--halp"],
            2,
            "",
            (
                "llbuild: error: unknown flag '--halp' (did you mean '--help'?)\n"
                "hint: run 'llbuild --help' for the flags\n"
            ),
        ),
        (
            ["--debug"],
            2,
            "",
            "llbuild: error: a command is missing\nhint: run 'llbuild --help' for the list of commands\n",
        ),
        (
            ["history"],
            2,
            "",
            "llbuild history: error: IMAGE is missing\nhint: run 'llbuild history --help' for its flags\n",
        ),
    ],
)
def test_every_end_is_one_clear_message_and_an_exit_code(
    tmp_path: Path, words: list[str], code: int, stdout: str, stderr: str
) -> None:
    assert llbuild(tmp_path, *words) == (code, stdout, stderr)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"], ["--root", "x", "--help"]])
def test_help_lists_the_commands(tmp_path: Path, words: list[str]) -> None:
    code, stdout, stderr = llbuild(tmp_path, *words)
    assert (code, stderr) == (0, "")
    assert stdout.startswith("usage: llbuild ")
    for name in ("build", "run", "images", "history", "inspect", "import", "version"):
        assert re.search(rf"^  {name} ", stdout, re.MULTILINE)


@pytest.mark.parametrize("name", ["build", "run", "images", "history", "inspect", "import", "version"])
def test_every_command_explains_itself(tmp_path: Path, name: str) -> None:
    code, stdout, stderr = llbuild(tmp_path, name, "--help")
    assert (code, stderr) == (0, "")
    assert stdout.startswith(f"usage: llbuild {name} ")
    assert "--root DIR" in stdout
    assert llbuild(tmp_path, "help", name) == (code, stdout, stderr)


@pytest.mark.parametrize(
    ("how", "first"),
    [("bug", "ValueError: two"), ("assertion", "AssertionError: (no message)"), ("group-bug", "KeyError: 'x'")],
)
def test_a_bug_is_called_one_and_its_traceback_is_saved(tmp_path: Path, how: str, first: str) -> None:
    code, stdout, stderr = llbuild(tmp_path, "faulty", how)
    headline, hint = stderr.splitlines()
    assert (code, stdout) == (1, "")
    assert headline == f"error: this is a bug in llbuild: {first}"
    saved = Path(hint.removeprefix("hint: please report it; the traceback is in "))
    assert saved.parent == tmp_path
    assert "Traceback (most recent call last)" in saved.read_text()


def test_with_debug_the_traceback_is_shown(tmp_path: Path) -> None:
    code, _, stderr = llbuild(tmp_path, "--debug", "faulty", "bug")
    assert code == 1
    assert "Traceback (most recent call last)" in stderr
    assert stderr.endswith("error: this is a bug in llbuild: ValueError: two\n")


def test_where_no_traceback_can_be_saved_debug_is_recommended(tmp_path: Path) -> None:
    missing = {**environment(tmp_path), "TMPDIR": "/nonexistent"}
    # tempfile falls back on other folders unless there is none: a limit of 0 on file sizes leaves it none
    program = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + _PROGRAM
    done = subprocess.run(
        command("faulty", "bug", program=program), env=missing, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("hint: please report it; run again with --debug to see the traceback\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("how", ["wait", "wait-in-loop"])
@pytest.mark.parametrize("program", [_PROGRAM, _IGNORING + _PROGRAM], ids=["", "in the background"])
def test_a_signal_ends_the_program_in_good_order(
    tmp_path: Path, number: signal.Signals, code: int, how: str, program: str
) -> None:
    if number == signal.SIGINT and program != _PROGRAM:
        return  # ignored, as whoever started it wished
    with subprocess.Popen(
        command("faulty", how, program=program),
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (code, "cleaned up\ncanceled\n" if how == "wait-in-loop" else "canceled\n")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("faulty", "flood"), env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
    assert (process.returncode, stderr) == (141, b"")


def test_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("faulty", "print", "x"),
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "error: No space left on device")


def test_closed_streams_and_narrow_encodings_are_no_error(tmp_path: Path) -> None:
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command("faulty", "print", "x")],
        env=environment(tmp_path),
        check=False,
    )
    assert closed.returncode == 0
    ascii_only = subprocess.run(
        command("faulty", "print", "…"),
        env={**environment(tmp_path), "PYTHONIOENCODING": "ascii"},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (ascii_only.returncode, ascii_only.stdout) == (0, b"\\u2026\n")


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["build", "."], ("build", ["."])),
        (["--root", "build", "images"], ("images", ["--root", "build"])),
        (["--root=x", "--debug", "run", "busybox", "--debug"], ("run", ["--root=x", "--debug", "busybox", "--debug"])),
        (["--log-format", "json", "build", "-t", "x"], ("build", ["--log-format", "json", "-t", "x"])),
        (["--help", "build"], (None, ["--help", "build"])),
        ([], (None, [])),
    ],
)
def test_global_flags_may_stand_before_the_command(words: list[str], want: tuple[str | None, list[str]]) -> None:
    from llbuild.cli.main import split_command

    assert split_command(words) == want


def test_a_build_starts_light(tmp_path: Path) -> None:
    """What the command line itself loads, before the engine is called."""
    # An editable install's finder loads pathlib before any program begins.
    program = """\
import sys
already = set(sys.modules)
import llbuild.cli.main
from llbuild.cli.options import parse_build
from llbuild.cli.progress import open_display
parse_build(["-t", "hello", "-o", "type=oci,dest=x", "."], {"LLBUILD_ROOT": "/x"})
open_display("plain", sys.stderr, {}).close()
open_display("quiet", sys.stderr, {}).close()
heavy = {"asyncio", "anyio", "rich", "structlog", "networkx", "httpx", "tarfile", "pathlib", "shutil", "logging"}
heavy |= {"subprocess", "tempfile", "traceback", "difflib", "zstandard", "isal", "unicodedata", "csv"}
print(sorted(heavy & (set(sys.modules) - already)))
"""
    done = subprocess.run(
        command(program=program), env=environment(tmp_path), stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "[]\n"
