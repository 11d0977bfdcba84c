"""ssh agents for steps and for git: a socket each, and what is asked there is forwarded to the client's agent."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from ..blocking import run_blocking
from ..errors import LlbuildError, first_error, raise_first
from ..llb import MountType, SshOptions
from .executor import BindMount
from .snapshot import set_owner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    from ..llb import ExecOp
    from .client import Client
    from .executor import ExtraMount
    from .snapshot import LayerStore

__all__ = ["agent_socket", "with_agents"]

_T = TypeVar("_T")
_DEFAULT_ID = "default"
_BACKLOG = 64
_MOST_CONVERSATIONS = 64  # at once; a step must not use up the files that this process may open


async def with_agents(
    op: ExecOp, client: Client, layers: LayerStore, work: Callable[[Sequence[ExtraMount]], Awaitable[_T]]
) -> _T:
    """Do `work` with the sockets that the op wants, as mounts; afterwards nobody listens on them any more.

    Raises LlbuildError naming an agent that is required and was not given.
    """
    wanted = [(mount.dest, mount.ssh or SshOptions()) for mount in op.mounts if mount.mount_type is MountType.SSH]
    given = [(dest, options) for dest, options in wanted if await _is_given(options, client)]
    if not given:
        return await work(())
    failure: LlbuildError | None = None
    active = await run_blocking(partial(layers.begin, mounted=False))  # a private folder, swept should this process die
    listeners: list[socket.socket] = []
    try:
        async with anyio.create_task_group() as group:
            mounts = []
            for number, (dest, options) in enumerate(given):
                path = f"{active.fs}/agent.{number}"
                listeners.append(await run_blocking(_listen, active.fs, path, options))
                group.start_soon(_serve, group, listeners[-1], partial(client.forward_agent, options.id or _DEFAULT_ID))
                mounts.append(BindMount(dest=dest, source=path, readonly=False))
            try:
                result = await work(mounts)
            except LlbuildError as error:  # kept out of the group, which would wrap it
                failure = error
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
    finally:
        for listener in listeners:
            listener.close()
        with anyio.CancelScope(shield=True):
            await run_blocking(layers.discard, active)
    if failure is not None:
        raise failure
    return result


@asynccontextmanager
async def agent_socket(client: Client, name: str, folder: str) -> AsyncIterator[str]:
    """The path of a socket in the folder on which the client's agent answers: for programs of this process's own."""
    path = f"{folder}/agent"
    listener = await run_blocking(_listen, folder, path, SshOptions(mode=0o600))
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_serve, group, listener, partial(client.forward_agent, name))
            try:
                yield path
            finally:
                group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise_first(errors)
    finally:
        listener.close()


async def _is_given(options: SshOptions, client: Client) -> bool:
    name = options.id or _DEFAULT_ID
    given = await client.has_agent(name)
    if not given and not options.optional:
        raise LlbuildError(
            f"the ssh agent {name!r} is required, and was not given",
            hint=f"add --ssh {name}" + ("" if name == _DEFAULT_ID else "=SOCKET or =KEY"),
        )
    return given


def _listen(folder: str, path: str, options: SshOptions) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # By way of the descriptor: the name of a socket must not be longer than 107 bytes, unix(7).
        listener.bind(f"/proc/self/fd/{handle}/{os.path.basename(path)}")
        set_owner(path, (options.uid, options.gid))
        os.chmod(path, options.mode & 0o777)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(handle)
    return listener


async def _serve(
    group: TaskGroup, listener: socket.socket, forward: Callable[[socket.socket], Awaitable[None]]
) -> None:
    room = anyio.Semaphore(_MOST_CONVERSATIONS)
    while True:
        await room.acquire()
        stream: socket.socket | None = None
        while stream is None:
            await anyio.wait_readable(listener)
            with suppress(BlockingIOError, ConnectionAbortedError):  # whoever asked has gone again
                stream, _ = listener.accept()
        stream.settimeout(0)
        group.start_soon(_answer, stream, forward, room)


async def _answer(
    stream: socket.socket, forward: Callable[[socket.socket], Awaitable[None]], room: anyio.Semaphore
) -> None:
    try:
        with stream, suppress(OSError):  # one side is gone; the other sees its stream end
            await forward(stream)
    finally:
        room.release()
