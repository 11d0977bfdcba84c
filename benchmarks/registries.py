"""Registries on loopback for benchmarks: Debian's docker-registry as it comes, and the least that a push takes."""

from __future__ import annotations

import http.client
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["send_blobs", "serve_registry"]

_LISTENING = "listening on 127.0.0.1:"


@contextmanager
def serve_registry(folder: Path) -> Iterator[str]:
    """The address of a registry that keeps its data below `folder`, until the end of the `with` block."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
        f'storage: {{filesystem: {{rootdirectory: "{folder}/data"}}}}\n'
        'http: {addr: "127.0.0.1:0", secret: "for benchmarks"}\n'
    )
    server = subprocess.Popen(
        ["docker-registry", "serve", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield f"127.0.0.1:{_port(server)}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)


def _port(server: subprocess.Popen[bytes]) -> int:
    assert server.stdout is not None
    for line in server.stdout:
        _, found, rest = line.decode(errors="replace").partition(_LISTENING)
        if found:
            threading.Thread(target=server.stdout.read, daemon=True).start()  # what nobody reads would stop it
            return int(rest.split('"')[0])
    raise SystemExit("docker-registry did not start")


def send_blobs(address: str, blobs: Iterable[Path], *, at_once: int = 4) -> None:
    """Upload blobs (files named by their sha256) with hardly a cycle spent here: what is left is the registry's own."""
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda blob: _send_blob(address, blob), blobs))


def _send_blob(address: str, blob: Path) -> None:
    connection = http.client.HTTPConnection(address)
    connection.request("POST", "/v2/image/blobs/uploads/", headers={"Content-Length": "0"})
    begun = connection.getresponse()
    begun.read()
    where = urlsplit(begun.headers["Location"])
    connection.putrequest("PUT", f"{where.path}?{where.query}&digest=sha256:{blob.name}")
    connection.putheader("Content-Length", str(blob.stat().st_size))
    connection.endheaders()
    with blob.open("rb") as file:
        connection.sock.sendfile(file)
    answer = connection.getresponse()
    connection.close()
    if answer.status != 201:
        raise SystemExit(f"docker-registry answered {answer.status} to an upload")
