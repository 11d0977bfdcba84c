"""What the listing commands share: `--format table|json`, and times as people read them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from ..errors import UsageError
from .units import age, seconds_since_1970

if TYPE_CHECKING:
    from .parser import CommandParser, Found

__all__ = ["FORMATS", "add_format", "created_ago", "render_json", "wants_json"]

FORMATS = ("table", "json")


def add_format(parser: CommandParser) -> None:
    """The flag."""
    parser.add_value("--format", metavar="|".join(FORMATS), help="how to list (default: table)")


def wants_json(found: Found) -> bool:
    """The flag's value. Raises UsageError for an unknown one."""
    form = found.format or "table"
    if form not in FORMATS:
        raise UsageError(f"--format {form!r}; expected one of {', '.join(FORMATS)}")
    return bool(form == "json")


def render_json(value: object) -> str:
    """Indented, with a newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def created_ago(rfc3339: str, now: float | None = None) -> str:
    """`2 weeks ago`; `N/A` when the time is not known."""
    created = seconds_since_1970(rfc3339)
    if created is None:
        return "N/A"
    return age((time.time() if now is None else now) - created)
