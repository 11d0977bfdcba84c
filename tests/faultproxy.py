"""A proxy between a client and a real registry that does mischief to chosen requests, and passes on all others.

It stands in the registry's place, or is what $http_proxy names: then every host is the registry.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Fault", "FaultProxy", "serve_fault_proxy"]

_PIECE = 64 << 10


@dataclass(kw_only=True)
class Fault:
    """What befalls the next `times` requests whose `METHOD PATH` the pattern is found in. One of:

    status: the proxy answers itself, with `headers` and `body`. cut: the answer's body ends after so many bytes, and so
    does the connection (0: before any answer). short: the answer says and has only so many bytes. silent: nothing more
    after so many bytes. flip: the byte at this place is another. pause_s: between pieces of the body. cut_request: the
    request's body reaches the registry so far, and both connections end. strip: of the request's headers.
    """

    match: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int = -1
    short: int = -1
    silent: int = -1
    flip: int = -1
    pause_s: float = 0.0
    cut_request: int = -1
    strip: str = ""


@dataclass(kw_only=True)
class FaultProxy:
    """`requests`: `METHOD PATH` without the query, and the range that was asked for or sent, if any."""

    address: str  # 127.0.0.1:PORT
    upstream: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    released: threading.Event = field(default_factory=threading.Event)  # ends what is silent
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, match: str, **settings: object) -> None:
        self.faults.append(Fault(match=match, **settings))  # type: ignore[arg-type]

    def seen(self, match: str) -> list[str]:
        return [request for request in self.requests if re.search(match, request)]

    def take(self, request: str) -> Fault:
        with self._lock:
            for fault in self.faults:
                if fault.times and re.search(fault.match, request):
                    fault.times -= 1
                    return fault
        return Fault(match="")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultProxy


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.proxy.connections += 1

    def do_GET(self) -> None:
        try:
            self._serve()
        except OSError:  # whoever asked has had enough
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  http.server's names for them

    def _serve(self) -> None:
        proxy = self.server.proxy
        if not self.path.startswith("/"):  # RFC 9112, 3.2.2: what proxies are asked
            self.path = "/" + self.path.split("/", 3)[3]
        part = self.headers.get("Range") or self.headers.get("Content-Range") or ""
        proxy.requests.append(f"{self.command} {self.path.partition('?')[0]} {part}".strip())
        fault = proxy.take(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length") or 0)
        if fault.cut_request >= 0:
            self._half_a_request(fault.cut_request)
            return
        sent = self.rfile.read(length) if length else None
        if fault.status:
            self._answer(fault.status, {"Content-Length": str(len(fault.body)), **fault.headers})
            self.wfile.write(fault.body if self.command != "HEAD" else b"")
            return
        if fault.cut == 0:
            self.close_connection = True
            return
        upstream = http.client.HTTPConnection(proxy.upstream)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != fault.strip.lower()}
            upstream.request(self.command, self.path, body=sent, headers=headers)
            self._pass_on(upstream.getresponse(), fault)
        finally:
            upstream.close()

    def _half_a_request(self, count: int) -> None:
        """The registry, too, sees a client that went away."""
        upstream = http.client.HTTPConnection(self.server.proxy.upstream)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders()
        upstream.send(self.rfile.read(count))
        upstream.close()
        self.close_connection = True

    def _pass_on(self, response: http.client.HTTPResponse, fault: Fault) -> None:
        body = bytearray(response.read())
        headers = dict(response.getheaders())
        if 0 <= fault.flip < len(body):
            body[fault.flip] ^= 0x55
        if fault.short >= 0:
            body = body[: fault.short]
            headers["Content-Length"] = str(len(body))
        self._answer(response.status, headers)
        end = min((count for count in (fault.cut, fault.silent, len(body)) if count >= 0), default=0)
        for at in range(0, end, _PIECE):
            self.wfile.write(body[at : min(at + _PIECE, end)])
            if fault.pause_s:
                time.sleep(fault.pause_s)
        if fault.silent >= 0:
            self.wfile.flush()
            self.server.proxy.released.wait(60)
        if end < len(body):
            self.close_connection = True

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serve_fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Stands before the registry at `upstream` (host:port) until the end of the `with` block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    proxy = server.proxy = FaultProxy(address=f"127.0.0.1:{server.server_port}", upstream=upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
