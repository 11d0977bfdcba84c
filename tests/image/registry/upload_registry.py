"""A registry that takes uploads and misbehaves on demand: whatever it got is there to be looked at."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from llbuild.tests.webserver import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SPEAKS = re.compile(r"digest=sha256(?:%3A|:)([0-9a-f]{64})")


@dataclass(kw_only=True)
class UploadRegistry:
    """`break_after`: bytes of the next PATCH after which the connection is cut; -1: never. `chunks`: knows PATCH."""

    address: str = ""
    break_after: int = -1
    chunks: bool = True
    keeps_broken: bool = True  # what came before the cut
    least_chunk: str = ""
    refuse_after: int = -1  # bytes of the next PUT after which it is refused, and the connection ends
    hangs_up: bool = False  # after each PUT, without a word
    stalls: bool = False  # reads nothing of a PUT
    stalled: threading.Event = field(default_factory=threading.Event)  # it does so now
    released: threading.Event = field(default_factory=threading.Event)  # ends that
    busy: int = 0  # how many requests are still answered with 503
    blobs: dict[str, bytes] = field(default_factory=dict)  # by hex
    partial: bytes = b""
    requests: list[str] = field(default_factory=list)


class _Server(LoopbackServer):
    registry: UploadRegistry


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.note()
        self.answer(200 if self.path.rpartition(":")[2] in self.server.registry.blobs else 404)

    def do_POST(self) -> None:
        self.note()
        if self.server.registry.busy:
            self.server.registry.busy -= 1
            self.answer(503)
            return
        self.server.registry.partial = b""
        headers = {"Location": "/v2/tool/upload?state=a%3D"}
        if self.server.registry.least_chunk:
            headers["OCI-Chunk-Min-Length"] = self.server.registry.least_chunk
        self.answer(202, headers)

    def do_GET(self) -> None:
        self.note()
        last = max(0, len(self.server.registry.partial) - 1)
        self.answer(204, {"Location": "/v2/tool/upload?state=c", "Range": f"0-{last}"})

    def do_PATCH(self) -> None:
        length = int(self.headers["Content-Length"])
        self.note(self.headers["Content-Range"])
        if not self.server.registry.chunks:
            self.rfile.read(length)
            self.answer(405)
            return
        if self.server.registry.break_after >= 0:
            came = self.rfile.read(self.server.registry.break_after)
            self.server.registry.partial += came if self.server.registry.keeps_broken else b""
            self.server.registry.break_after = -1
            self.close_connection = True
            return
        self.server.registry.partial += self.rfile.read(length)
        self.answer(202, {"Location": "/v2/tool/upload?state=b", "Range": f"0-{len(self.server.registry.partial) - 1}"})

    def do_PUT(self) -> None:
        registry = self.server.registry
        self.note(self.headers["Content-Length"])
        if registry.stalls:
            registry.stalled.set()
            registry.released.wait(60)
            self.close_connection = True
            return
        if registry.refuse_after >= 0:
            self.rfile.read(registry.refuse_after)
            self.answer(413, body=b'{"errors":[{"message":"no more than a megabyte"}]}')
            self.close_connection = True
            return
        self.close_connection = registry.hangs_up
        length = int(self.headers["Content-Length"])
        data = self.rfile.read(length)
        if len(data) < length:  # whoever sent it has gone
            self.close_connection = True
            return
        registry.partial += data
        wanted = _SPEAKS.search(self.path)
        assert wanted is not None
        self.server.registry.blobs[wanted[1]] = self.server.registry.partial
        self.answer(201)

    def note(self, more: str = "") -> None:
        self.server.registry.requests.append(
            f"{self.command} {self.path.partition('?')[0].rpartition('/')[2][:9]} {more}".strip()
        )

    def answer(self, status: int, headers: Mapping[str, str] = {}, *, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serve_upload_registry() -> Iterator[UploadRegistry]:
    """Runs until the end of the `with` block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    registry = server.registry = UploadRegistry(address=f"127.0.0.1:{server.server_port}")
    with server.serving():
        try:
            yield registry
        finally:
            registry.released.set()
