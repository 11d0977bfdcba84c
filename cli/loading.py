"""`--load`: an image handed to the docker or podman of this machine.

docker is sent the whole archive every time: it has no other way in. podman reads a folder, and of that only the layers
that it lacks; one that is far away, and so cannot, gets the archive.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..blocking import run_blocking
from ..errors import ExportError
from ..exporter import stream_archive
from .phases import phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..exporter import AssembledImage, AssembledIndex
    from ..image import Reference
    from ..solver import Emit
    from ..worker import ContentStore

__all__ = ["find_engine", "load_into_engine"]

_ENGINES = ("docker", "podman")
_LONGEST_REASON = 2000
_DIR_VERSION = "Directory Transport Version: 1.1\n"


def find_engine() -> str:
    """The program to hand images to. Raises ExportError where there is none."""
    found = next(filter(None, map(shutil.which, _ENGINES)), None)
    if found is None:
        raise ExportError(
            f"there is no program to load the image into: neither {' nor '.join(_ENGINES)} is on the PATH",
            hint="write a file instead: -o type=docker,dest=FILE",
        )
    return found


async def load_into_engine(
    image: AssembledImage | AssembledIndex, names: Sequence[Reference], content: ContentStore, emit: Emit
) -> None:
    """Give the image to the engine. Raises ExportError with what it says when it refuses."""
    engine = find_engine()
    with phase(f"loading into {os.path.basename(engine)}", emit):
        if os.path.basename(engine) == "podman" and await run_blocking(_pull, engine, image, names, content):
            return
        await run_blocking(_load, engine, image, names, content)


def _pull(
    engine: str, image: AssembledImage | AssembledIndex, names: Sequence[Reference], content: ContentStore
) -> bool:
    """Have podman fetch the image from a folder; False when it cannot.

    containers-transports(5), "dir": the manifest, and the blobs by their digits. Links will do.
    """
    (only,) = image.images
    with tempfile.TemporaryDirectory(prefix="llbuild-load-") as folder:
        Path(folder, "version").write_text(_DIR_VERSION)
        Path(folder, "manifest.json").write_bytes(only.manifest_blob)
        Path(folder, only.config_descriptor.digest.hex).write_bytes(only.config_blob)
        for digest in {layer.digest for layer in only.layers}:
            Path(folder, digest.hex).symlink_to(os.path.abspath(content.path(digest)))
        pulled = _run([engine, "pull", "-q", f"dir:{folder}"])
    if pulled.returncode or not pulled.stdout.split():
        return False
    if names:
        tag = [engine, "tag", pulled.stdout.split()[-1], *map(str, names)]
        tagged = _run(tag)
        if tagged.returncode:
            raise _refused(tag[:2], tagged.stderr, tagged.returncode)
    return True


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )


def _load(
    engine: str, image: AssembledImage | AssembledIndex, names: Sequence[Reference], content: ContentStore
) -> None:
    command = [engine, "load"]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as process:
            assert process.stdin is not None
            try:
                stream_archive(image, content, names, process.stdin.fileno(), docker=True)
            except BrokenPipeError:
                pass  # it has seen enough, or gave up: its exit code tells
            except BaseException:
                process.kill()
                raise
            process.stdin.close()
            process.wait()
        if process.returncode:
            said.seek(0)
            raise _refused(command, said.read(_LONGEST_REASON).decode(errors="replace"), process.returncode)


def _refused(command: Sequence[str], said: str, code: int) -> ExportError:
    reason = said.strip()[-_LONGEST_REASON:] or f"exit code {code}"
    return ExportError(f"{' '.join(command)} failed: {reason}")
