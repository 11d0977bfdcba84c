"""The last steps inside the sandbox: become the step's user, then its command."""

from __future__ import annotations

import errno
import os
import resource
import stat

from .. import syscalls
from ..owners import remember
from . import capabilities, idkeeper
from .failure import SetupError, explained
from .inroot import find, open_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import NoReturn

    from .host import Host
    from .rootfs import RootFilesystem
    from .wire import Step

__all__ = [
    "NOT_EXECUTABLE",
    "become_user",
    "check_user",
    "enter_emulation",
    "execute",
    "have_ids_kept",
    "limit_privileges",
    "make_cwd",
    "own_pipes",
    "say_if_unusable",
    "set_limits",
]

_PR_SET_KEEPCAPS = 8
_ALL_FDS = 1 << 16  # more than the helper ever has open
_DEFAULT_PATH = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NO_INTERPRETER = b": found, but its interpreter or dynamic loader is missing"
_LONGEST_INTERPRETER = 256  # BINPRM_BUF_SIZE
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # POSIX sh, 2.8.2 "Exit Status for Commands"


def set_limits(limits: list[tuple[str, int, int]]) -> None:
    if not limits:
        return
    for name, soft, hard in limits:
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is None:
            raise SetupError(f"unknown limit {name!r}", "names are those of `ulimit`: nofile, nproc, core, ...")
        try:
            resource.setrlimit(number, (soft, hard))
        except (OSError, ValueError) as exc:
            raise SetupError(f"cannot set the limit {name} to {soft}:{hard}: {exc}") from exc


def make_cwd(cwd: bytes, uid: int, gid: int, *, host: Host) -> None:
    """Make the working folder for the step's user where it is missing; BuildKit does, runc would refuse."""

    def make(parent: bytes, name: bytes, _last: bool) -> None:
        fd = open_path(parent, os.O_RDONLY | os.O_DIRECTORY)
        os.mkdir(name, 0o755, dir_fd=fd)
        if host.maps(uid, gid):
            os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
        else:
            made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            remember(made, (uid, gid, 0, 0), 0o755)
            os.close(made)
        os.close(fd)

    try:
        found = find(cwd, make)
    except OSError as exc:
        raise explained(f"cannot make the working directory {os.fsdecode(cwd)}", exc) from exc
    if not stat.S_ISDIR(os.fstat(found).st_mode):
        raise SetupError(f"the working directory {os.fsdecode(cwd)} is not a folder")
    os.close(found)


def limit_privileges(host: Host) -> None:
    """Bound what any program of the step can ever have; what this process itself has goes only in `become_user`."""
    capabilities.drop_bounding(host.last_capability)


def check_user(step: Step, host: Host) -> None:
    if not host.lets_be(step["uid"], step["gid"]):
        ranges = [(first, first + count - 1) for first, _, count in host.mapped_uids]
        known = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
        raise SetupError(
            f"user {step['uid']}:{step['gid']} does not exist in this user namespace, which has only id {known}",
            "give the user ranges of ids, which the built-in sandbox can do without ('llbuild info' says how)",
        )


def enter_emulation(step: Step, host: Host, namespace: int) -> None:
    """Be in the user namespace where the machine's emulators are registered."""
    try:
        syscalls.setns(namespace, syscalls.CLONE_NEWUSER)
    except OSError as exc:
        raise explained("cannot enter the user namespace of the emulators", exc) from exc
    if not step["insecure"]:  # what was given up before is back there
        limit_privileges(host)


def have_ids_kept(step: Step, host: Host, root: RootFilesystem, keeper: socket.socket) -> None:
    """Introduce this process to the keeper of ids of a step that can have only one (idkeeper.py)."""
    try:
        idkeeper.introduce(keeper, host, root.introduction, root.layer_folders)
    except OSError as exc:
        # EBUSY: a container around llbuild listens to calls of its own, and there can be only one who does.
        if exc.errno != errno.EBUSY or (step["uid"], step["gid"]) != (0, 0):
            raise explained("cannot have the step's users answered for", exc) from exc
        host.notify = None


def become_user(step: Step, host: Host) -> None:
    """Become the step's user, with its rights and no more."""
    uid, gid = step["uid"], step["gid"]
    if step["insecure"]:
        syscalls.prctl(_PR_SET_KEEPCAPS, 1)
    else:
        _filter_calls(host)
        capabilities.set_effective(host.permitted)
    try:
        if host.may_set_groups or host.notify is not None:
            os.setgroups([number for number in step["groups"] if host.lets_be(0, number)])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as exc:
        raise explained(f"cannot become user {uid}:{gid}", exc) from exc
    if step["insecure"]:
        capabilities.set_insecure(host.permitted, host.last_capability)


def _filter_calls(host: Host) -> None:
    """Before the capabilities go, since only an administrator may filter a process that can still gain privileges.

    What remains to be done is all permitted by the filter.
    """
    if host.seccomp is None:
        return
    try:
        syscalls.set_seccomp_filter(host.seccomp)
    except OSError as exc:
        hint = "a kernel without CONFIG_SECCOMP_FILTER? --security-opt seccomp=unconfined runs steps without a filter"
        raise SetupError(f"cannot filter the step's system calls: {os.strerror(exc.errno or 0)}", hint) from exc


def execute(step: Step) -> NoReturn:
    """Become the command. Where that fails say so on stderr and exit as a shell would."""
    env = dict(entry.partition(b"=")[::2] for entry in step["env"] if b"=" in entry)
    name = step["args"][0]
    # Now and not only on exec: a working directory or command named /proc/self/fd/7 would lead out (CVE-2024-21626).
    os.closerange(3, _ALL_FDS)
    try:
        os.chdir(step["cwd"])
    except OSError as exc:
        _give_up(NOT_EXECUTABLE, b"cannot enter the working directory " + step["cwd"], exc)
    failure: OSError | None = None
    for path in _candidates(name, env.get(b"PATH", _DEFAULT_PATH)):
        try:
            os.execve(path, step["args"], env)  # noqa: S606  a shell is the image's business
        except OSError as exc:
            # As execvp(3): a file that may not be executed does not end the search, but is what went wrong.
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR) or (failure is None and os.path.isfile(path)):
                failure = exc
                if exc.errno != errno.EACCES:
                    break
    if failure is None:
        _say_missing(name)
        os._exit(NOT_FOUND)
    if failure.errno == errno.ENOENT:  # the file is there, so what it needs to run is not
        _say(b"exec: " + name + _NO_INTERPRETER)
        os._exit(NOT_FOUND)
    _give_up(NOT_EXECUTABLE, b"exec: " + name, failure)


def say_if_unusable(step: Step) -> int:
    """127 or 126 when no file can be the command, after the line that `execute` would say; else 0.

    For who starts it by other means, and gets no such answer from these. What only execve(2) finds out is not found.
    """
    env = dict(entry.partition(b"=")[::2] for entry in step["env"] if b"=" in entry)
    name = step["args"][0]
    os.chdir(step["cwd"])
    there = [path for path in _candidates(name, env.get(b"PATH", _DEFAULT_PATH)) if os.path.exists(path)]
    if not there:
        _say_missing(name)
        return NOT_FOUND
    path = next((path for path in there if os.path.isfile(path) and os.stat(path).st_mode & 0o111), b"")
    if not path:
        _say(b"exec: " + name + b": " + os.strerror(errno.EACCES).encode())
        return NOT_EXECUTABLE
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    start = os.read(fd, _LONGEST_INTERPRETER)
    os.close(fd)
    interpreter = start[2:].split(b"\n")[0].split() if start.startswith(b"#!") else []
    if interpreter and not os.path.exists(interpreter[0]):
        _say(b"exec: " + name + _NO_INTERPRETER)
        return NOT_FOUND
    if not interpreter and not start.startswith(b"\x7fELF"):
        _say(b"exec: " + name + b": " + os.strerror(errno.ENOEXEC).encode())
        return NOT_EXECUTABLE
    return 0


def _say_missing(name: bytes) -> None:
    reason = b"no such file" if b"/" in name else b"executable file not found in $PATH"
    _say(b"exec: " + name + b": " + reason)


def _candidates(name: bytes, search: bytes) -> list[bytes]:
    if b"/" in name:
        return [name]
    return [os.path.join(folder or b".", name) for folder in search.split(b":")]


def _give_up(code: int, what: bytes, exc: OSError) -> NoReturn:
    _say(what + b": " + os.strerror(exc.errno or 0).encode())
    os._exit(code)


def _say(line: bytes) -> None:
    os.write(2, line + b"\n")


def own_pipes(uid: int, gid: int, *, host: Host) -> None:
    """Let the step's user open /dev/stdout and /dev/stderr by name; runc does the same."""
    if not host.maps(uid, gid):
        return  # one that is only called so may anyway
    for fd in (1, 2):
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, uid, gid)
