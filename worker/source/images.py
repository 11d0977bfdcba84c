"""Images by name: from the local store, else from their registry.

`resolve` fetches manifests and configs only, into the content store; `fetch_layer` brings one layer,
when something must read it. Asking again costs nothing: what is here is not asked for. The part that
never waits, `resolve_local`, lives in `identifier.py`, so that a cached build does not load this module.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread

from ...blocking import run_blocking
from ...errors import CorruptError, SourceError
from ...image import Descriptor, Reference
from .identifier import LayoutImage, parse_identifier, resolve_local
from .oci_layout import OciLayoutSource
from .resolved import MissingBlobError, descriptor_of, load_image, read_stored

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from ...digest import Digest
    from ...image import RegistryClient, RegistryConfig
    from ...platforms import Platform
    from ..content import ContentStore, Ingest
    from .resolved import Report, ResolvedImage

__all__ = ["ImageSource"]


class ImageSource:
    """Resolves and fetches for a whole build; connects when it must, and closes what it opened:

    async with ImageSource(store) as images:
        image = await images.resolve("busybox", platform)
        for _, layer in image.layers:
            await images.fetch_layer(image.ref, layer, report)
    """

    def __init__(self, store: ContentStore, *, registries: Iterable[RegistryConfig] = ()) -> None:
        """registries: what is said of some in the config file."""
        self._store = store
        self._registries = registries
        self._stack = AsyncExitStack()
        self._client: RegistryClient | None = None
        self._fetching: dict[Digest, anyio.Lock] = {}
        self._partial: dict[Digest, Ingest] = {}  # what came of layers before their downloads broke off

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            for ingest in self._partial.values():
                await run_blocking(ingest.abort)
        await self._stack.aclose()

    async def resolve(self, text: str, platform: Platform, mode: str = "default") -> ResolvedImage:
        """What an identifier or a bare reference stands for on `platform`.

        mode: BuildKit's image.resolvemode. "default" asks the registry unless the store has an image of that
        name; "local" is also content with what the registry said earlier; "pull" asks it in any case.
        Raises SourceError when the image cannot be had.
        """
        image = await run_blocking(parse_identifier, text)
        pinned = image.digest is not None
        if mode != "pull" or pinned or isinstance(image, LayoutImage):
            # An image that somebody put into the store under this name is meant; what a registry once said may be old.
            found = await run_blocking(self._here, text, platform, mode == "local")
            if found is not None:
                return found
        assert isinstance(image, Reference), "a layout is always at hand"
        target = await self.target(image)
        resolved = await self._walk(image, target, platform)
        if not pinned:
            await run_blocking(self._store.put_source, str(image), target)
        return resolved

    async def fetch_layer(self, text: str, layer: Descriptor, report: Report) -> None:
        """Bring a layer of an image into the store, unless it is there.

        text: the image, as it was given to `resolve`. Tasks that want the same layer wait for one
        download. Raises SourceError; after a transient one the next call goes on where this one stopped.
        """
        image = await run_blocking(parse_identifier, text)
        async with self._fetching.setdefault(layer.digest, anyio.Lock()):
            if await run_blocking(self._store.has, layer.digest, layer.size_bytes):
                return
            if isinstance(image, LayoutImage):
                # in a thread, while whoever listens lives in the event loop

                def tell(what: str, current: int, total: int) -> None:
                    anyio.from_thread.run_sync(report, what, current, total)

                await run_blocking(OciLayoutSource(image.path, self._store).fetch_layer, layer, tell)
                return
            await self._download(image, layer, report)

    def _here(self, text: str, platform: Platform, sources: bool) -> ResolvedImage | None:
        return resolve_local(self._store, text, platform, sources=sources)

    def _begin(self, digest: Digest) -> Ingest:
        return self._store.ingest(algorithm=digest.algorithm)

    async def _download(self, reference: Reference, layer: Descriptor, report: Report) -> None:
        """From where an earlier try got to; a mirror that sends other bytes is not asked a second time."""
        while True:
            kept = self._partial.pop(layer.digest, None)
            ingest = kept if kept is not None else await run_blocking(self._begin, layer.digest)
            try:
                await self._receive(reference, layer, ingest, report)
                return
            except CorruptError as error:
                if not self.registry().distrust(layer.digest):
                    raise SourceError(
                        f"{reference}: the registry sent other bytes than asked for: "
                        f"expected {error.expected}, found {error.actual}",
                        ref=str(reference),
                    ) from error
            except SourceError as error:
                if error.transient:
                    self._partial[layer.digest] = ingest
                raise
            finally:
                if layer.digest not in self._partial:
                    with anyio.CancelScope(shield=True):
                        await run_blocking(ingest.abort)

    async def _receive(self, reference: Reference, layer: Descriptor, ingest: Ingest, report: Report) -> None:
        async def write(chunk: bytes) -> None:
            await run_blocking(ingest.write, chunk)
            report(f"downloading {layer.digest.short}", ingest.size_bytes, layer.size_bytes)

        await self.registry().blob(reference, layer, write, received=ingest.size_bytes)
        await run_blocking(ingest.commit, layer.digest)

    async def target(self, reference: Reference) -> Descriptor:
        """What the registry says the reference points at; the document is in the store afterwards."""
        client = self.registry()
        # A HEAD is no pull (Docker Hub counts those), and most of the time nothing has changed.
        digest = reference.digest or await client.digest(reference)
        if digest is not None:
            known = await run_blocking(descriptor_of, self._store, digest)
            if known is not None:
                return known
        document = await client.manifest(reference)
        await self.keep(document.descriptor, document.data)
        known = await run_blocking(descriptor_of, self._store, document.descriptor.digest)
        assert known is not None, "it was just written"
        return known

    async def _walk(self, reference: Reference, target: Descriptor, platform: Platform) -> ResolvedImage:
        """Walk through the image in the store, and fetch each document that turns out to be missing."""

        def read(wanted: Descriptor) -> bytes:
            try:
                return read_stored(self._store, wanted)
            except CorruptError:  # fetched again, it takes the damaged one's place
                raise MissingBlobError(wanted) from None

        def load() -> ResolvedImage | Descriptor:
            try:
                return load_image(read, target, platform, ref=str(reference))
            except MissingBlobError as missing:
                return missing.descriptor

        while isinstance(found := await run_blocking(load), Descriptor):
            data = await self.registry().document(reference, found)
            await self.keep(found, data)
        return found

    async def keep(self, descriptor: Descriptor, data: bytes) -> None:
        """Store a document that was fetched, under its digest."""

        def write() -> None:
            with self._begin(descriptor.digest) as ingest:
                ingest.write(data)
                ingest.commit(descriptor.digest)

        await run_blocking(write)

    def registry(self) -> RegistryClient:
        """The one client of this build; closed with this."""
        if self._client is None:
            from ...image import RegistryClient  # with httpx, 90 ms: only for who asks a registry

            self._client = RegistryClient(self._registries)
            self._stack.push_async_exit(self._client)
        return self._client
