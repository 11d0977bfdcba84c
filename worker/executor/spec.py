"""What a process is to be given and what became of it: the values every executor understands."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from ...llb import LinuxResources, NetMode
from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ...llb import HostIp, Ulimit

__all__ = [
    "DEFAULT_HOSTNAME",
    "BindMount",
    "CgroupSpec",
    "ExecSpec",
    "Executor",
    "ExitStatus",
    "ExtraMount",
    "OverlayMount",
    "RootMount",
    "SecretMount",
    "Stdio",
    "TmpfsMount",
]

DEFAULT_HOSTNAME = "buildkitsandbox"  # BuildKit's; scripts are known to look for it


@frozen
class RootMount:
    """The root filesystem: layer folders in overlay form, bottom first, and where changes go.

    `upper` and `work` are two empty folders on the filesystem the lowers live on. Without them nothing
    can be written. `folder` or `mount` show all of that already, and then nothing is laid over anything; `upper`
    is where changes will be found all the same.
    """

    lowers: tuple[str, ...] = ()
    upper: str | None = None
    work: str | None = None
    readonly: bool = False
    folder: str = ""  # taken as it is
    mount: int = -1  # a detached mount's descriptor, lent


@frozen
class BindMount:
    """A folder or file of this machine, seen at `dest`.

    `selector` is a path inside `source`, resolved without ever leaving it.
    """

    dest: str
    source: str
    selector: str = ""
    readonly: bool = True


@frozen
class OverlayMount:
    """Layers seen at `dest`: read-only, or with changes going to `upper` (see RootMount)."""

    dest: str
    lowers: tuple[str, ...]
    upper: str | None = None
    work: str | None = None
    selector: str = ""
    readonly: bool = True
    mount: int = -1  # see RootMount


@frozen
class TmpfsMount:
    """Memory at `dest`, gone with the process. Its mode is that of the folder it covers, else 1777."""

    dest: str
    size_bytes: int = 0  # 0: the kernel's own limit, half of the machine's memory


@frozen
class SecretMount:
    """A read-only file at `dest` that exists in memory only, and only for this process."""

    dest: str
    data: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o400

    def __repr__(self) -> str:
        return f"SecretMount(dest={self.dest!r}, {len(self.data)} bytes)"


ExtraMount: TypeAlias = "BindMount | OverlayMount | SecretMount | TmpfsMount"


@frozen
class CgroupSpec:
    """A cgroup of its own for a process, with limits."""

    resources: LinuxResources = LinuxResources()
    pids: int = 0  # processes and threads at once; 0: any number
    parent: str = ""  # a path below the root of each hierarchy; "": the cgroup llbuild is in


class Stdio(Enum):
    """What the process reads and writes."""

    PIPES = "pipes"  # stdin is /dev/null; output goes to the caller's function
    INHERIT = "inherit"  # the caller's own stdin, stdout and stderr
    TERMINAL = "terminal"  # a terminal of its own, joined to the caller's


@frozen
class ExecSpec:
    """One process. Ids are numbers already; `env` is complete (PATH and HOME included)."""

    args: tuple[str, ...]
    root: RootMount
    env: tuple[str, ...] = ()  # "K=V"
    cwd: str = "/"  # made, owned by the user, when missing
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    mounts: tuple[ExtraMount, ...] = ()
    hostname: str = DEFAULT_HOSTNAME
    extra_hosts: tuple[HostIp, ...] = ()
    network: NetMode = NetMode.SANDBOX
    insecure: bool = False  # every capability, nothing masked: RUN --security=insecure
    shm_size_bytes: int = 64 << 20
    ulimits: tuple[Ulimit, ...] = ()  # none: as llbuild's own
    cgroup: CgroupSpec | None = None  # None: llbuild's own
    emulator: str = ""  # a line for binfmt_misc, where the step's programs need one
    stdio: Stdio = Stdio.PIPES


@frozen
class ExitStatus:
    """How a process ended, and what it took (its waited-for children included)."""

    code: int  # 128 + n when signal n ended it; 127 not found, 126 not executable, as shells have it
    signal: int = 0
    user_s: float = 0.0
    system_s: float = 0.0
    max_rss_bytes: int = 0
    read_bytes: int = 0  # from disks
    written_bytes: int = 0
    memory_kills: int = 0  # of its processes, because its memory was used up
    forks_refused: int = 0  # because it had as many processes as it may

    @property
    def ok(self) -> bool:
        return self.code == 0


class Executor(Protocol):
    """Runs processes, each in its own sandbox, any number at once.

    Life cycle: enter it (`async with`), call `run` from as many tasks as wanted, leave it; whatever
    still runs then is killed. Cancelling `run` kills the process with everything it started, and
    returns only when all of it is gone.
    """

    started: int  # processes asked for so far

    async def run(self, spec: ExecSpec, output: Callable[[int, bytes], None] | None = None) -> ExitStatus:
        """Run one process to its end; `output` gets (1 or 2, bytes) as they come, in the caller's event loop.

        Raises SandboxError when the process could not be started or confined; a missing or unusable
        command is an exit code (127, 126) with a line on stderr.
        """
        ...
