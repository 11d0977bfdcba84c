"""The diagnostic log, for people who look into llbuild itself. The one module that knows structlog."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from ..log import log

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["configure_log"]


def configure_log(*, debug: bool, form: str, stream: TextIO | None = None) -> None:
    """From now on write the log to `stream` (stderr): `form` is "console" or "json"; without `debug` from info up."""
    stream = stream or sys.stderr
    # 2026-01-31T12:00:00.123456Z: sorts as text, and machines and people read it alike
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            stamp,
            *_renderers(form, colors=stream.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    log.sink = structlog.get_logger()


def _renderers(form: str, *, colors: bool) -> list[structlog.types.Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    from os import environ

    return [structlog.dev.ConsoleRenderer(colors=colors and not environ.get("NO_COLOR"))]
