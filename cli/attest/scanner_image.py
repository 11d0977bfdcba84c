"""Package lists by a scanner that is an image: it is run with the result's files mounted, as BuildKit runs one.

Spec: moby/buildkit, docs/attestations/sbom-protocol.md. The run is a step like any other: cached by what it looks at.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from ...blocking import run_blocking
from ...errors import ExportError
from ...exporter.attest import SPDX, Predicate, predicate_of
from ...exporter.sbom import ImageFiles
from ...image import DEFAULT_PATH, MAX_STATEMENT_BYTES
from ...llb import Definition, Edge, ExecOp, Metadata, Mount, MountType, SourceOp, make_vertex
from ...platforms import host_platform
from ...reporting import SILENT
from ...solver import Limits, solve

if TYPE_CHECKING:
    from ...solver import Flights, Ref
    from ...worker import LocalWorker
    from ...worker.snapshot import Tree
    from ...worker.source import ResolvedImage
    from ..job import Build

__all__ = ["scan_by_image"]

_SOURCE, _DESTINATION = "/run/src/core/sbom", "/run/out/"
_CORE = "sbom"  # the scan of the result itself is called so, and comes first
_ENDING = ".json"


async def scan_by_image(
    job: Build, image: str, result: Definition, title: str, worker: LocalWorker, flights: Flights | None = None
) -> tuple[Predicate, ...]:
    """What the scanner says of a result that has been built; `title` is what its step is called.

    Raises SourceError when the image cannot be had, VertexError when it fails, ExportError for what it says.
    """
    found = await worker.image(f"docker-image://{image}", host_platform(), job.compiling.given.mode)
    definition = _definition(image, found, result, title)
    limits = Limits(allowed=job.options.allowed)
    refs = await solve([definition], worker, job.state.cache, job.display.display, limits, flights=flights)
    (ref,) = refs.values()
    return await _read(image, ref, worker)


def _definition(image: str, found: ResolvedImage, result: Definition, title: str) -> Definition:
    """The scanner's step, on top of what is scanned. Nothing that was said of those steps counts again."""
    config, here = found.config.config, host_platform()
    args = (*(config.entrypoint or ()), *(config.cmd or ()))
    if not args:
        raise ExportError(f"the scanner {image} is an image without a command")
    source = make_vertex(SourceOp(identifier=f"docker-image://{found.ref.partition('@')[0]}@{found.digest}"), (), here)
    path = () if any(line.startswith("PATH=") for line in config.env) else (f"PATH={DEFAULT_PATH}",)
    inputs = (Edge(source.digest), *(() if result.root is None else (result.root,)))
    op = ExecOp(
        args=args,
        env=(
            *(*config.env, *path),
            *(f"BUILDKIT_SCAN_DESTINATION={_DESTINATION}", f"BUILDKIT_SCAN_SOURCE={_SOURCE}"),
        ),
        cwd=config.working_dir or "/",
        user=config.user,
        mounts=(
            Mount(dest="/", input=0),
            Mount(dest="/tmp", mount_type=MountType.TMPFS),  # noqa: S108  in the scanner
            Mount(dest=_SOURCE, input=-1 if result.root is None else 1, readonly=True),
            Mount(dest=_DESTINATION, output=0),
        ),
    )
    scan = make_vertex(op, inputs, here)
    names = ((source.digest, Metadata(name=f"[internal] scanner {image}")), (scan.digest, Metadata(name=title)))
    return Definition(vertices=(*result.vertices, source, scan), root=Edge(scan.digest), metadata=names)


async def _read(image: str, ref: Ref, worker: LocalWorker) -> tuple[Predicate, ...]:
    tree = await worker.tree(ref, SILENT)
    return await run_blocking(_predicates, image, tree)


def _predicates(image: str, tree: Tree) -> tuple[Predicate, ...]:
    files = ImageFiles(tree)
    with tree.directory("") as folder:
        names = [entry.name for entry in folder.entries() if stat.S_ISREG(entry.stat.st_mode)]
    names = sorted((name for name in names if name.endswith(_ENDING)), key=lambda name: (not _is_core(name), name))
    if not names:
        raise ExportError(f"the scanner {image} wrote no {_CORE}.spdx.json into {_DESTINATION}")
    return tuple(_predicate(image, name, files.read(name, most_bytes=MAX_STATEMENT_BYTES)) for name in names)


def _is_core(name: str) -> bool:
    return name.partition(".")[0] == _CORE


def _predicate(image: str, name: str, data: bytes | None) -> Predicate:
    if data is None:
        raise ExportError(f"the scanner {image} wrote {name}, of more than {MAX_STATEMENT_BYTES >> 20} MiB")
    try:
        statement = predicate_of(data)
    except ValueError as error:
        raise ExportError(f"the scanner {image} wrote {name}, which is unreadable: {error}") from None
    kind, document = statement["predicateType"], statement.get("predicate")
    if kind != SPDX or not isinstance(document, dict):
        raise ExportError(
            f"the scanner {image} wrote {name}: expected a statement of type {SPDX}, found {kind[:100]!r}"
        )
    return Predicate(type=kind, document=document, filename=name)
