"""Registries on loopback for benchmarks: Debian's docker-registry, as it comes."""

from __future__ import annotations

import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["serve_registry"]

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
