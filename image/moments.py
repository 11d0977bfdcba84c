"""Moments as documents of images hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["encode_moment", "trim_fraction"]


def encode_moment(moment: datetime) -> str:
    """RFC 3339, to the microsecond, as Go's tools would write it again. moment: in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + trim_fraction(moment.strftime(".%f")) + "Z"


def trim_fraction(fraction: str) -> str:
    """A fraction of a second with its point as Go writes it: without zeros at the end, or not at all."""
    return fraction.rstrip("0").rstrip(".")
