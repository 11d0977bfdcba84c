"""The secrets a process is given: fetched right before it starts, kept in memory, in no key and no message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..llb import MountType, SecretOptions
from ..values import frozen
from .executor import SecretMount

if TYPE_CHECKING:
    from ..llb import ExecOp
    from .client import Client

__all__ = ["ExecSecrets", "fetch_secrets"]


@frozen
class ExecSecrets:
    """As files, and as variables "K=V"."""

    mounts: tuple[SecretMount, ...] = ()
    env: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ExecSecrets({len(self.mounts)} files, {len(self.env)} variables)"


async def fetch_secrets(op: ExecOp, client: Client) -> ExecSecrets:
    """Ask the client for all that the op wants, each once.

    Raises LlbuildError naming a secret that is required and was not given.
    """
    options = [(mount, mount.secret or SecretOptions()) for mount in op.mounts if mount.mount_type is MountType.SECRET]
    names = [secret.id for _, secret in options] + [secret.id for secret in op.secret_env]
    found = {name: await client.secret(name) for name in dict.fromkeys(names)}
    mounts = []
    for mount, secret in options:
        data = _demanded(found, secret.id, optional=secret.optional)
        if data is not None:
            mode = secret.mode & 0o777
            mounts.append(SecretMount(dest=mount.dest, data=data, uid=secret.uid, gid=secret.gid, mode=mode))
    env = []
    for variable in op.secret_env:
        data = _demanded(found, variable.id, optional=variable.optional)
        if data is not None:
            env.append(f"{variable.name}={_as_text(variable.id, data)}")
    return ExecSecrets(mounts=tuple(mounts), env=tuple(env))


def _demanded(found: dict[str, bytes | None], name: str, *, optional: bool) -> bytes | None:
    data = found[name]
    if data is None and not optional:
        raise LlbuildError(
            f"the secret {name!r} is required, and was not given",
            hint=f"add --secret id={name},src=FILE or --secret id={name},env=NAME",
        )
    return data


def _as_text(name: str, data: bytes) -> str:
    if b"\0" in data:  # told here: whoever finds it later might quote it
        raise LlbuildError(
            f"the secret {name!r} holds a zero byte, which no environment variable can",
            hint="mount it as a file: leave env= out",
        )
    return os.fsdecode(data)
