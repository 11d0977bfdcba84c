"""Talking to an ssh agent for a step: it may ask which keys there are and have something signed, and nothing else.

Protocol: draft-ietf-sshm-ssh-agent. A message is its length (4 bytes, big endian), a byte that says what it is, and
the rest. Each request has one answer, in order. What is refused is what BuildKit refuses: to add, remove or lock keys,
and extensions.
"""

from __future__ import annotations

import socket

import anyio

__all__ = ["connect", "pass_on", "pass_questions_on"]

_LIST_KEYS, _SIGN = 11, 13  # SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENTC_SIGN_REQUEST
_FAILURE = b"\x05"  # SSH_AGENT_FAILURE
_LONGEST_BYTES = 256 << 10  # OpenSSH's own limit
_LENGTH_BYTES = 4
_READ_BYTES = 1 << 14


def connect(path: str) -> socket.socket:
    """A connection to the socket, not blocking. Raises OSError."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        found.connect(path)
        found.settimeout(0)
    except BaseException:
        found.close()
        raise
    return found


async def pass_questions_on(stream: socket.socket, agent: socket.socket) -> None:
    """Answer requests with the agent's answers, or refuse them, until either side is closed. Raises OSError."""
    asked, answers = _Messages(stream), _Messages(agent)
    while (request := await asked.next()) is not None:
        answer: bytes | None = _FAILURE
        if request[:1] in (bytes([_LIST_KEYS]), bytes([_SIGN])):
            await _send(agent, request)
            answer = await answers.next()
        if answer is None:
            return
        await _send(stream, answer)


async def pass_on(stream: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both sides are closed. Raises OSError."""

    async def carry(source: socket.socket, target: socket.socket) -> None:
        while data := await _receive(source):
            await _write(target, data)
        target.shutdown(socket.SHUT_WR)

    failures: list[OSError] = []

    async def carry_or_note(source: socket.socket, target: socket.socket) -> None:
        try:
            await carry(source, target)
        except OSError as error:  # kept out of the group, which would wrap it
            failures.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(carry_or_note, stream, other)
        group.start_soon(carry_or_note, other, stream)
    if failures:
        raise failures[0]


class _Messages:
    """The messages that come from one side."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._data = bytearray()

    async def next(self) -> bytes | None:
        """The next message without its length; None at the end, and where something comes that is no message."""
        while True:
            end = _LENGTH_BYTES + int.from_bytes(self._data[:_LENGTH_BYTES], "big")
            if len(self._data) >= max(end, _LENGTH_BYTES + 1):
                message = bytes(self._data[_LENGTH_BYTES:end])
                del self._data[:end]
                return message or None
            if len(self._data) >= _LENGTH_BYTES and not _LENGTH_BYTES < end <= _LONGEST_BYTES:
                return None
            data = await _receive(self._source)
            if not data:
                return None
            self._data += data


async def _send(target: socket.socket, message: bytes) -> None:
    await _write(target, len(message).to_bytes(_LENGTH_BYTES, "big") + message)


async def _receive(source: socket.socket) -> bytes:
    while True:
        try:
            return source.recv(_READ_BYTES)
        except BlockingIOError:
            await anyio.wait_readable(source)


async def _write(target: socket.socket, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[target.send(view) :]
        except BlockingIOError:
            await anyio.wait_writable(target)
