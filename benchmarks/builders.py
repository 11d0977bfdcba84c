"""The builders that are compared: llbuild, BuildKit (buildctl against a private buildkitd), buildah.

Life of a builder: `open` once, then for every cold measurement `reset` (an empty cache; the base image is at hand: in
llbuild's store and buildah's storage, in a registry on loopback for BuildKit) and any number of `command`s to time;
`close` at the end. Nothing touches the state of a builder installed on the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llbuild.benchmarks.registries import serve_registry

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Buildah", "Builder", "Buildkit", "Llbuild", "find_builders"]

ROOT = Path(__file__).resolve().parent.parent
_ENTRY = "from llbuild.cli.main import program; program()"
_WARM_UP = "ARG BASE=busybox\nFROM ${BASE}\nRUN true\n"


class Builder(Protocol):
    """One program that builds images; see the module's docstring for its life."""

    name: str
    version: str
    remark: str  # how it was set up, where that matters for a comparison

    def open(self, work: Path, rootfs: Path) -> None: ...
    def reset(self) -> None: ...
    def command(self, context: Path, *, no_cache: bool = False) -> list[str]: ...
    def environment(self) -> dict[str, str]: ...
    def daemon_cpu_seconds(self) -> float: ...  # that its daemon has used so far
    def close(self) -> None: ...


def call(command: Sequence[str | Path], env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a preparation that must succeed; its standard output."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode} from: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def _flag(no_cache: bool) -> list[str]:
    return ["--no-cache"] if no_cache else []


def _warm_up(work: Path) -> Path:
    folder = work / "warm-up"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(_WARM_UP)
    return folder


class Llbuild:
    """The program of this tree. Writes an OCI archive."""

    name = "llbuild"

    def __init__(self, program: str | None) -> None:
        beside = Path(sys.executable).parent / "llbuild"
        found = program or (str(beside) if beside.exists() else None)
        self.program = [found] if found else [sys.executable, "-c", _ENTRY]
        self._pythonpath = {} if found else {"PYTHONPATH": str(ROOT / ".typing")}
        self.version = call([*self.program, "--version"], self._pythonpath).split()[-1]
        self.remark = "OCI archive" + ("" if found else "; run from the source tree")

    def open(self, work: Path, rootfs: Path) -> None:
        self._work, self._rootfs = work, rootfs
        self.reset()
        call(self.command(_warm_up(work)), self.environment())  # compiles the modules

    def reset(self) -> None:
        shutil.rmtree(self._work / "state", ignore_errors=True)
        call([*self.program, "import", self._rootfs, "busybox"], self.environment())

    def command(self, context: Path, *, no_cache: bool = False) -> list[str]:
        output = f"type=oci,dest={self._work / 'out.tar'}"
        return [*self.program, "build", "--progress=quiet", *_flag(no_cache), "-o", output, str(context)]

    def environment(self) -> dict[str, str]:
        return self.environment_at(self._work / "state")

    def environment_at(self, root: Path) -> dict[str, str]:
        # Compiled modules are part of any installation: measure that, even where the environment forbids to write them.
        return {**self._pythonpath, "LLBUILD_ROOT": str(root), "PYTHONDONTWRITEBYTECODE": ""}

    def daemon_cpu_seconds(self) -> float:
        return 0

    def close(self) -> None:
        shutil.rmtree(self._work / "state", ignore_errors=True)


class Buildah:
    """Debian's buildah on a storage folder of its own. Its result stays in that storage: no archive is written."""

    name = "buildah"

    def __init__(self) -> None:
        self.version = call(["buildah", "--version"]).split()[2]
        self._isolation = "oci"
        self.remark = ""

    def open(self, work: Path, rootfs: Path) -> None:
        self._work, self._rootfs = work, rootfs
        self._base = work / "base"
        self._base.mkdir()
        (self._base / "Dockerfile").write_text("FROM scratch\nADD rootfs.tar /\n")
        call(["tar", "-C", rootfs, "-cf", self._base / "rootfs.tar", "."])
        self._import_base()
        try:  # as it comes (a runtime, cgroups); where that is not to be had, as a plain chroot
            call(self.command(_warm_up(work)))
        except SystemExit:
            self._isolation = "chroot"
            call(self.command(_warm_up(work)))
        self.remark = f"--isolation={self._isolation}; result stays in its storage"

    def reset(self) -> None:
        self._remove()
        self._import_base()

    def _import_base(self) -> None:
        call([*self._program, "bud", "-t", "busybox", self._base])

    @property
    def _program(self) -> list[str]:
        storage = self._work / "storage"
        return ["buildah", "--root", f"{storage}/root", "--runroot", f"{storage}/run", "--storage-driver", "overlay"]

    def command(self, context: Path, *, no_cache: bool = False) -> list[str]:
        options = ["--layers", "--jobs=40", f"--isolation={self._isolation}", "--build-arg=BASE=localhost/busybox"]
        return [*self._program, "bud", "-q", *_flag(no_cache), *options, "-t", "result", str(context)]

    def environment(self) -> dict[str, str]:
        return {}

    def _remove(self) -> None:
        if (self._work / "storage").exists():
            subprocess.run([*self._program, "rm", "-a"], capture_output=True, check=False)
        subprocess.run(["umount", "-l", self._work / "storage/root/overlay"], capture_output=True, check=False)
        shutil.rmtree(self._work / "storage", ignore_errors=True)

    def daemon_cpu_seconds(self) -> float:
        return 0

    def close(self) -> None:
        self._remove()


class Buildkit:
    """A private buildkitd, started once and kept warm, with buildctl as its client. Writes an OCI archive.

    The base image lies in a registry on loopback.
    """

    name = "buildkit"

    def __init__(self) -> None:
        self.version = next(word for word in call(["buildkitd", "--version"]).split() if word.startswith("v"))
        self.remark = "warm daemon; OCI archive"
        self._servers: list[subprocess.Popen[bytes]] = []
        self._registry = ExitStack()

    def open(self, work: Path, rootfs: Path) -> None:
        self._work = work
        registry = self._registry.enter_context(serve_registry(work))
        self._base = f"{registry}/library/busybox:latest"
        config = work / "buildkitd.toml"
        config.write_text(f'[registry."{registry}"]\n  http = true\n')
        self._address = f"unix://{work}/buildkitd.sock"
        options = [f"--addr={self._address}", f"--root={work / 'root'}", f"--config={config}", "--oci-worker-gc=false"]
        with (work / "buildkitd.log").open("wb") as log:
            daemon = subprocess.Popen(["buildkitd", *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._servers.append(daemon)
        self._wait(daemon)
        layout = work / "layout"
        local = [f"--local=context={rootfs}", f"--local=dockerfile={self._copy_all(work)}"]
        call([*self._client, "build", "--frontend=dockerfile.v0", *local, f"--output=type=oci,dest={layout}.tar"])
        push = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"]
        call([*push, f"oci-archive:{layout}.tar", f"docker://{self._base}"])

    def _copy_all(self, work: Path) -> Path:
        folder = work / "base"
        folder.mkdir()
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        return folder

    def _wait(self, daemon: subprocess.Popen[bytes]) -> None:
        for _ in range(300):
            ready = subprocess.run([*self._client, "debug", "workers"], capture_output=True, check=False)
            if ready.returncode == 0:
                return
            if daemon.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"buildkitd did not start:\n{(self._work / 'buildkitd.log').read_text()}")

    @property
    def _client(self) -> list[str]:
        return ["buildctl", f"--addr={self._address}"]

    def reset(self) -> None:
        call([*self._client, "prune", "--all"])

    def command(self, context: Path, *, no_cache: bool = False) -> list[str]:
        local = [f"--local=context={context}", f"--local=dockerfile={context}"]
        output = f"--output=type=oci,dest={self._work / 'out.tar'}"
        frontend = ["--frontend=dockerfile.v0", f"--opt=build-arg:BASE={self._base}"]
        return [*self._client, "build", "--progress=quiet", *_flag(no_cache), *frontend, *local, output]

    def environment(self) -> dict[str, str]:
        return {}

    def daemon_cpu_seconds(self) -> float:
        """Of the daemon and what it started; proc_pid_stat(5), fields 14 to 17."""
        times = 0
        for server in self._servers:
            fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(") ")[2].split()
            times += sum(map(int, fields[11:15]))
        return times / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        for server in reversed(self._servers):
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        self._registry.close()


def find_builders(program: str | None, *, only_llbuild: bool = False) -> tuple[list[Builder], list[str]]:
    """The builders to be had on this machine, llbuild first, and a line about each one that is not."""
    builders: list[Builder] = [Llbuild(program)]
    absent: list[str] = []
    if only_llbuild:
        return builders, absent
    for needed, make in ((["buildkitd", "buildctl", "docker-registry", "skopeo"], Buildkit), (["buildah"], Buildah)):
        missing = [name for name in needed if shutil.which(name) is None]
        if missing:
            absent.append(f"{make.name}: not compared, {', '.join(missing)} not found on PATH")
        elif os.geteuid() != 0:
            absent.append(f"{make.name}: not compared, it is set up here for root only")
        else:
            builders.append(make())
    return builders, absent
