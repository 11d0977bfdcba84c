"""A registry that misbehaves on demand: a few lines of HTTP on loopback, one answer per path."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from llbuild.tests.webserver import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(kw_only=True)
class Answer:
    """`length`: what Content-Length says when that is not the truth; -1 for none at all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    token: str = ""  # asked for before this answer is given


@dataclass(kw_only=True)
class FakeRegistry:
    address: str
    answers: dict[str, Answer] = field(default_factory=dict)  # by path, without the query
    requests: list[str] = field(default_factory=list)  # METHOD PATH?QUERY
    authorizations: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)  # bodies of POST requests


@contextmanager
def serve_fake_registry() -> Iterator[FakeRegistry]:
    """Runs until the end of the `with` block; answers 404 to what it was not told."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.requests.append(f"{self.command} {self.path}")
            registry.authorizations.append(self.headers.get("Authorization", ""))
            if self.command == "POST":
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                registry.forms.append(dict(parse_qsl(form)))
            answer = registry.answers.get(self.path.partition("?")[0], Answer(status=404))
            if answer.token and self.headers.get("Authorization") != f"Bearer {answer.token}":
                answer = Answer(status=401, headers=answer.headers)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            length = len(answer.body) if answer.length is None else answer.length
            if length >= 0:
                self.send_header("Content-Length", str(length))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            if answer.length is not None:
                self.close_connection = True

        do_HEAD = do_POST = do_GET  # noqa: N815  http.server's names for them

        def log_message(self, *words: object) -> None:
            pass

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    registry = FakeRegistry(address=f"127.0.0.1:{server.server_port}")
    with server.serving():
        yield registry
