"""The client of a build on the command line: answers what steps ask for with what `--secret` and `--ssh` name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from .agent import connect, pass_on, pass_questions_on
from .lent import read_secret, socket_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import socket
    from types import TracebackType
    from typing import Self

    from .given import AgentSource, SecretSource
    from .keyagent import KeyAgent

__all__ = ["CommandLineClient"]


class CommandLineClient:
    """See `worker.Client`. Use it with `async with`: agents made of keys end with it."""

    def __init__(self, secrets: Iterable[SecretSource], agents: Iterable[AgentSource]) -> None:
        self._secrets = {secret.id: secret for secret in secrets}  # the last of that id, as with docker
        self._agents = {agent.id: agent for agent in agents}
        self._read: dict[str, bytes] = {}  # once for the whole build: it may be a pipe
        self._made: dict[str, KeyAgent] = {}
        self._reading, self._making = anyio.Lock(), anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            for agent in self._made.values():
                await run_blocking(agent.close)

    async def secret(self, name: str) -> bytes | None:
        source = self._secrets.get(name)
        if source is None:
            return None
        async with self._reading:
            if name not in self._read:
                self._read[name] = await run_blocking(read_secret, source, os.environ)
            return self._read[name]

    async def has_agent(self, name: str) -> bool:
        source = self._agents.get(name)
        if source is None:
            return False
        if not await run_blocking(socket_of, source, os.environ):
            await self._make_agent(source)
        return True

    async def forward_agent(self, name: str, stream: socket) -> None:
        source, made = self._agents[name], self._made.get(name)
        path = await run_blocking(socket_of, source, os.environ) if made is None else made.path
        with await run_blocking(connect, path) as agent:
            await (pass_on if source.raw else pass_questions_on)(stream, agent)

    async def _make_agent(self, source: AgentSource) -> None:
        from .keyagent import KeyAgent

        async with self._making:
            if source.id not in self._made:
                self._made[source.id] = await run_blocking(KeyAgent, source.paths)
