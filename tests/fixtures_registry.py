"""A real registry (Debian's docker-registry) on a free loopback port, for tests that pull."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LISTENING = "listening on 127.0.0.1:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry that speaks plain http on loopback."""

    address: str  # 127.0.0.1:PORT

    def push(self, source: str, name: str) -> str:
        """Copy an image into the registry with skopeo; the reference to pull it by.

        source: as skopeo takes it, e.g. `oci:FOLDER:TAG`, `oci-archive:FILE`.
        """
        ref = f"{self.address}/{name}"
        skopeo = require_tool("skopeo")
        run_tool([skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false", source, f"docker://{ref}"])
        return ref


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    program = require_tool("docker-registry")
    folder: Path = tmp_path_factory.mktemp("registry")
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n"
        f'storage: {{filesystem: {{rootdirectory: "{folder / "data"}"}}}}\n'
        'http: {addr: "127.0.0.1:0", secret: "for tests"}\n'
    )
    with subprocess.Popen(
        [program, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        try:
            port = _port(server)
            # Or it stands still once its log has filled the pipe, some hundred pulls later
            threading.Thread(target=_drain, args=(server,), daemon=True).start()
            yield Registry(address=f"127.0.0.1:{port}")
        finally:
            server.kill()


def _drain(server: subprocess.Popen[bytes]) -> None:
    assert server.stdout is not None
    for _ in server.stdout:
        pass


def _port(server: subprocess.Popen[bytes]) -> int:
    """The port it chose, from its own log: the line also says that it is ready."""
    assert server.stdout is not None
    said: list[str] = []
    for line in server.stdout:
        said.append(line.decode(errors="replace"))
        _, found, rest = said[-1].partition(_LISTENING)
        if found:
            return int(rest.split('"')[0])
    pytest.fail("docker-registry did not start:\n" + "".join(said))
