"""Which runtime, and how it is called."""

from __future__ import annotations

import os
import shutil

from ...errors import SandboxError
from ...values import frozen

__all__ = ["Runtime", "find_runtime"]

_KNOWN = ("runc", "crun")
_PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # PATH of an ordinary user may lack sbin


@frozen
class Runtime:
    """A program that understands `run --bundle FOLDER ID`."""

    path: str

    @property
    def is_crun(self) -> bool:
        return os.path.basename(self.path).startswith("crun")

    @property
    def flags(self) -> tuple[str, ...]:
        """What keeps it from making cgroups: a step stays in the one it was started in."""
        if self.is_crun:
            return ("--cgroup-manager=disabled",)
        return ("--rootless=true",)  # errors about cgroups do not count then, and it sees them read-only


def find_runtime(wanted: str = "") -> Runtime:
    """The runtime with this name or path; "" is whichever is installed. Raises SandboxError."""
    names = (wanted,) if wanted else _KNOWN
    for name in names:
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")
        if path is not None:
            return Runtime(path=os.path.abspath(path))
    raise SandboxError(f"no OCI runtime {' or '.join(names)} was found", hint="install runc or crun, or name its path")
