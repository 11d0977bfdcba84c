"""Steps run by runc or crun: the sandbox's helper prepares the root, the runtime builds the walls."""

from __future__ import annotations

import json
import shutil
from functools import partial
from typing import TYPE_CHECKING

from ...blocking import run_blocking
from ...errors import SandboxError
from ..executor import SandboxExecutor, Stdio, ignore_notice
from ..idmap import id_map, in_user_namespace
from ..seccomp import UNCONFINED
from .config import Surroundings, runtime_config, seccomp_config

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from typing import Self

    from ..executor import ExecSpec
    from ..executor.wire import Step
    from .runtime import Runtime

__all__ = ["OciExecutor"]

_TTY_GROUP = 5
_PLACES = "/usr/bin:/bin:/usr/sbin:/sbin"
# The runtime writes its state to a hook, and fails the step when nobody reads it.
_REMOUNT = 'cat >/dev/null; exec "$0" -o "$1" "$2"'


class OciExecutor(SandboxExecutor):
    """See `Executor` for the life cycle. What the sandbox does and this does not: terminals, text that is not UTF-8.

    folder: see `SandboxExecutor`; absolute.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        runtime: Runtime,
        *,
        seccomp: str = "",
        network: Sequence[str] = (),
        notice: Callable[[str], None] = ignore_notice,
    ) -> None:
        words = (runtime.path, *runtime.flags)
        super().__init__(folder, seccomp=UNCONFINED, runtime=words, network=network, notice=notice)
        self._profile = seccomp
        self._runtime_program = runtime
        self._here: Surroundings | None = None
        self._remount = ""  # a program that gives the root back what the runtime takes from it

    async def __aenter__(self) -> Self:
        self._here = await run_blocking(_surroundings, self._profile)
        if self._runtime_program.is_crun and not self._here.in_userns:
            # It mounts the root anew and forgets `nodev`: a device node of an image would open (seen with crun 1.8).
            mount = await run_blocking(partial(shutil.which, "mount", path=_PLACES))
            if mount is None:
                raise SandboxError(
                    "crun does not keep an image's device nodes closed when llbuild is root, and there is no mount(8)"
                    " to do it instead",
                    hint="use runc, or run llbuild as an ordinary user",
                )
            self._remount = mount
        return await super().__aenter__()

    def _encode(self, spec: ExecSpec, cgroups: Sequence[str] = ()) -> Step:
        if spec.stdio is Stdio.TERMINAL:
            raise SandboxError("an OCI runtime is not given terminals", hint="use the built-in sandbox for that")
        step = super()._encode(spec, cgroups)
        assert self._here is not None
        # Where the helper puts roots: see `RootFilesystem.expose`.
        root = f"{self._folder}/stage/root"
        config = runtime_config(spec, root, self._here)
        if self._remount and not spec.insecure:
            flags = "remount,bind,nodev" + (",ro" if config["root"]["readonly"] else "")
            hook = {"path": "/bin/sh", "args": ["sh", "-c", _REMOUNT, self._remount, flags, root]}
            config["hooks"] = {"createContainer": [hook]}
            config["root"]["readonly"] = False  # the same program does it
        try:
            step["oci"] = json.dumps(config, ensure_ascii=False).encode()
        except UnicodeEncodeError as exc:
            raise SandboxError(
                "an OCI runtime takes only UTF-8 in a command, an environment or a path",
                hint="use the built-in sandbox, which takes all bytes",
            ) from exc
        return step


def _surroundings(profile: str) -> Surroundings:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        permitted = next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm:"))
    groups = id_map("gid")
    return Surroundings(
        permitted=permitted,
        maps_tty_group=any(first <= _TTY_GROUP < first + count for first, _, count in groups),
        in_userns=in_user_namespace(),
        may_set_groups=len(groups) > 1 or groups[0][2] > 1,
        seccomp=seccomp_config(profile),
    )
