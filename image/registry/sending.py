"""Large request bodies, on connections of their own: from the file to the kernel, in a thread for each.

Through the event loop and httpx every byte is copied five times, by an interpreter that does one thing at a time. Here
sendfile(2) copies it once; where there is TLS, OpenSSL encrypts it without holding the interpreter up. The connections
are those of http.client, and are kept for what is to be sent next. Spec: RFC 9112.
"""

from __future__ import annotations

import errno
import http.client
import os
import select
import socket
import ssl
import threading
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpx

from ...blocking import run_blocking
from ...errors import SourceError, raise_first
from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import BinaryIO

__all__ = ["BodySender", "FilePart", "goes_by_proxy"]

_SLICE_BYTES = 4 << 20  # at once: how far it is is told between them
_PIECE_BYTES = 1 << 20
_ANSWER_BYTES = 64 << 10  # what is read of an answer: the longest are errors
_REPORT_S = 0.1


@frozen(kw_only=False)
class FilePart:
    """Part of a file as a request's body. open: called in other threads, several times. report: bytes sent so far."""

    name: str
    open: Callable[[], BinaryIO]
    offset: int
    size_bytes: int
    report: Callable[[int], None]

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, a piece at a time, as it is taken."""
        sent = 0
        while sent < self.size_bytes:
            data = await run_blocking(self.read, sent)
            for start in range(0, len(data), _PIECE_BYTES):
                piece = data[start : start + _PIECE_BYTES]
                yield piece
                sent += len(piece)
                self.report(sent)

    def read(self, start: int = 0) -> bytes:
        """What is in it from there on, at most 4 MiB. Blocks."""
        with self.open() as file:
            file.seek(self.offset + start)
            data = file.read(min(_SLICE_BYTES, self.size_bytes - start))
        if not data:
            raise self.too_short()
        return data

    def too_short(self) -> SourceError:
        words = f"{self.name} is shorter than {self.offset + self.size_bytes} bytes: it changed while it was sent"
        return SourceError(words, ref=self.name)


def goes_by_proxy(url: httpx.URL) -> bool:
    """Whether the environment ($HTTPS_PROXY, $NO_PROXY, …) may have a proxy for it: that is httpx's to know."""
    proxies = urllib.request.getproxies()
    named = url.scheme in proxies or "all" in proxies
    return named and not urllib.request.proxy_bypass(url.netloc.decode())


class BodySender:
    """Usable by many tasks at once; `close` it when none of them sends."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}  # by scheme, and host and port

    def close(self) -> None:
        """Close what is kept."""
        for kept in self._idle.values():
            for connection in kept:
                connection.close()
        self._idle.clear()

    async def send(self, request: httpx.Request, body: FilePart, context: ssl.SSLContext | None) -> httpx.Response:
        """The answer, read (its first 64 KiB). context: for https. Cancelled, it breaks the connection off.

        How long it waits says the request's extension `timeout`, as with httpx.

        Raises httpx.TransportError and ssl.SSLError, SourceError when the file is too short.
        """
        exchange = _Exchange(request, body, self._connection(request, context))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_watch, exchange)
                try:
                    response, reusable = await run_blocking(exchange.run)
                except (httpx.TransportError, ssl.SSLError):
                    await anyio.lowlevel.checkpoint_if_cancelled()  # which is why it broke off
                    raise
                group.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            raise_first(errors)
        body.report(exchange.sent)
        if reusable:
            self._idle.setdefault(_place(request.url), []).append(exchange.connection)
        return response

    def _connection(self, request: httpx.Request, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
        """One that is kept and stands, or a new one, not yet connected."""
        url, connect_s = request.url, request.extensions["timeout"]["connect"]
        kept = self._idle.get(_place(url), [])
        while kept:
            connection = kept.pop()
            if _is_quiet(connection.sock):
                return connection
            connection.close()  # with something to read before anything was asked, it has ended
        host = url.raw_host.decode()
        if context is None:
            return http.client.HTTPConnection(host, url.port, timeout=connect_s)
        return http.client.HTTPSConnection(host, url.port, timeout=connect_s, context=context)


def _place(url: httpx.URL) -> tuple[str, str]:
    return url.scheme, url.netloc.decode()


async def _watch(exchange: _Exchange) -> None:
    """Report how far it is; break it off when the task is cancelled, for its thread cannot be."""
    try:
        while True:
            await anyio.sleep(_REPORT_S)
            exchange.body.report(exchange.sent)
    finally:
        exchange.stop()


class _Exchange:
    """One request and its answer. `sent`: bytes of the body so far."""

    def __init__(self, request: httpx.Request, body: FilePart, connection: http.client.HTTPConnection) -> None:
        self.request, self.body, self.connection = request, body, connection
        self._waits_s: dict[str, float | None] = request.extensions["timeout"]
        self._over = threading.Event()
        self.sent = 0

    def run(self) -> tuple[httpx.Response, bool]:
        """The answer, and whether the connection serves for another. Blocks."""
        try:
            return self._run()
        except BaseException:
            self.connection.close()
            raise
        finally:
            self._over.set()

    def stop(self) -> None:
        """Break off what is under way; nothing when it is done."""
        sock = self.connection.sock
        if not self._over.is_set() and sock is not None:
            with suppress(OSError):
                # Not its own shutdown: a TLS socket would go on in the clear, for the moment until it is shut.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _run(self) -> tuple[httpx.Response, bool]:
        with self._told_as(httpx.ConnectTimeout, httpx.ConnectError):
            if self.connection.sock is None:
                self.connection.connect()
            self.connection.sock.settimeout(self._waits_s["write"])
        with self._told_as(httpx.WriteTimeout, httpx.WriteError):
            try:
                self._send()
            except (BrokenPipeError, ConnectionResetError):
                with suppress(OSError, http.client.HTTPException):  # it may have said why
                    return self._answer(reusable=False)
                raise
        with self._told_as(httpx.ReadTimeout, httpx.ReadError):
            self.connection.sock.settimeout(self._waits_s["read"])
            return self._answer(reusable=True)

    def _send(self) -> None:
        connection, request = self.connection, self.request
        connection.putrequest(request.method, request.url.raw_path.decode(), skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.raw:
            connection.putheader(name, value)
        connection.endheaders()
        with self.body.open() as file:
            if isinstance(connection.sock, ssl.SSLSocket) or not _is_real(file):
                self._send_copies(file, connection.sock)
            else:
                self._send_file(file, connection.sock)

    def _send_file(self, file: BinaryIO, sock: socket.socket) -> None:
        while self.sent < self.body.size_bytes:
            count = min(_SLICE_BYTES, self.body.size_bytes - self.sent)
            sent = sock.sendfile(file, self.body.offset + self.sent, count)
            if not sent:
                raise self.body.too_short()
            self.sent += sent

    def _send_copies(self, file: BinaryIO, sock: socket.socket) -> None:
        file.seek(self.body.offset)
        while self.sent < self.body.size_bytes:
            data = file.read(min(_PIECE_BYTES, self.body.size_bytes - self.sent))
            if not data:
                raise self.body.too_short()
            sock.sendall(data)
            self.sent += len(data)

    def _answer(self, *, reusable: bool) -> tuple[httpx.Response, bool]:
        answer = self.connection.getresponse()
        data = answer.read(_ANSWER_BYTES)
        reusable = reusable and answer.isclosed() and not answer.will_close
        if not reusable:
            self.connection.close()
        response = httpx.Response(answer.status, headers=answer.getheaders(), content=data, request=self.request)
        return response, reusable

    @contextmanager
    def _told_as(self, late: type[httpx.TransportError], other: type[httpx.TransportError]) -> Iterator[None]:
        """What goes wrong, as httpx tells it."""
        try:
            yield
        except ssl.SSLError:
            raise
        except TimeoutError as error:
            raise late(str(error), request=self.request) from error
        except http.client.HTTPException as error:  # no HTTP, or the end in place of an answer
            raise httpx.RemoteProtocolError(str(error), request=self.request) from error
        except OSError as error:
            if error.errno == errno.EIO:  # the file's disk: no connection says that
                raise SourceError(f"cannot read {self.body.name}: {error.strerror}", ref=self.body.name) from error
            raise other(str(error), request=self.request) from error


def _is_quiet(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return not poll.poll(0)


def _is_real(file: BinaryIO) -> bool:
    """Whether the kernel can read it."""
    try:
        return os.fstat(file.fileno()).st_size >= 0
    except OSError:  # io.UnsupportedOperation is one: bytes in memory
        return False
