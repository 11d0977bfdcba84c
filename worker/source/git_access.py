"""How git may log in: http headers and ssh agents, out of what the client gives."""

from __future__ import annotations

import os
import shlex
import tempfile
from base64 import b64encode
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ...blocking import run_blocking
from ...errors import SourceError
from ..agents import agent_socket
from ..snapshot import remove_tree
from .git_target import host_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..client import Client
    from .git_target import GitTarget

__all__ = ["login_settings", "ssh_environment"]

# One token serves all of these, so that submodules can be had, too; elsewhere it is for the one repository.
_SHARED = ("https://github.com/", "https://www.github.com/")
_NO_HOST_IS_STRANGE = ("-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/dev/null")

_PATIENCE = ("-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=30")


async def login_settings(target: GitTarget, client: Client) -> dict[str, str]:
    """git's configuration that logs in to an http remote, where there is a secret for it."""
    if not target.remote.lower().startswith(("http://", "https://")):
        return {}
    host = host_of(target.remote)
    names = [(f"{name}.{host}", token) for name, token in _secrets(target)]
    if not target.parent or _scope(target.parent) == _scope(target.remote):
        names += _secrets(target)
    for name, token in names:
        secret = await client.secret(name)
        if secret is not None:
            value = secret.decode("latin-1").strip()
            if token:
                value = "basic " + b64encode(f"x-access-token:{value}".encode("latin-1")).decode()
            return {f"http.{_scope(target.remote)}.extraheader": f"Authorization: {value}"}
    return {}


def _secrets(target: GitTarget) -> list[tuple[str, bool]]:
    """Names, and whether it is a token: what the header is made of."""
    named = ((target.header_secret, False), (target.token_secret, True))
    return [(name, token) for name, token in named if name]


def _scope(remote: str) -> str:
    """The URLs that the header is for."""
    scheme, _, rest = remote.partition("://")
    place, slash, path = rest.partition("/")
    plain = f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"
    return next((shared for shared in _SHARED if plain.startswith(shared)), plain)


@asynccontextmanager
async def ssh_environment(target: GitTarget, client: Client) -> AsyncIterator[dict[str, str]]:
    """What git needs to speak ssh, as long as the block lasts.

    Raises SourceError when the agent was not given.
    """
    if "://" in target.remote and not target.remote.lower().startswith("ssh://"):
        yield {}
        return
    async with AsyncExitStack() as stack:
        folder = await run_blocking(tempfile.mkdtemp, "", "llbuild-ssh-")
        stack.push_async_callback(_remove, folder)
        command = await run_blocking(_ssh_command, target, folder)
        found = {"GIT_SSH_COMMAND": command, "GIT_SSH_VARIANT": "ssh"}
        if target.agent:
            if not await client.has_agent(target.agent):
                raise SourceError(
                    f"{target.shown} is reached by ssh, and no agent {target.agent!r} was given for it",
                    ref=target.shown,
                    hint=f"add --ssh {target.agent}, with an ssh agent running",
                )
            found["SSH_AUTH_SOCK"] = await stack.enter_async_context(agent_socket(client, target.agent, folder))
        yield found


async def _remove(folder: str) -> None:
    with anyio.CancelScope(shield=True):
        await run_blocking(remove_tree, folder)


def _ssh_command(target: GitTarget, folder: str) -> str:
    """ssh with no settings and keys of the user's own. folder: for files that it reads."""
    words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentityFile=none", *_PATIENCE]
    if target.known_hosts:
        known = Path(folder, "known_hosts")
        known.write_text(target.known_hosts, encoding="utf-8", errors="surrogateescape")
        words += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}"]
    else:  # as in BuildKit, whoever answers is believed; not, however, where the user knows better
        own = os.path.expanduser("~/.ssh/known_hosts")
        words += [*_NO_HOST_IS_STRANGE, "-o", f"GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts {own}"]
    return shlex.join(words)
