"""A web server on loopback that does as it is told: conditional requests, and every mischief."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

__all__ = ["LoopbackServer", "Page", "WebServer", "serve_pages"]


@dataclass(kw_only=True)
class Page:
    """What a path answers. With an `etag` or a date it is answered 304 to whoever has it, unless it `ignores_tags`.

    `sent`: how much of the body is sent before the connection ends; `failures`: answers of 503 before the first good
    one; `hangs`: nothing more is sent after `sent` bytes, and the connection stays; `login`: the header that is asked
    for.
    """

    body: bytes = b""
    status: int = 200
    etag: str = ""
    modified: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    failures: int = 0
    hangs: bool = False
    chunked: bool = False
    ignores_tags: bool = False
    login: str = ""

    def known_to(self, if_none_match: str, if_modified_since: str) -> bool:
        if self.ignores_tags:
            return False
        if self.etag and if_none_match:
            return if_none_match == self.etag
        return bool(self.modified) and if_modified_since == self.modified


@dataclass(kw_only=True)
class WebServer:
    address: str  # http://127.0.0.1:PORT
    pages: dict[str, Page] = field(default_factory=dict)  # by path, with its query
    requests: list[tuple[str, int]] = field(default_factory=list)  # path and the status it was answered
    headers: list[dict[str, str]] = field(default_factory=list)  # of each request, names in lower case
    released: threading.Event = field(default_factory=threading.Event)  # ends what hangs

    def url(self, path: str) -> str:
        return self.address + path

    def put(self, path: str, body: bytes = b"", **settings: object) -> str:
        """Serve this from now on; its URL."""
        self.pages[path] = Page(body=body, **settings)  # type: ignore[arg-type]
        return self.url(path)

    @property
    def statuses(self) -> list[int]:
        return [status for _, status in self.requests]


class LoopbackServer(ThreadingHTTPServer):
    """A server that is quiet about clients that go away, as builds that fail or are cancelled do."""

    daemon_threads = True

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serves inside the `with` block."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Server(LoopbackServer):
    web: WebServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        web = self.server.web
        given = {name.lower(): value for name, value in self.headers.items()}
        page = web.pages.get(self.path, Page(status=404))
        status = page.status
        if page.login and given.get("authorization") != page.login:
            status = 401
        elif page.failures > 0:
            page.failures -= 1
            status = 503
        elif page.known_to(given.get("if-none-match", ""), given.get("if-modified-since", "")):
            status = 304
        web.requests.append((self.path, status))
        web.headers.append(given)
        self._answer(page, status)

    def _answer(self, page: Page, status: int) -> None:
        body = page.body if status == page.status else b""
        self.send_response(status)
        tags = {"ETag": page.etag, "Last-Modified": page.modified}
        for name, value in {**{name: value for name, value in tags.items() if value}, **page.headers}.items():
            self.send_header(name, value)
        if page.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = body[: page.sent]
        try:
            self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n" if page.chunked and sent else sent)
            if page.hangs:
                self.wfile.flush()
                self.server.web.released.wait(60)
            if page.chunked and page.sent is None:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:  # whoever asked has had enough
            self.close_connection = True
        if page.sent is not None:
            self.close_connection = True

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serve_pages() -> Iterator[WebServer]:
    """Runs until the end of the `with` block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.web = web = WebServer(address=f"http://127.0.0.1:{server.server_port}")
    with server.serving():
        try:
            yield web
        finally:
            web.released.set()
