"""`--load`: an image handed to the docker or podman of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
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
    """Stream the image into the engine. Raises ExportError with what it says when it refuses."""
    engine = find_engine()
    with phase(f"loading into {os.path.basename(engine)}", emit):
        await run_blocking(_load, engine, image, names, content)


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
            reason = said.read(_LONGEST_REASON).decode(errors="replace").strip() or f"exit code {process.returncode}"
            raise ExportError(f"{' '.join(command)} failed: {reason}")
