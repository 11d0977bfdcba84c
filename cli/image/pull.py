"""`llbuild pull`: images from registries into the local store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from ...blocking import run_blocking
from ...errors import raise_first
from ...image import CONFIG_TYPES_OF_ALL, Index, decode_manifest, images_of, is_image, parse_reference
from ...platforms import host_platform
from ...solver import RETRY_DELAYS_S, retrying
from ...values import replace
from ...worker.source import ImageSource
from ..options import platform_of
from ..parser import CommandParser
from ..phases import phase
from ..state import open_state
from ..watching import watched
from .repositories import repository_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ...image import Descriptor, Reference
    from ...platforms import Platform
    from ...solver import Emit, EventReporter
    from ...worker import ContentStore

    _T = TypeVar("_T")

__all__ = ["run"]

_AT_ONCE = 4  # downloads


def run(argv: Sequence[str]) -> int:
    """Pull every image, and print the digest of each; of all tags, with their names."""
    parser = CommandParser(
        "pull", "Bring images from their registries into the local store.", usage="llbuild pull [flags] NAME[:TAG]..."
    )
    parser.add_word("names", metavar="NAME[:TAG]", nargs="+", help="what to pull; NAME@DIGEST keeps no name")
    parser.add_value(
        "--platform", metavar="OS/ARCH", many=True, help="which image of an index (default: this machine's)"
    )
    parser.add_flag("--all-platforms", help="the whole index, with the images of all platforms")
    parser.add_flag("-a", "--all-tags", help="all tags that the registry has of each NAME")
    parser.add_flag("-q", "--quiet", help="print the digests, nothing else")
    found, options = parser.begin(argv)
    references = [repository_of(text) if found.all_tags else parse_reference(text) for text in found.names]
    platform = None if found.all_platforms else platform_of(found.platform or ()) or host_platform()
    state = open_state(options.root)

    async def work(emit: Emit) -> list[tuple[Reference, Descriptor]]:
        async with ImageSource(state.content, registries=options.config.registries) as images:
            wanted = await _all_tags(images, references, emit) if found.all_tags else references
            return [(each, await _pull(images, state.content, each, platform, emit)) for each in wanted]

    with state.leases.take():
        for reference, target in watched(work, title="Pulling", quiet=found.quiet):
            print(f"{reference}@{target.digest}" if found.all_tags else target.digest)
    return 0


async def _all_tags(images: ImageSource, repositories: Sequence[Reference], emit: Emit) -> list[Reference]:
    found = []
    for repository in repositories:
        with phase(f"listing the tags of {repository}", emit) as reporter:
            tags = await _attempt(partial(images.registry().tags, repository), reporter)
        found += [replace(repository, tag=tag) for tag in sorted(tags)]
    return found


async def _pull(
    images: ImageSource, content: ContentStore, reference: Reference, platform: Platform | None, emit: Emit
) -> Descriptor:
    """Fetch an image whole and name it: what a name in the store points at is all there."""
    with phase(f"pulling {reference}", emit) as reporter:
        target = await _attempt(partial(images.target, reference), reporter)
        document = decode_manifest(await run_blocking(content.read, target.digest), ref=str(reference))
        inner = document.manifests if isinstance(document, Index) else (target,)
        if platform is None:
            for entry in filter(is_image, inner):
                await _fetch(images, _pinned(reference, entry), entry.platform or host_platform(), reporter)
        else:
            found = await _fetch(images, _pinned(reference, target), platform, reporter)
            if isinstance(document, Index) and len(images_of(document)) > 1:
                target, inner = found, ()  # a name must not point at what is not here
        for entry in inner:
            if not is_image(entry):
                await _fetch_attestation(images, content, _pinned(reference, entry), reporter)
    if reference.digest is None:
        await run_blocking(content.put_image, str(reference), target)
    return target


async def _fetch(images: ImageSource, reference: Reference, platform: Platform, reporter: EventReporter) -> Descriptor:
    """One platform's image, with its layers; its manifest."""
    resolved = await _attempt(partial(images.resolve, str(reference), platform, "pull"), reporter)
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def fetch(layer: Descriptor) -> None:
        async with limiter:
            await _attempt(partial(images.fetch_layer, str(reference), layer, reporter.progress), reporter)

    try:
        async with anyio.create_task_group() as group:
            for _, layer in resolved.layers:
                group.start_soon(fetch, layer)
    except BaseExceptionGroup as errors:
        raise_first(errors)
    return replace(resolved.manifest, platform=resolved.config.platform)


async def _fetch_attestation(
    images: ImageSource, content: ContentStore, reference: Reference, reporter: EventReporter
) -> None:
    """What is said of an image: a manifest, and all that it lists."""
    target = await _attempt(partial(images.target, reference), reporter)
    data = await run_blocking(content.read, target.digest)
    found = decode_manifest(data, ref=str(reference), configs=CONFIG_TYPES_OF_ALL)
    parts = () if isinstance(found, Index) else (found.config, *found.layers)
    for part in parts:
        await _attempt(partial(images.fetch_layer, str(reference), part, reporter.progress), reporter)


def _pinned(reference: Reference, entry: Descriptor) -> Reference:
    return replace(reference, tag="", digest=entry.digest)


async def _attempt(call: Callable[[], Awaitable[_T]], reporter: EventReporter) -> _T:
    return await retrying(call, RETRY_DELAYS_S, lambda words: reporter.log(2, f"{words}\n".encode()))
