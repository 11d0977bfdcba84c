"""What is in the content store, or can be had, pushed to a registry: blobs first, the manifest that needs them last."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio

from ..blocking import run_blocking
from ..errors import raise_first
from ..image import MANIFEST_TYPES
from ..values import frozen, replace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeAlias

    from ..image import Descriptor, Reference, RegistryPusher
    from ..worker import ContentStore

    Report: TypeAlias = Callable[[str, int, int], None]

__all__ = ["Attempt", "PushedBlob", "push_image"]

_AT_ONCE = 4  # uploads; docker has 5, containerd 3

_T = TypeVar("_T")


class Attempt(Protocol):
    """Awaits `call()`, and again when it fails for a passing reason."""

    async def __call__(self, call: Callable[[], Awaitable[_T]], /) -> _T: ...


@frozen
class PushedBlob:
    """A blob to push. `source`: another place that has it, which helps if it is in the same registry.

    fetch: brings it into the content store, where it is not yet.
    """

    descriptor: Descriptor
    source: Reference | None = None
    fetch: Callable[[], Awaitable[None]] | None = None


async def push_image(
    registry: RegistryPusher,
    reference: Reference,
    blobs: Iterable[PushedBlob],
    documents: Iterable[tuple[Descriptor, bytes]],
    *,
    store: ContentStore,
    report: Report,
    attempt: Attempt,
) -> None:
    """Push an image, whatever it is an image of.

    documents: its configs, manifests and indexes, in an order in which none points at what is still to come. The last
    is what the reference stands for afterwards; one with neither tag nor digest names nothing.
    What the repository has is not sent; what another repository of the registry has is mounted; only what is left is
    fetched and sent. Raises SourceError.
    """
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def push(blob: PushedBlob) -> None:
        async with limiter:
            await _push(registry, reference, blob, store, report, attempt)

    try:
        async with anyio.create_task_group() as group:
            for blob in blobs:
                group.start_soon(push, blob)
    except BaseExceptionGroup as errors:
        raise_first(errors)
    *inner, (top, data) = documents
    for descriptor, document in inner:
        if descriptor.media_type in MANIFEST_TYPES:
            inside = replace(reference, tag="", digest=descriptor.digest)
            await attempt(partial(registry.push_manifest, inside, descriptor.media_type, document))
        else:
            await attempt(partial(registry.push_blob, reference, descriptor, partial(io.BytesIO, document), report))
    await attempt(partial(registry.push_manifest, reference, top.media_type, data))


async def _push(
    registry: RegistryPusher,
    reference: Reference,
    blob: PushedBlob,
    store: ContentStore,
    report: Report,
    attempt: Attempt,
) -> None:
    digest = blob.descriptor.digest
    if await attempt(partial(registry.has_blob, reference, digest)):
        return
    source = blob.source
    may_mount = source is not None and source.domain == reference.domain and source.path != reference.path
    if source is not None and may_mount and await attempt(partial(registry.mount_blob, reference, digest, source)):
        return
    if blob.fetch is not None and not await run_blocking(store.has, digest, blob.descriptor.size_bytes):
        await attempt(blob.fetch)
    send = partial(registry.push_blob, reference, blob.descriptor, partial(store.open, digest), report, missing=True)
    await attempt(send)
