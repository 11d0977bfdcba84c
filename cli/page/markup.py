"""Text made fit for HTML: escaped, harmless, and with nothing in it that a document cannot hold."""

from __future__ import annotations

from ..text import clip, harmless, single_line

__all__ = ["anchor", "block", "clipped", "line", "percent"]

_ENTITIES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}
# Noncharacters: a parse error in HTML (section 13.2.3.5 of the standard), and nothing anyone could see.
_UNSEEN = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
_TABLE = {**_ENTITIES, **_UNSEEN}


def block(text: str) -> str:
    """Several lines, as they are: for `<pre>`."""
    return harmless(text).translate(_TABLE)


def line(text: str) -> str:
    """On one line, also fit for an attribute in quotes."""
    return single_line(text).translate(_TABLE)


def clipped(text: str, width: int) -> str:
    """At most `width` columns of one line."""
    return clip(single_line(text[: 8 * width]), width).translate(_TABLE)


def anchor(number: int) -> str:
    """The id of a step's row."""
    return f"s{number}"


def percent(part: float, whole: float) -> str:
    """A CSS length; never below 0 or above 100."""
    share = 100.0 * part / whole if whole > 0 else 0.0
    return f"{min(100.0, max(0.0, share)):.3f}".rstrip("0").rstrip(".") + "%"
