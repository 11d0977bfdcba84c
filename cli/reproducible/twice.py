"""The same build, made twice from nothing: each in a process and a state folder of its own.

The second differs in what must make no difference: one step at a time, another time zone, another umask.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...values import replace
from ...worker.snapshot import remove_tree
from ..build import conduct
from ..engine import build
from ..outputs import OutputKind
from ..request import build_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..job import BuildResult, BuildView
    from ..options import BuildOptions
    from ..outputs import Output
    from ..progress import Display

__all__ = ["build_twice", "working_folder"]


@contextmanager
def working_folder(root: str) -> Iterator[Path]:
    """A folder in the state folder for both builds, gone afterwards. Waits for another command that is at it."""
    place = Path(root) / "reproducing"
    (Path(root) / "locks").mkdir(mode=0o711, parents=True, exist_ok=True)
    with (Path(root) / "locks" / "reproducing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_tree(str(place))  # of one that was killed
        place.mkdir(mode=0o711)
        try:
            yield place
        finally:
            remove_tree(str(place))


def build_twice(options: BuildOptions, output: Output, folder: Path, elsewhere: str) -> int:
    """Write two OCI layouts, `first` and `second`, into the folder. Returns the exit code of a build that failed.

    output: how the image is written. Sources are asked for once: the second build gets what the first one had.
    elsewhere: a folder for the state folder of the second build; "" is the same.
    """
    for name, place in (("first", str(folder)), ("second", elsewhere or str(folder))):
        print(f"{name} build", file=sys.stderr, flush=True)
        root = f"{place}/llbuild-state-{name}"
        content = Path(options.solve.globals.root) / "content"
        if code := _in_child(_of_one(options, output, folder, (name, root)), name, content):
            return code
    return 0


def _of_one(options: BuildOptions, output: Output, folder: Path, named: tuple[str, str]) -> BuildOptions:
    """named: which of the two, and its state folder."""
    name, root = named
    solve = options.solve
    globals_ = replace(solve.globals, root=root)
    solve = replace(
        solve,
        globals=globals_,
        outputs=(replace(output, kind=OutputKind.OCI_FOLDER, dest=str(folder / name)),),
        lock=str(folder / "lock"),
        locked=solve.locked or name == "second",
        max_parallelism=1 if name == "second" else solve.max_parallelism,
    )
    return replace(options, solve=solve)


def _in_child(options: BuildOptions, name: str, content: Path) -> int:
    """Run one build in a process of its own, which an interruption of this one ends as well."""
    sys.stdout.flush()
    child = os.fork()  # nothing here has started a thread yet
    if child == 0:
        os._exit(_child(options, name, content))
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        raise
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _child(options: BuildOptions, name: str, content: Path) -> int:
    os.dup2(2, 1)  # stdout is for what they came to
    if name == "second":
        os.umask(0o077)
        os.environ["TZ"] = "Pacific/Chatham"
        time.tzset()

    def work(*, display: Display, view: BuildView) -> BuildResult:
        return build(options.solve, build_input(options.compile, view.sources), display=display, view=view)

    root = Path(options.solve.globals.root)
    try:
        try:
            _lend_images(content, root / "content")
            code = conduct(options.solve, work)
        finally:
            remove_tree(str(root))  # here, where its files' owners are those of this process's user namespace
    except BaseException as error:  # noqa: BLE001  the edge of this process
        from ..edge import conclude

        code = conclude(error, arguments=["build"], exit_code=130)
    sys.stderr.flush()
    return code


def _lend_images(content: Path, into: Path) -> None:
    """Let a new store have the images of another one: results are not in it, and nothing is pulled twice."""
    if not (content / "index.json").exists():
        return
    into.mkdir(mode=0o711, parents=True)
    for path in content.rglob("*"):
        place = into / path.relative_to(content)
        if path.is_dir():
            place.mkdir()
        elif path.parent == content:
            shutil.copyfile(path, place)
        else:
            _link(path, place)


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        shutil.copyfile(path, place)
