"""What passes between a step and an ssh agent, message by message."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from llbuild.cli.agent import pass_questions_on

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

pytestmark = pytest.mark.anyio

LIST, ANSWER, SIGN = b"\x0b", b"\x0c", b"\x0dkey and data"


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


async def talk(asked: bytes, agent: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> bytes:
    """Everything a step gets to read that says `asked` and then nothing more."""
    step, ours = socket.socketpair()
    theirs, far = socket.socketpair()
    for end in (step, ours, theirs, far):
        end.settimeout(0)
    with step, ours, theirs, far:
        step.sendall(asked)
        step.shutdown(socket.SHUT_WR)
        async with anyio.create_task_group() as group:
            group.start_soon(agent, far)
            with suppress(OSError):
                await pass_questions_on(ours, theirs)
            group.cancel_scope.cancel()
        ours.close()
        return step.recv(1 << 16)


async def echo(far: socket.socket) -> None:
    """An agent that answers with what it was asked, a byte at a time."""
    while True:
        await anyio.wait_readable(far)
        for byte in far.recv(1 << 16):
            far.send(bytes([byte]))
            await anyio.lowlevel.checkpoint()


async def gone(far: socket.socket) -> None:
    far.close()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([LIST, SIGN, LIST], [LIST, SIGN, LIST]),
        ([b"\x11add", b"\x12remove", b"\x13", b"\x16lock", b"\x17unlock", b"\x19add", b"\x1bextension"], [b"\x05"] * 7),
        ([b"\x13", LIST], [b"\x05", LIST]),
        ([], []),
    ],
)
async def test_keys_are_listed_and_used_and_nothing_else(asked: list[bytes], answered: list[bytes]) -> None:
    assert await talk(framed(*asked), echo) == framed(*answered)


async def test_an_agent_that_is_gone_ends_the_conversation() -> None:
    assert await talk(framed(LIST), gone) == b""


@pytest.mark.parametrize("asked", [bytes(4), b"\xff\xff\xff\xff", framed(LIST)[:3]])
async def test_what_is_no_message_ends_it_too(asked: bytes) -> None:
    assert await talk(asked, echo) == b""
