"""A sandbox to try things in: a busybox root, fresh layers for each process, and what came out of it.

The same tests run as root and as an ordinary user. An ordinary user enters a user namespace first, which a
process can do only once and never leave: so there they run in a process of their own, started by test_unprivileged.py.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.values import replace
from llbuild.worker.executor import BindMount, ChrootExecutor, ExecSpec, ExitStatus, RootMount, SandboxExecutor
from llbuild.worker.idmap import has_single_id, in_user_namespace
from llbuild.worker.oci import OciExecutor, find_runtime
from llbuild.worker.snapshot import LayerWriter, MergedTree, copy_tree, write_difference
from llbuild.worker.userns import enter_user_namespace, needs_user_namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def status_field(name: str) -> str:
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith(name))


PYTHON = os.path.realpath(sys.executable)
# What a step must have for that Python to run in it: this machine's own programs and libraries.
LENT = [path for path in sorted({"/usr", "/lib", "/lib64", sys.base_prefix}) if Path(path).is_dir()]
CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *args):
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result = libc.syscall(ctypes.c_long(number), *wide)
    return errno.errorcode[ctypes.get_errno()] if result < 0 else result
"""


def of_machine(path: str) -> str:
    """A file of this machine, "" where there is none."""
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""


ENTER = "ENTER_USER_NAMESPACE"
EXECUTOR = "TEST_EXECUTOR"  # "sandbox", "runc", "crun" or "chroot": what the suite runs against

if ENTER in os.environ and needs_user_namespace():
    enter_user_namespace()
KIND = os.environ.get(EXECUTOR, "sandbox")
CHROOT = KIND == "chroot"
if CHROOT and os.getpid() != 1:  # a step could signal everything here
    pytest.exit("run it in a pid namespace of its own: unshare --pid --fork --mount-proc", returncode=3)
RUNTIME = None if CHROOT or KIND == "sandbox" else find_runtime(KIND)
IN_USERNS = in_user_namespace()
FAKED_IDS = has_single_id() and RUNTIME is None  # users are only made to believe in, by the sandbox
ONE_ID = has_single_id() and not FAKED_IDS
MAY_MOUNT = not needs_user_namespace()


@pytest.fixture(autouse=True)
def _may_mount(request: pytest.FixtureRequest) -> None:
    needs = {"lab", "unshared"} & set(request.fixturenames)
    if needs and not MAY_MOUNT:
        pytest.skip("runs in a user namespace here: see test_unprivileged.py")


if CHROOT:

    @pytest.fixture(autouse=True)
    def _no_blocking_in_the_event_loop() -> None:
        """The lab copies roots with the package's own code, in the test's thread; the other runs look out for that."""


@dataclass
class Outcome:
    status: ExitStatus
    upper: Path
    stdout: str = ""
    stderr: str = ""

    @property
    def ok(self) -> str:
        """stdout of a process that must have succeeded, without the last newline."""
        assert self.status.ok, f"exit code {self.status.code}: {self.stderr}{self.stdout}"
        return self.stdout.rstrip("\n")

    @property
    def lines(self) -> list[str]:
        return self.ok.splitlines()

    def written(self) -> list[str]:
        """Everything in the upper layer, as "path" ("path/" for a folder, "-path" for a whiteout), sorted."""
        return difference(self.upper) if CHROOT else tree(self.upper)


def difference(copy: Path) -> list[str]:
    """The same of a copy, as the native snapshotter makes a layer of it."""
    lowers, since = COPIES[str(copy)]
    base = MergedTree(lowers, userxattr=IN_USERNS)
    made = copy.parent / "difference"
    made.mkdir()
    writer = LayerWriter(base, str(made), userxattr=IN_USERNS)
    write_difference(base, MergedTree([str(copy)], userxattr=IN_USERNS), writer, since_ns=since)
    return tree(made)


COPIES: dict[str, tuple[tuple[str, ...], int]] = {}  # copies: of which layers, and when they were complete


def tree(folder: Path) -> list[str]:
    return sorted(_names(folder, ""))


def _names(folder: Path, below: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(kind.st_mode):
                yield f"{below}{entry.name}/"
                yield from _names(Path(entry.path), f"{below}{entry.name}/")
            elif stat.S_ISCHR(kind.st_mode) and kind.st_rdev == 0:
                yield f"-{below}{entry.name}"
            else:
                yield f"{below}{entry.name}"


@dataclass
class Lab:
    executor: SandboxExecutor
    base: Path
    rootfs: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def layer(self, *folders: str, **files: str) -> str:
        """A new lower layer with these folders, and files named with "__" for "/"."""
        made = self.base / f"layer{next(self._numbers)}"
        made.mkdir()
        for name in folders:
            (made / name).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = made / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(made)

    def root(self, *layers: str) -> RootMount:
        """A busybox root below `layers`, with a new upper layer."""
        fresh = self.base / f"active{next(self._numbers)}"
        (fresh / "fs").mkdir(parents=True)
        (fresh / "work").mkdir()
        if CHROOT:
            lowers, copy = (str(self.rootfs), *layers), fresh / "fs"
            base = MergedTree(lowers, userxattr=IN_USERNS)
            copy_tree(base, LayerWriter(MergedTree([], userxattr=IN_USERNS), str(copy), userxattr=IN_USERNS))
            (fresh / "work").touch()
            time.sleep(0.01)  # a tick of the clock that files are stamped with
            os.utime(fresh / "work")
            COPIES[str(copy)] = (lowers, (fresh / "work").stat().st_ctime_ns)
            return RootMount(folder=str(copy), upper=str(copy))
        return RootMount(lowers=(str(self.rootfs), *layers), upper=str(fresh / "fs"), work=str(fresh / "work"))

    def spec(self, script: str, **changes: Any) -> ExecSpec:
        spec = ExecSpec(args=("/bin/sh", "-c", script), env=("PATH=/bin:/sbin",), root=self.root())
        return replace(spec, **changes)

    async def run(self, script: str, **changes: Any) -> Outcome:
        return await self.run_spec(self.spec(script, **changes))

    async def python(self, script: str, **changes: Any) -> Outcome:
        """Run a script in Python, which has `call(number, *args)`: a system call's result, or its error's name."""
        if CHROOT:
            pytest.skip("without mounts, all of this machine's programs would have to be copied for this one")
        lent = tuple(BindMount(dest=path, source=path) for path in LENT)
        mounts = (*lent, *changes.pop("mounts", ()))
        return await self.run_spec(self.spec("", args=(PYTHON, "-I", "-c", CALL + script), mounts=mounts, **changes))

    async def run_spec(self, spec: ExecSpec) -> Outcome:
        pieces: dict[int, list[bytes]] = {1: [], 2: []}
        status = await self.executor.run(spec, lambda number, data: pieces[number].append(data))
        text = {number: b"".join(data).decode(errors="replace") for number, data in pieces.items()}
        return Outcome(status, Path(spec.root.upper or "/nonexistent"), text[1], text[2])


@pytest.fixture
def unshared() -> None:
    """For tests that need no lab but the right to mount."""


@pytest.fixture
async def lab(tmp_path: Path, busybox_rootfs: Path, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    async with executor_for(tmp_path / "executor", request) as executor:
        yield Lab(executor, tmp_path, busybox_rootfs)


def executor_for(folder: Path, request: pytest.FixtureRequest, **options: Any) -> SandboxExecutor:
    """The built-in one, or another, which some tests are not for."""
    unlike = request.node.get_closest_marker("needs_namespaces")
    if CHROOT and unlike is not None:
        pytest.skip(f"chroot isolates less: {unlike.args[0]}")
    if CHROOT:
        options.pop("network", None)
        folder.mkdir(exist_ok=True)
        return ChrootExecutor(folder, **options)
    if RUNTIME is None:
        return SandboxExecutor(folder, **options)
    mark = request.node.get_closest_marker("sandbox_only")
    if mark is not None:
        pytest.skip(f"the built-in sandbox's own: {mark.args[0]}")
    return OciExecutor(folder, RUNTIME, **options)
