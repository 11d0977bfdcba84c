"""Definitions to results: plan, cache keys and store, schedule, events, build history.

`make_plan` is synchronous and light; what needs an event loop is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face
from .builds import BuildDetails, BuildRecord, BuildStatus, BuildSummary, Outcome, ProcessUsage, Step
from .derivations import Derivation, Derivations
from .entitlements import ENTITLEMENTS, NETWORK_HOST, check_entitlements
from .events import (
    Emit,
    Event,
    VertexCached,
    VertexCompleted,
    VertexLog,
    VertexMissed,
    VertexProgress,
    VertexQueued,
    VertexStarted,
    VertexUsage,
)
from .graph import Graph
from .history import HISTORY_SCHEMA, History
from .plan import Plan, make_plan, unresolved_sources
from .reporter import EventReporter
from .store import SCHEMAS, CacheStore
from .worker import Prober, Ref, Worker

if TYPE_CHECKING:
    from .buildlog import BuildLog, LogChunk, StepLog
    from .execution import Limits, execute, resolve_sources, solve
    from .explain import Cause, Reason
    from .flights import Flights
    from .portable import portable_records
    from .reasons import Past
    from .retry import RETRY_DELAYS_S, retrying
    from .slots import Slots, default_slots

_LAZY = {
    **dict.fromkeys(("BuildLog", "LogChunk", "StepLog"), "buildlog"),
    **dict.fromkeys(("Limits", "execute", "resolve_sources", "solve"), "execution"),
    **dict.fromkeys(("Cause", "Reason"), "explain"),
    "Flights": "flights",
    "portable_records": "portable",
    "Past": "reasons",
    **dict.fromkeys(("RETRY_DELAYS_S", "retrying"), "retry"),
    **dict.fromkeys(("Slots", "default_slots"), "slots"),
}

__all__ = [
    "ENTITLEMENTS",
    "HISTORY_SCHEMA",
    "NETWORK_HOST",
    "RETRY_DELAYS_S",
    "SCHEMAS",
    "BuildDetails",
    "BuildLog",
    "BuildRecord",
    "BuildStatus",
    "BuildSummary",
    "CacheStore",
    "Cause",
    "Derivation",
    "Derivations",
    "Emit",
    "Event",
    "EventReporter",
    "Flights",
    "Graph",
    "History",
    "Limits",
    "LogChunk",
    "Outcome",
    "Past",
    "Plan",
    "Prober",
    "ProcessUsage",
    "Reason",
    "Ref",
    "Slots",
    "Step",
    "StepLog",
    "VertexCached",
    "VertexCompleted",
    "VertexLog",
    "VertexMissed",
    "VertexProgress",
    "VertexQueued",
    "VertexStarted",
    "VertexUsage",
    "Worker",
    "check_entitlements",
    "default_slots",
    "execute",
    "make_plan",
    "portable_records",
    "resolve_sources",
    "retrying",
    "solve",
    "unresolved_sources",
]

__getattr__ = lazy_face(__name__, _LAZY)
