"""What a step costs beside its command: `python benchmarks/steps.py [--rounds N]`. Needs root.

RUNs of `true` (a static busybox) on 1, 10 and 100 layers, each prepared, started, waited for and kept as a layer, by
every snapshotter; in turns with the same program as a bare child process, and by runc, where that is installed: as a
step, and alone with the same config and root. And COPYs of 20,000 small files in turns with `cp -a` of the same tree.
Milliseconds and ratios, all in one run: lower deciles, which tell of the work rather than of who else was at work on
the machine, and the medians in brackets.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import anyio

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".typing"))  # so that any interpreter with the dependencies will do

from llbuild.cli.state import open_state  # noqa: E402  after the line above
from llbuild.llb import ExecOp, FileCopy, FileOp, FileStep, Mount, make_vertex  # noqa: E402
from llbuild.reporting import SILENT  # noqa: E402
from llbuild.worker.client import NoClient  # noqa: E402
from llbuild.worker.execop import ExecTools, run_exec_op  # noqa: E402
from llbuild.worker.executor import CgroupSpec, ExecSpec, SandboxExecutor  # noqa: E402
from llbuild.worker.fileop import run_file_op  # noqa: E402
from llbuild.worker.oci import OciExecutor, find_runtime  # noqa: E402
from llbuild.worker.snapshot import FolderTree, LayerId, Snapshot  # noqa: E402
from llbuild.worker.snapshotter import NAMES, open_snapshotter, try_out  # noqa: E402
from llbuild.worker.views import root_mount  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from llbuild.cli.state import State

_DEPTHS = (1, 10, 100)
_COMMAND = ("/bin/true",)
_FILES = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description="What a step costs beside its command.")
    parser.add_argument("--rounds", type=int, default=60, metavar="N", help="steps of each kind (default 60)")
    parser.add_argument("--only", choices=("steps", "runtime", "copies"), help="only these")
    parser.add_argument("--copies", type=int, default=3, metavar="N", help="copies of each kind (default 3)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="llbuild-steps-"))
    try:
        subprocess.run([str(ROOT / "scripts/busybox-rootfs"), str(folder / "rootfs")], check=True)
        state = open_state(str(folder / "state"))
        layers = stack(state, folder / "rootfs", max(_DEPTHS))
        for name in NAMES if options.only in {None, "steps"} else ():
            if failure := try_out(name, str(folder)):
                print(f"{name}: does not work here ({failure})")
                continue
            anyio.run(steps, state, layers, name, options.rounds if name == NAMES[0] else 10)
        if shutil.which("runc") and options.only in {None, "runtime"}:
            anyio.run(runtime, state, layers, folder, options.rounds)
        if options.only in {None, "copies"}:
            copies(state, folder, options.copies)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stack(state: State, rootfs: Path, depth: int) -> tuple[LayerId, ...]:
    """A root filesystem, and layers with a file each."""
    made = []
    for number in range(depth):
        active = state.layers.begin()
        if number == 0:
            shutil.copytree(rootfs, active.fs, symlinks=True, dirs_exist_ok=True)
        else:
            Path(active.fs, f"file{number}").write_text("x")
        made.append(state.layers.commit(active))
    return tuple(made)


def tools_of(state: State, executor: SandboxExecutor, snapshotter: str) -> ExecTools:
    return ExecTools(
        layers=state.layers,
        snapshotter=open_snapshotter(snapshotter, state.layers),
        caches=state.caches,
        executor=executor,
        client=NoClient(),
        cgroup=CgroupSpec(),
    )


async def steps(state: State, layers: tuple[LayerId, ...], snapshotter: str, rounds: int) -> None:
    vertex = make_vertex(ExecOp(args=_COMMAND, mounts=(Mount(dest="/", input=0, output=0),)))
    taken: dict[int, list[float]] = {depth: [] for depth in _DEPTHS}
    bare = []
    program = f"{state.layers.folder(layers[0])}/bin/busybox"
    async with SandboxExecutor(state.root) as executor:
        tools = tools_of(state, executor, snapshotter)
        for _ in range(rounds):
            bare.append(timed(lambda: subprocess.run([program, "true"], check=True)))
            for depth in _DEPTHS:
                start = time.perf_counter()
                await run_exec_op(
                    vertex, [Snapshot(layers[:depth])], {}, tools=tools, reporter=SILENT, committed=lambda _: None
                )
                taken[depth].append(time.perf_counter() - start)
        tools.snapshotter.close()
    told_all = ", ".join(f"{told(taken[depth])} on {depth}" for depth in _DEPTHS)
    print(f"RUN, {snapshotter}: {told_all} layers; the command as a child process: {told(bare)}")


async def runtime(state: State, layers: tuple[LayerId, ...], folder: Path, rounds: int) -> None:
    vertex = make_vertex(ExecOp(args=_COMMAND, mounts=(Mount(dest="/", input=0, output=0),)))
    found = find_runtime("runc")
    by_step, alone = [], []
    async with OciExecutor(state.root, found) as executor:
        tools = tools_of(state, executor, NAMES[0])
        view = tools.snapshotter.prepare(state.layers.folders(layers[:1]), writable=True)
        config = json.loads(executor._encode(ExecSpec(args=_COMMAND, root=root_mount(view)))["oci"])  # noqa: SLF001
        tools.snapshotter.discard(view)
        config["root"]["path"] = str(folder / "rootfs")
        bundle = folder / "bundle"
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(config))
        words = [found.path, *found.flags, "--root", str(folder / "runc"), "run", "--bundle", str(bundle)]
        for number in range(rounds):
            alone.append(timed(partial(subprocess.run, [*words, f"bare{number}"], check=True)))
            start = time.perf_counter()
            await run_exec_op(
                vertex, [Snapshot(layers[:10])], {}, tools=tools, reporter=SILENT, committed=lambda _: None
            )
            by_step.append(time.perf_counter() - start)
    more = (decile(by_step) - decile(alone)) * 1e3
    print(f"RUN, runc: {told(by_step)} on 10 layers; runc alone {told(alone)}; {more:+.1f} ms")


def copies(state: State, folder: Path, rounds: int) -> None:
    source = folder / "files"
    for number in range(_FILES):
        place = source / f"d{number % 200}" / f"e{number % 7}"
        if number < _FILES:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"f{number}").write_bytes(b"%d\n" % number * (1 + number % 50))
    copy = FileCopy(src="/", dest="/to", dir_copy_contents=True, create_dest_path=True)
    op = FileOp(steps=(FileStep(action=copy, input=-1, secondary_input=0, output=0),))
    ours, theirs = [], []
    for number in range(rounds):
        for turn in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            os.sync()
            if turn == "ours":
                start = time.perf_counter()
                run_file_op(op, [FolderTree(str(source))], state.layers)
                ours.append(time.perf_counter() - start)
            else:
                theirs.append(timed(lambda: subprocess.run(["cp", "-a", str(source), str(folder / "cp")], check=True)))
                shutil.rmtree(folder / "cp")
    print(f"COPY of {_FILES} files: {told(ours)}; cp -a {told(theirs)}; ratio {min(ours) / min(theirs):.2f}")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decile(taken: list[float]) -> float:
    return sorted(taken)[len(taken) // 10]


def told(taken: list[float]) -> str:
    return f"{decile(taken) * 1e3:.1f} ms ({median(taken) * 1e3:.1f})"


if __name__ == "__main__":
    main()
