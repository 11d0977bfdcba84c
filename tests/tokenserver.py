"""A token server as registries send us to: it knows one user, and signs with a key that docker-registry believes.

Spec: distribution's "Token Authentication Specification" and "Token Authentication Implementation" (a JWT, RS256, x5c).
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["TokenServer", "serve_tokens"]

SERVICE, ISSUER = "registry of tests", "llbuild tests"


@dataclass(kw_only=True)
class TokenServer:
    """Strangers may pull. `gives_identity`: whoever logs in and wants one gets an identity token."""

    address: str
    folder: Path
    user: str
    password: str
    identity: str = "a token that lasts"
    gives_identity: bool = False
    asked: list[str] = field(default_factory=list)  # "WHO: SCOPES" of each request

    @property
    def auth(self) -> str:
        """What a docker-registry's config says of it."""
        return (
            f'{{token: {{realm: "http://{self.address}/token", service: "{SERVICE}", issuer: "{ISSUER}", '
            f'rootcertbundle: "{self.folder}/tokens.pem"}}}}'
        )

    def token(self, who: str, scopes: list[str]) -> str:
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            allowed = [action for action in actions.split(",") if action == "pull" or who]
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": who, "aud": SERVICE, "exp": now + 300, "nbf": now - 300, "iat": now}
        der = b64encode(ssl.PEM_cert_to_DER_cert((self.folder / "tokens.pem").read_text())).decode()
        header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        text = b".".join(_packed(json.dumps(part).encode()) for part in (header, {**claims, "access": access}))
        sign = [require_tool("openssl"), "dgst", "-sha256", "-sign", str(self.folder / "tokens.key.pem")]
        signed = subprocess.run(sign, input=text, capture_output=True, check=True).stdout
        return (text + b"." + _packed(signed)).decode()


def _packed(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tokens: TokenServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """With a password, or as a stranger."""
        tokens, query = self.server.tokens, parse_qs(urlsplit(self.path).query)
        who, given = "", self.headers.get("Authorization", "")
        if given:
            who, _, password = b64decode(given.removeprefix("Basic ")).decode().partition(":")
            if (who, password) != (tokens.user, tokens.password):
                self._answer(401, {"details": "incorrect username or password"})
                return
        self._give(who, query.get("scope", []), wants_identity=query.get("offline_token") == ["true"])

    def do_POST(self) -> None:
        """With an identity token (OAuth 2)."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        tokens = self.server.tokens
        if form.get("grant_type") != ["refresh_token"] or form.get("refresh_token") != [tokens.identity]:
            self._answer(401, {"error_description": "this token is not known"})
            return
        self._give(tokens.user, " ".join(form.get("scope", [])).split(), wants_identity=False)

    def _give(self, who: str, scopes: list[str], *, wants_identity: bool) -> None:
        tokens = self.server.tokens
        tokens.asked.append(f"{who or 'a stranger'}: {' '.join(scopes)}".strip())
        answer = {"token": tokens.token(who, scopes)}
        if wants_identity and tokens.gives_identity:
            answer["refresh_token"] = tokens.identity
        self._answer(200, answer)

    def _answer(self, status: int, fields: dict[str, str]) -> None:
        body = json.dumps(fields).encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serve_tokens(folder: Path, *, user: str, password: str) -> Iterator[TokenServer]:
    """Runs until the end of the `with` block."""
    making = [require_tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    files: list[str | Path] = ["-keyout", folder / "tokens.key.pem", "-out", folder / "tokens.pem"]
    run_tool([*making, *files, "-subj", "/CN=tokens"])
    server = _Server(("127.0.0.1", 0), _Handler)
    address = f"127.0.0.1:{server.server_port}"
    tokens = server.tokens = TokenServer(address=address, folder=folder, user=user, password=password)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
