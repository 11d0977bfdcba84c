"""Steps without namespaces, for containers that permit none beyond their own; seen from llbuild."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...blocking import run_blocking
from ...errors import SandboxError
from .sandbox import SandboxExecutor, ignore_notice
from .spec import SecretMount, Stdio, TmpfsMount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from .spec import ExecSpec
    from .wire import Step

__all__ = ["ChrootExecutor"]

NOTICE = (
    "steps are not isolated (--isolation=chroot): processes, network, hostname, IPC and devices are those of this"
    " machine or container; only the root filesystem is theirs"
)
_CAP_SYS_CHROOT = 18


class ChrootExecutor(SandboxExecutor):
    """See `Executor` for the life cycle. Roots must be folders (the native snapshotter); mounts are copied into them.

    What it refuses, by name: secrets as files unless `folder` is in memory, a size of a tmpfs, terminals.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        seccomp: str = "",
        notice: Callable[[str], None] = ignore_notice,
    ) -> None:
        super().__init__(folder, seccomp=seccomp, chroot=True, notice=notice)
        self._in_memory = False

    async def __aenter__(self) -> Self:
        self._in_memory = await run_blocking(self._look)
        self._notice(NOTICE)
        return await super().__aenter__()

    def _look(self) -> bool:
        """Whether what is written to the folder stays in memory. Raises SandboxError where chroot(2) is refused."""
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            permitted = next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm:"))
        if not permitted >> _CAP_SYS_CHROOT & 1:
            raise SandboxError("chroot is not permitted here", hint="run as root, with CAP_SYS_CHROOT")
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            kinds = {line.split(" ")[2]: line.partition(" - ")[2].split(" ")[0] for line in mounts}
        device = os.stat(self._folder).st_dev
        return kinds.get(f"{os.major(device)}:{os.minor(device)}") in {"tmpfs", "ramfs"}

    def _encode(self, spec: ExecSpec, cgroups: Sequence[str] = ()) -> Step:
        if spec.stdio is Stdio.TERMINAL:
            raise SandboxError("a step without namespaces has no terminal of its own", hint="use the built-in sandbox")
        for mount in spec.mounts:
            if isinstance(mount, SecretMount) and not self._in_memory:
                raise SandboxError(
                    f"the secret at {mount.dest} would have to be written to the disk: steps have no mounts here",
                    hint="give it as a variable (env=), or keep the state in memory (--root /dev/shm/...)",
                )
            if isinstance(mount, TmpfsMount) and mount.size_bytes:
                raise SandboxError(
                    f"the size of the tmpfs at {mount.dest} cannot be bounded: steps have no mounts here",
                    hint="leave size= out, or use the built-in sandbox",
                )
        return super()._encode(spec, cgroups)
