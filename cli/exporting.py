"""Exporting what is not ready to be: layers are packed or fetched, files read, images pushed. With an event loop."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from ..blocking import run_blocking
from ..exporter import squash_history
from ..solver import RETRY_DELAYS_S, retrying
from ..values import replace
from .exports import (
    PlatformLayers,
    all_names,
    export_trees,
    image_outputs,
    image_result,
    names_of,
    put_together,
    registries_of,
    tree_outputs,
    write_image,
)
from .job import BuildResult
from .outputs import OutputKind
from .phases import phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..exporter import AssembledImage, AssembledIndex
    from ..frontend import Compiled, PlatformResult
    from ..image import LayerBlob
    from ..platforms import Platform
    from ..solver import EventReporter, Plan, Ref
    from ..worker import LayerForm, LocalWorker
    from ..worker.snapshot import MergedTree
    from .attest.witness import Witness
    from .image_options import ImageOptions
    from .job import Build
    from .outputs import Output

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
        self._said: Witness | None = None

    async def images(
        self, options: ImageOptions, outputs: Sequence[Output], title: str
    ) -> AssembledImage | AssembledIndex:
        """Put the image together in one form, and write it to all places that want it so."""
        content = self._job.state.content
        is_local = any(output.is_local for output in outputs)
        witness = await self._witness() if options.attested else None
        with phase(title, self._emit) as reporter:
            parts: list[PlatformLayers] = []
            supply: dict[str, LayerBlob] = {}
            for result, ref in zip(self._compiled.results, self._refs, strict=True):
                call = partial(self._part, result, ref, options, is_local, reporter)
                part, names = await retrying(call, RETRY_DELAYS_S, partial(_say, reporter))
                if witness is not None:
                    count = len(result.image.diff_ids) if options.squash else len(names)
                    known = dict(zip(names[:count], part.layers[:count], strict=True))
                    predicates = await run_blocking(witness.say, len(parts), known)
                    part = replace(part, predicates=predicates)
                parts.append(part)
                supply.update(zip(names, part.layers, strict=True))
            if tree_outputs(self._job.options) or any(output.unpack for output in outputs):
                for ref in self._refs:
                    await self._worker.tree(ref, reporter)  # what is lost must be found before anything is written
            image = await run_blocking(put_together, parts, options, all_names(self._job.options))
            for output in outputs:
                if output.is_local and output.kind is not OutputKind.ENGINE:
                    await run_blocking(write_image, image, output, self._job.options, content)
        for output in outputs:
            if output.kind is OutputKind.ENGINE:
                from .loading import load_into_engine

                engine, context = self._job.options.globals.config.build.engine, output.engine_context
                named = names_of(self._job.options, output)
                await load_into_engine(image, named, content, self._emit, engine=engine, context=context)
            targets = names_of(self._job.options, output) if output.push else []
            if targets:
                from .pushing import push_built

                registries = registries_of(self._job.options)
                await push_built(self._job, image, supply, targets, self._worker, registries=registries)
        return image

    async def _witness(self) -> Witness:
        """Ready to say what was asked for: what has to be read for it has been read."""
        if self._said is None:
            from .attest.witness import Witness

            layers = [await self._worker.layered(ref) for ref in self._refs]
            witness = await run_blocking(Witness, self._job, self._compiled, self._plan, layers)
            for number, title in witness.unseen:
                if self._job.options.attestations.scanner_image:
                    await witness.ask_image(number, title, self._worker)
                    continue
                with phase(title, self._emit) as reporter:
                    tree = await self._worker.tree(self._refs[number], reporter)
                    await run_blocking(witness.look, number, tree)
            self._said = witness
        return self._said

    async def _part(
        self, result: PlatformResult, ref: Ref, options: ImageOptions, is_local: bool, reporter: EventReporter
    ) -> tuple[PlatformLayers, Ref]:
        """A platform's layers as blobs, and their names. `is_local`: all of them are to be here afterwards."""
        layers = await self._worker.layered(ref)
        base = layers[: len(result.image.diff_ids)]
        new = layers[len(base) :]
        if options.squash and len(new) > 1:
            blobs = await self._blobs(base, base, options, None, is_local, reporter)
            form = _form(options, options.epoch_of(result.epoch_s) if options.rewrite_timestamp else None)
            squashed = await self._worker.forms().squashed(base, new, form, reporter.progress)
            history = squash_history(result.image.history, len(base))
            result = replace(result, image=replace(result.image, history=history))
            return PlatformLayers(result=result, layers=(*blobs, squashed)), (*base, new[-1])
        blobs = await self._blobs(layers, base, options, options.epoch_of(result.epoch_s), is_local, reporter)
        inline = b""
        if options.layers.compression != "estargz":  # whose layers are others: they hold a table of contents too
            inline = await run_blocking(self._job.inline_cache, self._plan, layers, blobs)
        return PlatformLayers(result=result, layers=blobs, inline_cache=inline), layers

    async def _blobs(
        self,
        layers: Ref,
        base: Ref,
        options: ImageOptions,
        epoch_s: int | None,
        is_local: bool,
        reporter: EventReporter,
    ) -> tuple[LayerBlob, ...]:
        """The layers as blobs, bottom first. What is not in `base` may be dated."""
        if is_local and replace(options, squash=False).plain_layers:
            return await self._worker.blobs(layers, reporter)
        forms = self._worker.forms()
        as_they_are = base if options.rewrite_timestamp else layers
        found = await forms.blobs(as_they_are, _form(options, None), reporter.progress)
        dated = list(dict.fromkeys(layer for layer in layers if layer not in found))
        found |= await forms.blobs(dated, _form(options, epoch_s), reporter.progress)
        if is_local:
            await forms.fetch(await run_blocking(self._far, found), reporter.progress)
        return tuple(found[layer] for layer in layers)

    def _far(self, found: Mapping[str, LayerBlob]) -> list[str]:
        """The layers whose blobs are not here."""
        content = self._job.state.content
        descriptors = {name: blob.descriptor for name, blob in found.items()}
        return [name for name, blob in descriptors.items() if not content.has(blob.digest, blob.size_bytes)]

    async def files(self, output: Output) -> None:
        """Write the files of the result."""
        with phase(f"exporting files to {output.dest}", self._emit) as reporter:
            trees = {
                result.platform: await self._worker.tree(ref, reporter)
                for result, ref in zip(self._compiled.results, self._refs, strict=True)
            }
            witness = await self._witness() if self._job.options.attestations else None
            await run_blocking(self._write_files, trees, output, witness)

    def _write_files(self, trees: dict[Platform, MergedTree], output: Output, witness: Witness | None) -> None:
        epoch_s = output.image.epoch_of(self._compiled.results[0].epoch_s)
        with ExitStack() as stack:
            if witness is not None:
                from ..exporter.attest import with_statements

                prefix = output.attestation_prefix
                for number, (platform, tree) in enumerate(trees.items()):
                    told = with_statements(tree, witness.say(number, {}), prefix=prefix, epoch_s=epoch_s)
                    trees[platform] = stack.enter_context(told)
            export_trees(trees, output, epoch_s)


def _form(options: ImageOptions, latest_s: int | None) -> LayerForm:
    from ..worker import LayerForm  # with what packs layers: most images need nothing packed
    from ..worker.layer import Compression

    wanted = options.layers
    return LayerForm(
        compression=Compression(wanted.compression), level=wanted.level, force=wanted.force, latest_s=latest_s
    )


def _say(reporter: EventReporter, words: str) -> None:
    reporter.log(2, f"{words}\n".encode())
