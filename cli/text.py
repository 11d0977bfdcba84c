"""Foreign text made harmless for a terminal or a log, and cut to a width.

What a build prints comes from strangers' processes and files: escape sequences could move the
cursor, rename the window or hide text, so none of them get through.
"""

from __future__ import annotations

from ..regexes import lazy_regex

__all__ = ["cell_width", "clip", "harmless", "pad", "single_line"]

_ESCAPE = lazy_regex(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, PM, APC, SOS
    r"|\x1b[ -/]*[0-~]?"  # every other escape
)
_INTRODUCER = lazy_regex(r"[\x1b\x90\x98\x9b\x9d-\x9f]")  # what every one of them begins with
_UNSEEN = [
    *(code for code in range(0x20) if code not in (0x09, 0x0A)),
    *range(0x7F, 0xA0),
    0x061C,  # marks that reorder text: what is read is not what is there
    *range(0x200E, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),  # undecodable bytes of a file name
]
_HARMLESS = {**dict.fromkeys(_UNSEEN, "\ufffd"), 0x2028: " ", 0x2029: " "}
_ONE_LINE = {0x09: " ", 0x0A: " "}
_TAB = 8


def harmless(text: str) -> str:
    """Without escape sequences; other control characters become U+FFFD. Keeps tab and newline."""
    if text.isascii() and text.isprintable():
        return text
    if _INTRODUCER.search(text):  # binary output has megabytes without any
        text = _ESCAPE.sub("", text)
    return text.translate(_HARMLESS)


def single_line(text: str) -> str:
    """Harmless, and on one line: tabs and newlines become spaces."""
    return harmless(text).translate(_ONE_LINE).strip()


def cell_width(text: str) -> int:
    """Columns a terminal needs for harmless text."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def clip(text: str, width: int) -> str:
    """At most `width` columns, with … where something was cut off. Tabs count as spaces."""
    text = text.expandtabs(_TAB)
    if cell_width(text) <= width:
        return text
    if width <= 0:
        return ""
    kept, used = [], 1
    for char in text[:width]:  # no character is narrower than nothing; wide ones end the loop earlier
        used += cell_width(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept) + "…"


def pad(text: str, width: int) -> str:
    """Spaces appended up to `width` columns."""
    return text + " " * (width - cell_width(text))
