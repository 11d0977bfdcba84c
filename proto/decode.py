"""BuildKit's protobuf as a definition: vertices get our names, and what is said of them follows.

Any valid spelling of the messages is read, since other writers order fields differently; what is written again is
the one spelling of `encode`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from ..digest import parse_digest
from ..errors import DefinitionError
from ..llb import Definition, Edge, Metadata, make_vertex
from . import places
from .graph import DEFINITION, OP
from .metadata import from_wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..digest import Digest
    from ..llb import Vertex
    from .graph import WireDefinition, WireInput, WireOp

__all__ = ["decode_buildkit", "decode_nested"]

_T = TypeVar("_T")
_MAX_BYTES = 256 << 20  # as of our own form
_MAX_DEPTH = 8  # BuildKit's own frontends put one definition into another, no more


def decode_buildkit(data: bytes) -> Definition:
    """Read and check a `pb.Definition`.

    Raises DefinitionError: not such a message; a field, op or enum number that is not known here; a missing input; ops
    twice or before their inputs; no last op that says what is wanted; something said of an op that is not there.
    """
    if len(data) > _MAX_BYTES:
        raise DefinitionError(f"not a definition: {len(data)} bytes, more than {_MAX_BYTES}")
    return decode_nested(data, 0)


def decode_nested(data: bytes, depth: int) -> Definition:
    """A definition that stands inside `depth` others."""
    if depth > _MAX_DEPTH:
        raise DefinitionError(f"more than {_MAX_DEPTH} definitions inside each other")
    try:
        wire = DEFINITION.read(data, depth)
    except DefinitionError as error:
        raise DefinitionError(f"not a definition of BuildKit's: {error.message}", hint=error.hint) from None
    return _Reading(wire, depth).definition()


class _Reading:
    """One definition: its ops by their names on the wire, and the vertices made of them so far."""

    def __init__(self, wire: WireDefinition, depth: int) -> None:
        self._wire = wire
        self._depth = depth
        self._vertices: list[Vertex] = []
        self._numbers: dict[bytes, int] = {}  # by the bare hash: as text, names would take most of the memory
        for number, data in enumerate(wire.ops):
            if self._numbers.setdefault(sha256(data).digest(), number) != number:
                raise DefinitionError(f"op {number} stands in the definition twice")

    def definition(self) -> Definition:
        root = self._graph()
        files, paths = places.distinct_files(self._wire.source.files if self._wire.source else ())
        metadata = tuple(item for item in self._metadata(paths) if item[1] != Metadata())
        return Definition(vertices=tuple(self._vertices), root=root, metadata=metadata, sources=files)

    def _graph(self) -> Edge | None:
        root = None
        for number, data in enumerate(self._wire.ops):
            try:
                root = self._add(OP.read(data, self._depth), number)
            except DefinitionError as error:
                raise DefinitionError(f"op {number}: {error.message}", hint=error.hint) from None
        if len({vertex.digest for vertex in self._vertices}) != len(self._vertices):
            raise DefinitionError("the same vertex stands in the definition twice, in different spellings")
        return root

    def _add(self, op: WireOp, number: int) -> Edge | None:
        """The vertex of op `number`; or, of the last one, the edge that is wanted."""
        inputs = tuple([self._edge(item, number) for item in op.inputs])
        last = number == len(self._wire.ops) - 1
        if op.op is not None and not last:
            self._vertices.append(make_vertex(op.op, inputs, op.platform, op.constraints))
            return None
        if not last:
            raise DefinitionError("it does nothing; only the last op may")
        if op.op or op.platform or op.constraints is not None or len(inputs) != 1:
            raise DefinitionError("the last op must be one input and nothing else: the edge that is wanted")
        return inputs[0]

    def _edge(self, item: WireInput, user: int) -> Edge:
        number = self._numbers.get(_hash(item.digest))
        if number is None:
            raise DefinitionError(f"an input is missing: no op {item.digest}")
        if number >= user:
            raise DefinitionError(f"it stands before its input, op {number}")
        if item.output < 0:
            raise DefinitionError(f"an input is output {item.output} of op {number}; outputs count from 0")
        return Edge(self._vertices[number].digest, item.output)

    def _metadata(self, paths: tuple[str, ...]) -> Iterator[tuple[Digest, Metadata]]:
        """In order of the vertices. What is said of the last op is left out: it follows from the rest."""
        said = self._by_number(self._wire.metadata)
        located = self._by_number(self._wire.source.locations if self._wire.source else ())
        for number, vertex in enumerate(self._vertices):
            spans = places.from_wire(located.get(number, ()), paths)
            yield vertex.digest, from_wire(vertex.op, said.get(number), spans)

    def _by_number(self, pairs: Iterable[tuple[str, _T]]) -> dict[int, _T]:
        """What is said of ops by name, by their number instead."""
        found = {}
        for name, item in pairs:
            number = self._numbers.get(_hash(name))
            if number is None:
                raise DefinitionError(f"something is said of an op that is not there: {name}")
            found[number] = item
        return found


def _hash(name: str) -> bytes:
    try:
        return bytes.fromhex(parse_digest(name).hex)
    except ValueError:
        raise DefinitionError(f"{name[:80]!r} is no digest; expected sha256: and 64 hex digits") from None
