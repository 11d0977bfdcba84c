"""The system's git, run so that nothing of this machine's user leaks into it and no repository can make it misbehave.

No configuration but ours, no prompts, no hooks, no filters, no maintenance in the background; only protocols that
go to another place. What logs in is in the environment, which other users cannot read, not among the arguments.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import anyio

from ...errors import SourceError, raise_first
from ...values import frozen, replace
from .git_errors import failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from anyio.abc import ByteReceiveStream, Process

    from .resolved import Report

__all__ = ["GitCommand"]

_PASSED_ON = ("PATH", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "TMPDIR")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_HERE = "localhost,127.0.0.1,::1"
_SETTINGS = {
    "advice.detachedHead": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1",  # bytes a second; less than that for so long is a broken connection
    "http.lowSpeedTime": "60",
    "init.defaultBranch": "master",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.git.allow": "always",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "submodule.recurse": "false",
}
_MOST_OUTPUT = 256 << 20  # a listing of two million files
_MOST_SAID = 64 << 10
_RECEIVING = re.compile(rb"(Receiving|Unpacking) objects:.*?(\d+(?:\.\d+)?) (bytes|[KMG]iB)")
_UNITS = {b"bytes": 1, b"KiB": 1 << 10, b"MiB": 1 << 20, b"GiB": 1 << 30}


@frozen
class GitCommand:
    """How git is run for one repository; `run` it, or `at` another place first."""

    shown: str  # the repository, in errors
    settings: Mapping[str, str] = {}  # of its configuration
    secrets: Mapping[str, str] = {}  # likewise, what nobody may see
    environment: Mapping[str, str] = {}
    git_dir: str = ""
    work_tree: str = ""
    index: str = ""

    def at(self, git_dir: str, *, work_tree: str = "", index: str = "") -> GitCommand:
        """The same for a repository on this disk. index: its file, where it is not the repository's own."""
        return replace(self, git_dir=git_dir, work_tree=work_tree, index=index)

    def setting(self, **settings: str) -> GitCommand:
        """With more configuration; `__` stands for a dot."""
        more = {name.replace("__", "."): value for name, value in settings.items()}
        return replace(self, settings={**self.settings, **more})

    async def run(self, *arguments: str, report: Report | None = None) -> bytes:
        """What git prints. report: is told how much of a transfer is here.

        Raises SourceError: GitError when git fails. Cancelled, it leaves no process behind.
        """
        try:
            with anyio.CancelScope(shield=True):  # asyncio, when cancelled here, ends git, but not what git has started
                process = await anyio.open_process(
                    ["git", *self._configuration(), *arguments],
                    stdin=DEVNULL,
                    stdout=PIPE,
                    stderr=PIPE,
                    env=self._environment(),
                    cwd=self.work_tree or self.git_dir or "/",
                    start_new_session=True,  # so that all that git starts can be ended together
                    umask=0o022,
                )
        except FileNotFoundError:
            raise SourceError(
                f"{self.shown}: there is no git on this machine",
                ref=self.shown,
                hint="install the package git (Debian, Fedora and Alpine call it so)",
            ) from None
        async with _ending(process):
            output, said = await self._listen(process, report)
            exit_code = await process.wait()
        if exit_code:
            raise failure_of(self.shown, said.decode(errors="replace"), exit_code)
        return output

    async def _listen(self, process: Process, report: Report | None) -> tuple[bytes, bytes]:
        output, said = bytearray(), bytearray()

        async def take_output() -> None:
            async for data in _pieces(process.stdout):
                output.extend(data)
                if len(output) > _MOST_OUTPUT:
                    raise SourceError(f"{self.shown}: git prints more than anybody could use", ref=self.shown)

        async def take_said() -> None:
            async for data in _pieces(process.stderr):
                said.extend(data)
                del said[:-_MOST_SAID]
                found = _RECEIVING.findall(said[-1000:]) if report is not None else []
                if found and report is not None:
                    _, number, unit = found[-1]
                    report("receiving objects", int(float(number) * _UNITS[unit]), 0)

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(take_output)
                group.start_soon(take_said)
        except BaseExceptionGroup as errors:
            raise_first(errors)
        return bytes(output), bytes(said)

    def _configuration(self) -> list[str]:
        """As arguments: git before 2.31 knows no configuration in the environment, and must not run without this."""
        settings = {**_SETTINGS, **self.settings}
        return [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]

    def _environment(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        if "GIT_SSL_CAINFO" not in given and os.environ.get("SSL_CERT_FILE"):
            given["GIT_SSL_CAINFO"] = os.environ["SSL_CERT_FILE"]
        for name in _PROXIES:
            value = os.environ.get(name) or os.environ.get(name.upper())
            if value:
                given[name] = value
        given["no_proxy"] = ",".join(filter(None, (given.get("no_proxy"), _HERE)))  # none between a machine and itself
        places = {"GIT_DIR": self.git_dir, "GIT_WORK_TREE": self.work_tree, "GIT_INDEX_FILE": self.index}
        given.update((name, place) for name, place in places.items() if place)
        for number, (key, value) in enumerate(self.secrets.items()):
            given[f"GIT_CONFIG_KEY_{number}"], given[f"GIT_CONFIG_VALUE_{number}"] = key, value
        return {
            **given,
            "GIT_CONFIG_COUNT": str(len(self.secrets)),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "HOME": os.devnull,
            "LC_ALL": "C",
            **self.environment,
        }


async def _pieces(stream: ByteReceiveStream | None) -> AsyncIterator[bytes]:
    assert stream is not None, "it was asked for"
    async for data in stream:
        yield data


@contextlib.asynccontextmanager
async def _ending(process: Process) -> AsyncIterator[None]:
    """Whatever ends the block ends the process, and everything that it has started."""
    try:
        yield
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.aclose()
