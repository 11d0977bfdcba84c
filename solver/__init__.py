"""Definitions to results: plan, cache keys and store, schedule, events.

`make_plan` is synchronous and light; what needs an event loop is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face
from .events import (
    Emit,
    Event,
    VertexCached,
    VertexCompleted,
    VertexLog,
    VertexProgress,
    VertexQueued,
    VertexStarted,
)
from .graph import Graph
from .plan import Plan, make_plan, unresolved_sources
from .reporter import EventReporter
from .store import SCHEMA, CacheStore
from .worker import Prober, Ref, Reporter, Worker

if TYPE_CHECKING:
    from .execution import Limits, execute, resolve_sources, solve
    from .flights import Flights
    from .portable import portable_records
    from .retry import RETRY_DELAYS_S, retrying

_LAZY = {
    **dict.fromkeys(("Limits", "execute", "resolve_sources", "solve"), "execution"),
    "Flights": "flights",
    "portable_records": "portable",
    **dict.fromkeys(("RETRY_DELAYS_S", "retrying"), "retry"),
}

__all__ = [
    "RETRY_DELAYS_S",
    "SCHEMA",
    "CacheStore",
    "Emit",
    "Event",
    "EventReporter",
    "Flights",
    "Graph",
    "Limits",
    "Plan",
    "Prober",
    "Ref",
    "Reporter",
    "VertexCached",
    "VertexCompleted",
    "VertexLog",
    "VertexProgress",
    "VertexQueued",
    "VertexStarted",
    "Worker",
    "execute",
    "make_plan",
    "portable_records",
    "resolve_sources",
    "retrying",
    "solve",
    "unresolved_sources",
]

__getattr__ = lazy_face(__name__, _LAZY)
