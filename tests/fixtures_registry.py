"""Real registries (Debian's docker-registry) on free loopback ports, for tests that pull and push."""

from __future__ import annotations

import json
import subprocess
import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.tests.certificates import Pair

_LISTENING = "listening on 127.0.0.1:"
USER, PASSWORD = "alice", "open sesame"
# `htpasswd -nbB -C 4 alice "open sesame"`: bcrypt is all that docker-registry takes
_HTPASSWD = f"{USER}:$2b$04$/2AHUqF8uapwsfHgcqR0h.HTqS30XoR17NOH/XPFwzUFExrwaXA2u\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry that speaks plain http on loopback. `folder`: where it keeps its data."""

    address: str  # 127.0.0.1:PORT
    folder: Path

    def push(self, source: str, name: str) -> str:
        """Copy an image into the registry with skopeo; the reference to pull it by.

        source: as skopeo takes it, e.g. `oci:FOLDER:TAG`, `oci-archive:FILE`.
        """
        ref = f"{self.address}/{name}"
        skopeo = require_tool("skopeo")
        run_tool([skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false", source, f"docker://{ref}"])
        return ref

    def login(self, folder: Path) -> Path:
        """A folder for $DOCKER_CONFIG, as `docker login` leaves it."""
        folder.mkdir(exist_ok=True)
        auth = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.address: {"auth": auth}}}))
        return folder

    def blob_file(self, digest: str) -> Path:
        """Where it keeps the bytes of a blob, of whatever repository."""
        algorithm, _, digits = digest.partition(":")
        return self.folder / f"docker/registry/v2/blobs/{algorithm}/{digits[:2]}/{digits}/data"

    def stored_blobs(self) -> set[str]:
        """The digests of all blobs it has."""
        return {f"sha256:{path.parent.name}" for path in self.folder.rglob("blobs/sha256/*/*/data")}


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="session")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One that wants user and password for everything."""
    with serve_registry(tmp_path_factory.mktemp("private-registry"), htpasswd=_HTPASSWD) as served:
        yield served


@contextmanager
def serve_registry(
    folder: Path, *, htpasswd: str = "", tls: Pair | None = None, clients: Path | None = None, auth: str = ""
) -> Iterator[Registry]:
    """Runs until the end of the `with` block.

    tls: its certificate; clients: who signs those of clients; auth: how it lets people in, in its config's words.
    """
    program = require_tool("docker-registry")
    config, security = folder / "config.yml", ""
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd)
        auth = f'{{htpasswd: {{realm: here, path: "{folder / "htpasswd"}"}}}}'
    if tls is not None:
        wanted = f', clientcas: ["{clients}"]' if clients else ""
        security = f', tls: {{certificate: "{tls.cert}", key: "{tls.key}"{wanted}}}'
    config.write_text(
        f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n"
        f'storage: {{filesystem: {{rootdirectory: "{folder / "data"}"}}}}\n'
        f'http: {{addr: "127.0.0.1:0", secret: "for tests"{security}}}\n' + (f"auth: {auth}\n" if auth else "")
    )
    with subprocess.Popen(
        [program, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        # It logs every error it answers with, and would wait for ever on a full pipe.
        drain = threading.Thread(target=server.communicate, daemon=True)
        try:
            address = f"127.0.0.1:{_port(server)}"
            drain.start()
            yield Registry(address=address, folder=folder / "data")
        finally:
            server.kill()
            if drain.ident is not None:
                drain.join()


def _port(server: subprocess.Popen[bytes]) -> int:
    """The port it chose, from its own log: the line also says that it is ready."""
    assert server.stdout is not None
    said: list[str] = []
    for line in server.stdout:
        said.append(line.decode(errors="replace"))
        _, found, rest = said[-1].partition(_LISTENING)
        if found:
            return int(rest.partition('"')[0].partition(",")[0])  # with TLS: PORT, tls
    pytest.fail("docker-registry did not start:\n" + "".join(said))
