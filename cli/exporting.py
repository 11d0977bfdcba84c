"""Exporting what is not ready to be: layers are packed or fetched, files read, images pushed. With an event loop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..blocking import run_blocking
from ..solver import RETRY_DELAYS_S, retrying
from .exports import (
    PlatformLayers,
    export_trees,
    image_outputs,
    image_result,
    names_of,
    put_together,
    tree_outputs,
    write_image,
)
from .job import BuildResult
from .outputs import OutputKind
from .phases import phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..exporter import AssembledImage, AssembledIndex
    from ..frontend import Compiled, PlatformResult
    from ..image import LayerBlob
    from ..solver import EventReporter, Plan, Ref
    from ..worker import LocalWorker
    from .image_options import ImageOptions
    from .job import Build
    from .outputs import Output

    _T = TypeVar("_T")

__all__ = ["export_result"]


async def export_result(
    job: Build, compiled: Compiled, plan: Plan, refs: Sequence[Ref], worker: LocalWorker
) -> BuildResult:
    """Write the results to every place that was asked for. `refs`: one for each platform. Raises LlbuildError."""
    export = _Export(job, compiled, plan, refs, worker)
    result = BuildResult()
    groups: dict[ImageOptions, list[Output]] = {}
    for output in image_outputs(job.options):
        groups.setdefault(output.image, []).append(output)
    for number, (options, outputs) in enumerate(groups.items()):
        image = await export.images(options, outputs, "exporting image" + (f" ({number + 1})" if number else ""))
        result = result if number else image_result(image, job.options)
    for output in tree_outputs(job.options):
        await export.files(output)
    return result


class _Export:
    def __init__(self, job: Build, compiled: Compiled, plan: Plan, refs: Sequence[Ref], worker: LocalWorker) -> None:
        self._job = job
        self._compiled = compiled
        self._plan = plan
        self._refs = refs
        self._worker = worker
        self._emit = job.display.display

    async def images(
        self, options: ImageOptions, outputs: Sequence[Output], title: str
    ) -> AssembledImage | AssembledIndex:
        """Put the image together in one form, and write it to all places that want it so."""
        content = self._job.state.content
        is_local = any(output.is_local for output in outputs)
        with phase(title, self._emit) as reporter:
            parts: list[PlatformLayers] = []
            supply: dict[str, LayerBlob] = {}
            for result, ref in zip(self._compiled.results, self._refs, strict=True):
                layered = await self._worker.layered(ref)
                blobs = await _attempt(partial(self._blobs, result, layered, options, is_local, reporter), reporter)
                supply.update(zip(layered, blobs, strict=True))
                inline = await run_blocking(self._job.inline_cache, self._plan, layered, blobs)
                parts.append(PlatformLayers(result=result, layers=blobs, inline_cache=inline))
            if tree_outputs(self._job.options):
                for ref in self._refs:
                    await self._worker.tree(ref, reporter)  # what is lost must be found before anything is written
            image = await run_blocking(put_together, parts, options)
            for output in outputs:
                if output.is_local and output.kind is not OutputKind.ENGINE:
                    await run_blocking(write_image, image, output, self._job.options, content)
        for output in outputs:
            if output.kind is OutputKind.ENGINE:
                from .loading import load_into_engine

                await load_into_engine(image, names_of(self._job.options, output), content, self._emit)
            for name in names_of(self._job.options, output) if output.push else ():
                from .pushing import push_built

                await push_built(self._job, image, supply, name, self._worker)
        return image

    async def _blobs(
        self, result: PlatformResult, layers: Ref, options: ImageOptions, is_local: bool, reporter: EventReporter
    ) -> tuple[LayerBlob, ...]:
        """The layers of a result as blobs, bottom first. `is_local`: all of them are to be here afterwards."""
        if options.plain_layers and is_local:
            return await self._worker.blobs(layers, reporter)
        from ..worker import LayerForm
        from ..worker.layer import Compression

        wanted = options.layers
        form = LayerForm(compression=Compression(wanted.compression), level=wanted.level, force=wanted.force)
        forms = self._worker.forms()
        base = layers[: len(result.image.diff_ids)] if options.rewrite_timestamp else layers
        found = await forms.blobs(base, form, reporter.progress)
        new = list(dict.fromkeys(layer for layer in layers if layer not in found))
        latest = LayerForm(compression=form.compression, level=form.level, latest_s=result.epoch_s)
        found |= await forms.blobs(new, latest, reporter.progress)
        if is_local:
            content = self._job.state.content
            far = [
                name
                for name, blob in found.items()
                if not content.has(blob.descriptor.digest, blob.descriptor.size_bytes)
            ]
            await forms.fetch(far, reporter.progress)
        return tuple(found[layer] for layer in layers)

    async def files(self, output: Output) -> None:
        """Write the files of the result."""
        with phase(f"exporting files to {output.dest}", self._emit) as reporter:
            trees = {
                result.platform: await self._worker.tree(ref, reporter)
                for result, ref in zip(self._compiled.results, self._refs, strict=True)
            }
            await run_blocking(export_trees, trees, output, self._compiled.results[0].epoch_s)


async def _attempt(call: Callable[[], Awaitable[_T]], reporter: EventReporter) -> _T:
    return await retrying(call, RETRY_DELAYS_S, lambda words: reporter.log(2, f"{words}\n".encode()))
