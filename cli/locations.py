"""Places in build files as JSON, in BuildKit's form: what a Go program makes of pb.Location and pb.SourceInfo."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..span import Span

__all__ = ["encoded", "location", "without_empty"]


def location(at: Span | None) -> dict[str, Any]:
    """Whole lines, as BuildKit has them; no range where there is no place."""
    if at is None:
        return {}
    return {"ranges": [{"start": {"line": at.line}, "end": {"line": at.last_line}}]}


def encoded(data: bytes) -> str:
    """Bytes, in base64."""
    return b64encode(data).decode()


def without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """Go's omitempty: a field without a value is not written."""
    return {key: value for key, value in fields.items() if value not in ("", False, None, [], {}, ())}
