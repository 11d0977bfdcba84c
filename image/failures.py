"""What breaks a conversation over HTTP, in words, and whether it may go better the next time."""

from __future__ import annotations

import os

import httpx

__all__ = ["BROKEN_OFF", "PASSING", "reason_of"]

PASSING = frozenset({408, 429, 500, 502, 503, 504})  # answers that may be others the next time
# What breaks a connection that stood. One that cannot be made (refused, no such host) is no better a second later.
BROKEN_OFF = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError, httpx.TimeoutException)


def reason_of(error: BaseException) -> str:
    """The innermost cause, in words: `Connection refused` says more than `All connection attempts failed`."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    cause: BaseException | None = error
    while cause is not None:
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause
        if isinstance(inner, OSError) and inner.errno is not None:
            # A resolver's error has its own numbers, below 0, and the right words; asyncio makes up words.
            return os.strerror(inner.errno) if inner.errno > 0 else str(inner.strerror)
        cause = inner.__cause__ or inner.__context__
    return str(error) or type(error).__name__
