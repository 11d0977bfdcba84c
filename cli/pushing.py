"""Images on their way to a registry: what was built, and what the local store has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..blocking import run_blocking
from ..errors import SourceError
from ..exporter import PushedBlob, push_image
from ..image import RegistryPusher, parse_reference
from ..solver import RETRY_DELAYS_S, retrying
from ..values import replace
from .phases import phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from ..digest import Digest
    from ..exporter import AssembledImage, AssembledIndex
    from ..image import LayerBlob, Reference, RegistryConfig
    from ..solver import Emit, EventReporter
    from ..worker import ContentStore, LayerForms, LayerRecords, LocalWorker
    from .job import Build

    _T = TypeVar("_T")

__all__ = ["push_built", "push_stored", "registry_origin", "supply_layers"]


async def push_built(
    job: Build,
    image: AssembledImage | AssembledIndex,
    layers: Mapping[str, LayerBlob],
    names: Sequence[Reference],
    worker: LocalWorker,
    *,
    registries: Iterable[RegistryConfig],
) -> None:
    """Push an image that was just put together. layers: its layers as blobs, by name. Raises SourceError."""
    forms = worker.forms()
    async with RegistryPusher(registries) as registry:
        for number, name in enumerate(names):
            with phase(f"pushing {name}", job.display.display) as reporter:
                supply = await run_blocking(supply_layers, layers, job.state.records, forms, reporter.progress)
                beside = next((other for other in names[:number] if other.domain == name.domain), None)
                if beside is not None:
                    supply = {digest: replace(blob, source=beside) for digest, blob in supply.items()}
                blobs = [supply[digest] for digest in dict.fromkeys(layer.digest for layer in image.layers)]
                await _push(registry, image, name, blobs, job.state.content, reporter)


async def push_stored(
    images: Iterable[tuple[AssembledImage | AssembledIndex, Reference]],
    content: ContentStore,
    emit: Emit,
    *,
    registries: Iterable[RegistryConfig],
) -> None:
    """Push images that are in the store, whole, each by its name. Raises SourceError."""
    async with RegistryPusher(registries) as registry:
        for image, name in images:
            with phase(f"pushing {name}", emit) as reporter:
                layers = {layer.digest: layer for layer in image.layers}.values()
                blobs = [PushedBlob(descriptor=layer) for layer in layers]
                await _push(registry, image, name, blobs, content, reporter)


async def _push(
    registry: RegistryPusher,
    image: AssembledImage | AssembledIndex,
    name: Reference,
    blobs: Iterable[PushedBlob],
    content: ContentStore,
    reporter: EventReporter,
) -> None:
    async def attempt(call: Callable[[], Awaitable[_T]]) -> _T:
        return await retrying(call, RETRY_DELAYS_S, lambda words: reporter.log(2, f"{words}\n".encode()))

    documents = tuple(image.small_blobs())
    await push_image(registry, name, blobs, documents, store=content, report=reporter.progress, attempt=attempt)


def supply_layers(
    layers: Mapping[str, LayerBlob], records: LayerRecords, forms: LayerForms, report: Callable[[str, int, int], None]
) -> dict[Digest, PushedBlob]:
    """How each blob is to be had: from here, from another repository, or from where the layer came from."""
    known = records.get(layers)
    return {
        blob.descriptor.digest: PushedBlob(
            descriptor=blob.descriptor,
            source=registry_origin(known[name].origin) if name in known else None,
            fetch=partial(forms.fetch, [name], report),
        )
        for name, blob in layers.items()
    }


def registry_origin(origin: str) -> Reference | None:
    """The image in a registry that a layer came from; None when it came from elsewhere."""
    scheme, _, text = origin.rpartition("://")
    if not text or scheme not in {"", "docker-image"}:
        return None
    try:
        return parse_reference(text)
    except SourceError:
        return None
