"""Which engine an image is loaded into, and what to say of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ...blocking import run_blocking
from ...errors import ExportError
from ..outputs import ENGINES
from ..phases import phase
from .docker import load_into_docker
from .podman import load_into_podman

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...exporter import AssembledImage, AssembledIndex
    from ...image import Reference
    from ...solver import Emit
    from ...worker import ContentStore

__all__ = ["load_into_engine"]

_CONTEXTS = {"docker": "--context", "podman": "--connection"}
_LOADERS = {"docker": load_into_docker, "podman": load_into_podman}


async def load_into_engine(
    image: AssembledImage | AssembledIndex,
    names: Sequence[Reference],
    content: ContentStore,
    emit: Emit,
    *,
    engine: str = "",
    context: str = "",
) -> None:
    """Give the image, of one platform, to an engine: the one that is named, or else the first that is on the PATH.

    context: as the engine knows it, where it is not to be the current one (podman calls it a connection). Raises
    ExportError with what it says when it refuses.
    """
    name, path = _find(engine)
    program = [path, *((_CONTEXTS[name], context) if context else ())]
    (only,) = image.images
    with phase(f"loading into {name}", emit):
        try:
            await run_blocking(_LOADERS[name], program, only, names, content)
        except ExportError as error:
            other = next((other for other in ENGINES if other != name and shutil.which(other)), "")
            if engine or error.hint or not other:
                raise
            hint = f'there is {other} as well: engine = "{other}" under [build] in the config file chooses it'
            raise ExportError(error.message, hint=hint) from error


def _find(engine: str) -> tuple[str, str]:
    """Its name and its path. Raises ExportError where there is none."""
    wanted = (engine,) if engine else ENGINES
    for name in wanted:
        path = shutil.which(name)
        if path is not None:
            return name, path
    if engine:
        raise ExportError(f"{engine}, which the config file has as build.engine, is not on the PATH")
    raise ExportError(
        f"there is no program to load the image into: neither {' nor '.join(wanted)} is on the PATH",
        hint="write a file instead: -o type=docker,dest=FILE",
    )
