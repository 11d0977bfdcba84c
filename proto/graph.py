"""The messages around the ops, as tables: vertices, metadata, places in build files, whole definitions.

Our values name vertices by blake3 and keep places as spans; on the wire vertices are named by the sha256 of their
bytes and places are numbers of ranges. The tuples here are the form between: values, but as the wire arranges them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..llb import LinuxResources, ProgressGroup, SourceFile
from .kinds import BLOB, FLAG, INT32, INT64, TEXT, UINT64, listed
from .message import Choice, Field, Message, Wrapper, mapping, sub
from .ops import BODY, PLATFORM, Nested

if TYPE_CHECKING:
    from ..llb import Op
    from ..platforms import Platform

__all__ = [
    "DEFINITION",
    "OP",
    "WireDefinition",
    "WireInput",
    "WireLocation",
    "WireMetadata",
    "WireOp",
    "WirePosition",
    "WireRange",
    "WireSource",
]


_MOST = 1 << 20  # ops, and what is said of them


class WireInput(NamedTuple):
    digest: str
    output: int


class WireOp(NamedTuple):
    """`op` None: the last one of a definition, which says what is wanted."""

    inputs: tuple[WireInput, ...]
    platform: Platform | None = None
    constraints: tuple[str, ...] | None = None
    op: Op | None = None


class WireMetadata(NamedTuple):
    ignore_cache: bool
    description: tuple[tuple[str, str], ...]
    export_cache: bool | None
    caps: tuple[tuple[str, bool], ...]
    progress_group: ProgressGroup | None
    resources: LinuxResources | None


class WirePosition(NamedTuple):
    line: int
    character: int


class WireRange(NamedTuple):
    start: WirePosition
    end: WirePosition


class WireLocation(NamedTuple):
    source: int
    ranges: tuple[WireRange, ...]


class WireSource(NamedTuple):
    locations: tuple[tuple[str, tuple[WireLocation, ...]], ...]
    files: tuple[SourceFile, ...]


class WireDefinition(NamedTuple):
    ops: tuple[bytes, ...]
    metadata: tuple[tuple[str, WireMetadata], ...]
    source: WireSource | None


_INPUT = Message("Input", WireInput, Field(1, "digest", "digest", TEXT), Field(2, "index", "output", INT64))
OP = Message(
    "Op",
    WireOp,
    Field(1, "inputs", "inputs", listed(sub(_INPUT))),
    Field(10, "platform", "platform", sub(PLATFORM)),
    Field(11, "constraints", "constraints", sub(Wrapper("WorkerConstraints", "filter", listed(TEXT)))),
    choice=Choice("op", BODY, optional=True),
)
_RESOURCES = Message(
    "LinuxResources",
    LinuxResources,
    Field(1, "memory", "memory", INT64),
    Field(2, "memorySwap", "memory_swap", INT64),
    Field(3, "cpuShares", "cpu_shares", UINT64),
    Field(4, "cpuPeriod", "cpu_period", UINT64),
    Field(5, "cpuQuota", "cpu_quota", INT64),
    Field(6, "cpusetCpus", "cpuset_cpus", TEXT),
    Field(7, "cpusetMems", "cpuset_mems", TEXT),
)
_GROUP = Message(
    "ProgressGroup",
    ProgressGroup,
    Field(1, "id", "id", TEXT),
    Field(2, "name", "name", TEXT),
    Field(3, "weak", "weak", FLAG),
)
_METADATA = Message(
    "OpMetadata",
    WireMetadata,
    Field(1, "ignore_cache", "ignore_cache", FLAG),
    Field(2, "description", "description", mapping(TEXT)),
    Field(4, "export_cache", "export_cache", sub(Wrapper("ExportCache", "Value", FLAG))),
    Field(5, "caps", "caps", mapping(FLAG)),
    Field(6, "progress_group", "progress_group", sub(_GROUP)),
    Field(7, "linux_resources", "resources", sub(_RESOURCES)),
)
_POSITION = sub(
    Message("Position", WirePosition, Field(1, "line", "line", INT32), Field(2, "character", "character", INT32))
)
_RANGE = Message(
    "Range",
    WireRange,
    Field(1, "start", "start", _POSITION, required=True),
    Field(2, "end", "end", _POSITION, required=True),
)
_LOCATION = Message(
    "Location",
    WireLocation,
    Field(1, "sourceIndex", "source", INT32),
    Field(2, "ranges", "ranges", listed(sub(_RANGE))),
)
_LOCATIONS = Wrapper("Locations", "locations", listed(sub(_LOCATION)))
_FILE = Message(
    "SourceInfo",
    SourceFile,
    Field(1, "filename", "path", TEXT),
    Field(2, "data", "data", BLOB),
    Field(3, "definition", "definition", sub(Nested())),
    Field(4, "language", "language", TEXT),
)
_SOURCE = Message(
    "Source",
    WireSource,
    Field(1, "locations", "locations", mapping(sub(_LOCATIONS))),
    Field(2, "infos", "files", listed(sub(_FILE))),
    most=_MOST,
)
DEFINITION = Message(
    "Definition",
    WireDefinition,
    Field(1, "def", "ops", listed(BLOB)),
    Field(2, "metadata", "metadata", mapping(sub(_METADATA))),
    Field(3, "Source", "source", sub(_SOURCE)),
    most=_MOST,
)
