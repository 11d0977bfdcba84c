"""The bounded reading of a registry's answers."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import httpx

from ...errors import SourceError
from ..strict_json import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["drain", "pour", "read_bounded"]

_WORTH_READING_BYTES = 64 << 10  # more takes longer than another connection
_PIECE_BYTES = 1 << 20  # a hop to another thread costs what hashing some 50 KiB does


async def pour(
    response: httpx.Response,
    pieces: AsyncIterator[bytes],
    sink: Callable[[bytes], Awaitable[object]],
    *,
    limit: int,
) -> int:
    """Hand the body to `sink` in pieces of about 1 MiB, never more than `limit` bytes; how many came.

    More than `limit` means that there was more. Raises httpx.HTTPError when the connection breaks.
    """
    received = 0
    # Gathered here: httpx would do it (`chunk_size`), but copies three times where one is enough.
    gathered: list[bytes] = []
    pending = 0
    try:
        async for piece in pieces:
            received += len(piece)
            if received <= limit:
                gathered.append(piece)
                pending += len(piece)
                if pending >= _PIECE_BYTES:
                    await sink(b"".join(gathered))
                    gathered, pending = [], 0
            elif not response.is_closed:
                # Ends the loop with an error, from inside. To leave it here would leave httpx's generators
                # suspended, which trio reports.
                await response.aclose()
    except (httpx.HTTPError, httpx.StreamError):
        if received <= limit:
            if gathered:  # what came counts: a download goes on from here
                await sink(b"".join(gathered))
            raise
    if gathered:
        await sink(b"".join(gathered))
    return received


async def drain(response: httpx.Response) -> None:
    """Read what nobody has read, if it is little: only then can the connection be used again, also after a HEAD."""
    if not response.is_stream_consumed and not response.is_closed:
        with contextlib.suppress(httpx.HTTPError, ssl.SSLError):  # what was asked for has been answered
            await pour(response, response.aiter_raw(), _ignore, limit=_WORTH_READING_BYTES)


async def _ignore(piece: bytes) -> None:
    pass


async def read_bounded(response: httpx.Response, ref: str, *, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """The whole body. Raises SourceError when it is larger than a manifest may be."""
    data = bytearray()

    async def keep(piece: bytes) -> None:
        data.extend(piece)

    if await pour(response, response.aiter_bytes(), keep, limit=limit) > limit:
        raise SourceError(f"{ref}: the registry answered with more than {limit >> 10} KiB", ref=ref)
    return bytes(data)
