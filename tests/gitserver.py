"""Real git repositories behind a real git server on loopback: `git http-backend` under a few lines of HTTP."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING

from llbuild.tests.tools import require_tool, run_tool
from llbuild.tests.webserver import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["GitServer", "Repository", "SshServer", "git_daemon", "serve_git", "ssh_server"]

_PERSON = {
    **{
        f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "A"), ("EMAIL", "a"))
    },
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(kw_only=True, slots=True)
class Repository:
    """A repository that is worked on at `folder` and served as it is."""

    folder: Path
    url: str

    def git(self, *words: str, data: bytes | None = None, at: int = 1_000_000_000) -> str:
        """Run git in it; `at` is the time of what is committed."""
        dates = {"GIT_AUTHOR_DATE": f"{at} +0000", "GIT_COMMITTER_DATE": f"{at} +0000"}
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=self.folder,
            env={**os.environ, **_PERSON, **dates},
            input=b"" if data is None else data,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.decode(errors="surrogateescape").strip()

    def commit(self, *, at: int = 1_000_000_000, **files: str) -> str:
        """Write files (`__` in a name is a slash, `_dot_` a dot) and commit everything; the commit."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "change", at=at)
        return self.head

    def commit_tree(self, *entries: tuple[str, str, str, bytes]) -> str:
        """A commit of any tree at all, as a branch `odd`: (mode, type, content or object, path) each."""
        lines = []
        for mode, kind, content, path in entries:
            found = self.git("hash-object", "-w", "--stdin", data=content.encode()) if kind == "blob" else content
            lines.append(f"{mode} {kind} {found}\t".encode() + path + b"\0")
        tree = self.git("mktree", "-z", "--missing", data=b"".join(lines))
        commit = self.git("commit-tree", tree, "-m", "odd")
        self.git("update-ref", "refs/heads/odd", commit)
        return commit

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


@dataclass(kw_only=True, slots=True)
class GitServer:
    """`requests`: what was asked for. `login`: the Authorization header that is asked for."""

    folder: Path
    address: str
    requests: list[str] = field(default_factory=list)
    login: str = ""
    old: bool = False  # speaks the first protocol only, in which a server may be asked for what has a name and no more

    def make(self, name: str, *words: str) -> Repository:
        """A new repository with one commit of the file `a`, on the branch `main`. words: more for git init."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        made = Repository(folder=folder, url=f"{self.address}/{name}/.git")
        made.git("init", "--quiet", "--initial-branch=main", *words)
        made.commit(a="first\n")
        return made

    @property
    def packs(self) -> int:
        """How often objects were asked for."""
        return sum(request.endswith("POST git-upload-pack") for request in self.requests)


class _Server(LoopbackServer):
    known: GitServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        server = self.server.known
        path, _, query = self.path.partition("?")
        server.requests.append(f"{path}: {self.command} {path.rpartition('/')[2]}")
        if server.login and self.headers.get("Authorization") != server.login:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        environment = {
            **os.environ,
            **_PERSON,
            "GIT_PROJECT_ROOT": str(server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": "" if server.old else self.headers.get("Git-Protocol", ""),
        }
        command = ["git", "-c", "safe.directory=*", "http-backend"]
        done = subprocess.run(command, input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  http.server's name for it

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serve_git(folder: Path) -> Iterator[GitServer]:
    """Serves the repositories below the folder until the end of the `with` block."""
    require_tool("git")
    server = _Server(("127.0.0.1", 0), _Handler)
    server.known = known = GitServer(folder=folder, address=f"http://127.0.0.1:{server.server_port}")
    with server.serving():
        yield known


@contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    """`git daemon` for the repositories below the folder; the beginning of their URLs."""
    program = Path(require_tool("git")).resolve()
    exec_path = subprocess.run([program, "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [f"{exec_path}/git-daemon", f"--base-path={folder}", "--export-all", "--reuseaddr", "--verbose"]
    with subprocess.Popen(
        [*command, "--listen=127.0.0.1", f"--port={port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as daemon:
        assert daemon.stderr is not None
        for line in daemon.stderr:
            if b"Ready to rumble" in line:
                break
        try:
            yield f"git://127.0.0.1:{port}"
        finally:
            daemon.terminate()


@dataclass(kw_only=True, slots=True)
class SshServer:
    """A real sshd for the user that runs the tests. `agent`: the socket of an agent that has the one key it takes."""

    url: str  # ssh://USER@127.0.0.1:PORT
    agent: str
    known_hosts: str  # a line of such a file


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Keys, logs and settings are kept in the folder."""
    sshd, keygen, ssh_agent, ssh_add = map(require_tool, ("sshd", "ssh-keygen", "ssh-agent", "ssh-add"))
    for key in ("host", "user"):
        run_tool([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / key])
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)  # where it locks itself in before anybody has logged in
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PasswordAuthentication": "no",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "PidFile": "none",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    agent = str(folder / "agent")
    with (
        subprocess.Popen([sshd, "-D", "-e", "-f", folder / "config"], stderr=subprocess.PIPE) as server,
        subprocess.Popen([ssh_agent, "-D", "-a", agent], stdout=subprocess.PIPE) as keeper,
    ):
        try:
            assert server.stderr is not None
            assert keeper.stdout is not None
            said = next((line for line in server.stderr if b"Server listening" in line), b"")
            assert said, "sshd did not start"
            keeper.stdout.readline()
            run_tool([ssh_add, "-q", folder / "user"], env={"SSH_AUTH_SOCK": agent})
            key = (folder / "host.pub").read_text().rsplit(" ", 1)[0]
            name = pwd.getpwuid(os.geteuid()).pw_name
            known = f"[127.0.0.1]:{port} {key}\n"
            yield SshServer(url=f"ssh://{name}@127.0.0.1:{port}", agent=agent, known_hosts=known)
        finally:
            server.terminate()
            keeper.terminate()
