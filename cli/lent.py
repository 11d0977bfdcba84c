"""What `--secret` and `--ssh` name, on this machine: looked at before a build, read during it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import UsageError
from .given import MAX_SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .given import AgentSource, SecretSource
    from .solve_options import SolveOptions

__all__ = ["check_given", "read_secret", "socket_of"]


def check_given(options: SolveOptions, environ: Mapping[str, str]) -> None:
    """Refuse before the build what it could not be given. Raises UsageError."""
    for secret in options.secrets:
        _check_secret(secret, environ)
    for agent in options.agents:
        socket_of(agent, environ)


def _check_secret(source: SecretSource, environ: Mapping[str, str]) -> None:
    path = _path_of(source, environ)
    if not path:
        if source.variable not in environ and source.variable:
            raise UsageError(f"--secret id={source.id}: there is no environment variable {source.variable}")
        return
    try:
        found = os.stat(path)
    except OSError as error:
        more = "" if source.path else f", nor an environment variable {source.id}"
        raise UsageError(
            f"--secret id={source.id}: there is no file {path!r}{more}"
            if isinstance(error, FileNotFoundError)
            else f"--secret id={source.id}: cannot read {path!r}: {error.strerror}"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise UsageError(f"--secret id={source.id}: {path!r} is a folder")
    if found.st_size > MAX_SECRET_BYTES:
        raise _too_large(source)


def _path_of(source: SecretSource, environ: Mapping[str, str]) -> str:
    """Of the file it is in; "" when it is in a variable."""
    if source.path or source.variable:
        return source.path
    return "" if source.id in environ else source.id


def read_secret(source: SecretSource, environ: Mapping[str, str]) -> bytes:
    """Raises UsageError."""
    path = _path_of(source, environ)
    if not path:
        data = os.fsencode(environ.get(source.variable or source.id, ""))
    else:
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise UsageError(f"--secret id={source.id}: cannot read {path!r}: {error.strerror}") from None
    if len(data) > MAX_SECRET_BYTES:
        raise _too_large(source)
    return data


def _too_large(source: SecretSource) -> UsageError:
    return UsageError(f"--secret id={source.id}: it is larger than {MAX_SECRET_BYTES >> 10} KiB")


def socket_of(agent: AgentSource, environ: Mapping[str, str]) -> str:
    """The path of an agent's socket; "" when it is to be made of keys. Raises UsageError."""
    paths = agent.paths or (environ.get("SSH_AUTH_SOCK", ""),)
    if paths == ("",):
        raise UsageError(
            f"--ssh {agent.id}: no agent is running ($SSH_AUTH_SOCK is not set)",
            hint=f"start one, or name a key: --ssh {agent.id}=$HOME/.ssh/id_ed25519",
        )
    sockets = []
    for path in paths:
        try:
            found = os.stat(path)
        except OSError as error:
            raise UsageError(f"--ssh {agent.id}: cannot use {path!r}: {error.strerror}") from None
        if stat.S_ISSOCK(found.st_mode):
            sockets.append(path)
        elif agent.raw or not stat.S_ISREG(found.st_mode):
            raise UsageError(f"--ssh {agent.id}: {path!r} is not a socket{'' if agent.raw else ' and not a key'}")
    if sockets and len(paths) > 1:
        raise UsageError(f"--ssh {agent.id}: a socket stands alone; keys and sockets cannot be mixed")
    return sockets[0] if sockets else ""
