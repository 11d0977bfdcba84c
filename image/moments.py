"""Moments as documents of images hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["encode_moment"]


def encode_moment(moment: datetime) -> str:
    """RFC 3339, to the microsecond, without zeros at the end: as Go's tools would write it again. moment: in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
