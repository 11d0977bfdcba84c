"""SOURCE_DATE_EPOCH in an image: the times that a build wrote down are never later than that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..values import replace

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..image import ImageConfig

__all__ = ["clamp_config", "epoch_text"]


def epoch_text(epoch_s: int) -> str:
    """Seconds since 1970 as an image config writes a time."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clamp_config(config: ImageConfig, epoch_s: int, *, new: Collection[int]) -> ImageConfig:
    """The config with its own time, and those of its `new` history entries, no later than the epoch.

    What a base image says of itself stays.
    """
    history = list(config.history)
    for number in new:
        history[number] = replace(history[number], created=_earlier(history[number].created, epoch_s))
    return replace(config, created=_earlier(config.created, epoch_s), history=tuple(history))


def _earlier(created: str, epoch_s: int) -> str:
    """A time that cannot be read is taken for too late."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return epoch_text(epoch_s)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return epoch_text(epoch_s) if moment.timestamp() > epoch_s else created
