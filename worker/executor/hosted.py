"""A step's first process where an OCI runtime runs the step: it prepares the root, starts the runtime and waits.

As pid 1 of a namespace it takes everything along when it is killed, and its mount namespace takes the mounts. The
runtime's own processes find a /proc that fits, and no cgroup they could write.
"""

from __future__ import annotations

import os

from .. import syscalls
from . import process
from .failure import SetupError
from .mounts import attach, filesystem
from .wire import decode_report, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .host import Host
    from .rootfs import RootFilesystem
    from .wire import Report, Step

__all__ = ["run"]

_READ_BYTES = 1 << 16
_ALL_FDS = 1 << 16
_ENV = {b"PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
# What runtimes say of a command that is there and cannot be run; the codes are a shell's.
_NO_COMMAND = ((b"permission denied", 126), (b"exec format error", 126), (b"no such file or directory", 127))
_NAME = b"step"  # of the container: it is alone in its runtime's world


def run(step: Step, fds: list[int], host: Host, root: RootFilesystem) -> int:
    """The step's exit code. Raises SetupError when it could not be started."""
    process.check_user(step, host)
    os.umask(0o022)
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number, inheritable=True)
    root.build(step)
    place = root.expose()
    _cover_cgroups()
    code = _furnish(step, root, place, host)
    if code:
        return code
    bundle, state, log = (host.stage + name for name in (b"/bundle", b"/state", b"/log"))
    os.mkdir(bundle, 0o700)
    _write(bundle + b"/config.json", step["oci"])
    program, *flags = host.runtime
    words = [program, b"--log", log, *flags, b"--root", state, b"run", b"--bundle", bundle, _NAME]
    pid = os.fork()
    if pid == 0:
        _become(words)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    code = code if code >= 0 else 128 - code
    return _explained(code, _read(log)) if code else 0


def _cover_cgroups() -> None:
    """One that cannot be written: the step stays in the cgroup it is in, and the runtime makes none.

    runc wants to see some hierarchy, whichever; and crun none of version 1.
    """
    try:
        tree = filesystem(b"cgroup2", (), syscalls.MOUNT_ATTR_RDONLY)
        os.close(attach(tree, syscalls.AT_FDCWD, b"/sys/fs/cgroup"))
    except OSError:
        pass  # not permitted here: the runtime has to cope with what there is


def _furnish(step: Step, root: RootFilesystem, place: bytes, host: Host) -> int:
    """Everything that resolves paths of the image, in a process whose root that is. An exit code, if it ends there."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        said: Report = {"error": "the root could not be furnished"}
        code = 0
        try:
            os.chroot(place)
            os.chdir(b"/")
            root.furnish_for_runtime()
            process.make_cwd(step["cwd"], step["uid"], step["gid"], host=host)
            code = process.say_if_unusable(step)
            root.mount_points.note_times()
            said = {}
        except SetupError as exc:
            said = {"error": exc.message, "hint": exc.hint}
        except OSError as exc:
            said = {"error": f"cannot furnish the root: {exc}"}
        finally:
            said["made"], said["copied"] = root.mount_points.made, root.mount_points.copied
            os.write(writer, pack(said))
            os._exit(code)
    os.close(writer)
    report = decode_report(_read_all(reader))
    _, status = os.waitpid(pid, 0)
    root.mount_points.made, root.mount_points.copied = report["made"], report["copied"]
    if "error" in report:
        raise SetupError(report["error"], report.get("hint", ""))
    return os.waitstatus_to_exitcode(status)


def _become(words: list[bytes]) -> NoReturn:
    try:
        os.closerange(3, _ALL_FDS)
        os.execve(words[0], words, _ENV)  # noqa: S606  the runtime is the user's choice
    finally:
        os.write(2, b"cannot start " + words[0] + b"\n")
        os._exit(process.NOT_EXECUTABLE)


def _explained(code: int, log: bytes) -> int:
    """The code as the sandbox would have it. A runtime that failed before the step ran has logged why."""
    errors = [line for line in log.splitlines() if b"level=error" in line or b'"level":"error"' in line]
    if not errors and not log.strip():
        return code
    said = (errors or log.splitlines())[-1]
    for words, found in _NO_COMMAND:
        if words in said.lower() and (b"exec" in said or b"executable" in said):
            return found
    message = said.partition(b"msg=")[2] or said
    raise SetupError(f"the runtime could not start the step: {os.fsdecode(message).strip()}")


def _write(path: bytes, data: bytes) -> None:
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.close(fd)


def _read(path: bytes) -> bytes:
    try:
        return _read_all(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return b""


def _read_all(fd: int) -> bytes:
    pieces = []
    while piece := os.read(fd, _READ_BYTES):
        pieces.append(piece)
    os.close(fd)
    return b"".join(pieces)
