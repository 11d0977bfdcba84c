"""What breaks a conversation over HTTP, in words, and whether it may go better the next time."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BROKEN_OFF", "PASSING", "reason_of", "tls_reason"]

PASSING = frozenset({408, 429, 500, 502, 503, 504})  # answers that may be others the next time
# What breaks a connection that stood. One that cannot be made (refused, no such host) is no better a second later.
BROKEN_OFF = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError, httpx.TimeoutException)


def reason_of(error: BaseException) -> str:
    """The innermost cause, in words: `Connection refused` says more than `All connection attempts failed`."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return _tls_words(cause)
        if isinstance(cause, OSError) and cause.errno is not None:
            # A resolver's error has its own numbers, below 0, and the right words; asyncio makes up words.
            return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    return str(error) or type(error).__name__


def tls_reason(error: BaseException, host: str) -> tuple[str, str] | None:
    """What is wrong with the certificates, or with TLS as such, and what to do; None when it is something else.

    Nothing of it passes by itself.
    """
    found = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if found is None or isinstance(found, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "RECORD" in (found.reason or ""):
        return None  # cut off, or damaged on the way
    settings = f'[registry."{host}"] of the config file'
    if isinstance(found, ssl.SSLCertVerificationError):
        hint = f"name the authority it is signed by: ca in {settings}, or $SSL_CERT_FILE"
    elif found.reason == "WRONG_VERSION_NUMBER":
        hint = f"if it speaks plain http, say http = true in {settings}"
    elif "CERTIFICATE" in (found.reason or ""):
        hint = f"if it wants a client certificate, name one: keypair in {settings}"
    else:
        hint = ""
    return _tls_words(found), hint


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {error.verify_message}"
    return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is behind it; of a group, what is behind its first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause
        if inner is not cause:
            yield inner
        cause = inner.__cause__ or inner.__context__
