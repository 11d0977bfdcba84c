"""Reports of builds: a page to read, and a trace for Perfetto. Pure: values in, text out."""

from __future__ import annotations

from .document import Subject, render_page
from .layers import LayerSize
from .trace_events import render_trace

__all__ = ["LayerSize", "Subject", "render_page", "render_trace"]
