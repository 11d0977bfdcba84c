"""Registries on loopback for benchmarks: Debian's docker-registry, as it comes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["start_registry"]


def start_registry(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A registry that keeps its data below `folder`, and its port. Whoever starts it stops it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
        f'storage: {{filesystem: {{rootdirectory: "{folder}/data"}}}}\n'
        'http: {addr: "127.0.0.1:0", secret: "for benchmarks"}\n'
    )
    log = (folder / "registry.log").open("w+b")
    server = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
    )
    log.close()
    assert server.stdout is not None
    return server, _port(server, folder)


def _port(server: subprocess.Popen[bytes], folder: Path) -> int:
    import time

    for _ in range(300):
        for line in (folder / "registry.log").read_text(errors="replace").splitlines():
            _, found, rest = line.partition("listening on 127.0.0.1:")
            if found:
                return int(rest.split('"')[0])
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("docker-registry did not start")
