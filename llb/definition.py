"""A definition: a whole graph as one value, and its bytes.

Bytes: canonical msgpack of a map {"llb": version, "vertices": […], "root": …, "metadata": …, "sources": …}.
Vertices stand in topological order, inputs first; loading checks that, and every digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..digest import Digest
from ..errors import DefinitionError
from ..values import frozen
from .codec import decode_value, encode_value, pack, unpack
from .op import BuildOp
from .vertex import Edge, Vertex, vertex_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..span import Span
    from .op import Attrs

__all__ = [
    "VERSION",
    "Definition",
    "LinuxResources",
    "Metadata",
    "ProgressGroup",
    "SourceFile",
    "decode_definition",
    "encode_definition",
    "merge_metadata",
    "validate",
]

VERSION = 1
_MAX_DEPTH = 8  # BuildKit's own frontends put one definition into another, no more
_TOO_DEEP = f"more than {_MAX_DEPTH} definitions inside each other"
_MOST_NAMED = 8


@frozen
class ProgressGroup:
    """Vertices shown as one step."""

    id: str
    name: str = ""
    weak: bool = False


@frozen
class LinuxResources:
    """Limits of a step; bytes, microseconds, 0 for none. Never part of a key."""

    memory: int = 0
    memory_swap: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""


@frozen
class Metadata:
    """What is said about a vertex without being part of it."""

    name: str = ""
    spans: tuple[Span, ...] = ()  # where in the build files it comes from
    ignore_cache: bool = False
    export_cache: bool | None = None
    progress_group: ProgressGroup | None = None
    resources: LinuxResources | None = None
    description: Attrs = ()
    caps: tuple[str, ...] | None = None  # names of what a builder must know; None: what the op itself implies


@frozen
class SourceFile:
    """A build file, kept so that an error can show the place. `definition` says what it was read from."""

    path: str
    data: bytes
    language: str = "Dockerfile"
    definition: Definition | None = None


def merge_metadata(*said: Metadata) -> Metadata:
    """What several places say of one vertex: as in BuildKit the later word counts, places and needs add up.

    A wish to skip the cache stands once it was said.
    """
    if len(said) == 1:
        return said[0]
    spans: dict[Span, None] = {}
    description: dict[str, str] = {}
    needs: dict[str, None] = {}
    for item in said:
        spans |= dict.fromkeys(item.spans)
        description |= dict(item.description)
        needs |= dict.fromkeys(item.caps or ())
    later = said[::-1]
    return Metadata(
        name=next((item.name for item in later if item.name), ""),
        spans=tuple(spans),
        ignore_cache=any(item.ignore_cache for item in said),
        export_cache=next((item.export_cache for item in later if item.export_cache is not None), None),
        progress_group=next((item.progress_group for item in later if item.progress_group), None),
        resources=next((item.resources for item in later if item.resources), None),
        description=tuple(sorted(description.items())),
        caps=None if all(item.caps is None for item in said) else tuple(sorted(needs)),
    )


@frozen
class Definition:
    """A graph and the edge wanted of it; `root` None is an empty filesystem (a scratch image)."""

    vertices: tuple[Vertex, ...] = ()
    root: Edge | None = None
    metadata: tuple[tuple[Digest, Metadata], ...] = ()
    sources: tuple[SourceFile, ...] = ()

    def metadata_of(self) -> Mapping[Digest, Metadata]:
        """Metadata by vertex; vertices nobody said anything about are absent."""
        return dict(self.metadata)

    def by_digest(self) -> dict[Digest, Vertex]:
        return {vertex.digest: vertex for vertex in self.vertices}


def encode_definition(definition: Definition) -> bytes:
    """Canonical bytes. Equal definitions give equal bytes."""
    return pack({"llb": VERSION, **encode_value(definition)})


def decode_definition(data: bytes) -> Definition:
    """Read and validate a definition.

    Raises DefinitionError: not msgpack, a version from elsewhere, an unknown op or field, a missing
    input, a cycle, vertices out of order, or a digest that does not match its vertex.
    """
    plain: Any = unpack(data)
    if not isinstance(plain, dict) or "llb" not in plain:
        raise DefinitionError("not a definition: no version in it")
    version = plain.pop("llb")
    if version != VERSION:
        raise DefinitionError(
            f"definition of version {version!r}; this llbuild reads version {VERSION}",
            hint="build it again with this llbuild, or use the llbuild that wrote it",
        )
    try:
        definition = decode_value(Definition, plain)
        _check_depth(definition)
        validate(definition)
    except RecursionError:
        raise DefinitionError(_TOO_DEEP) from None
    return definition


def _check_depth(definition: Definition) -> None:
    level = [definition]
    for _ in range(_MAX_DEPTH + 1):
        nested = [source.definition for outer in level for source in outer.sources]
        nested += [v.op.definition for outer in level for v in outer.vertices if isinstance(v.op, BuildOp)]
        level = [inner for inner in nested if inner is not None]
        if not level:
            return
    raise DefinitionError(_TOO_DEEP)


def validate(definition: Definition) -> None:
    """Raises DefinitionError unless the graph is closed, acyclic, in order and truly named by its digests."""
    known = definition.by_digest()
    if len(known) != len(definition.vertices):
        raise DefinitionError("the same vertex stands in the definition twice")
    _check_inputs(definition, known)
    _check_order(definition.vertices, known)
    said = definition.metadata_of()
    if len(said) != len(definition.metadata):
        raise DefinitionError("the same vertex is spoken of twice")
    if not said.keys() <= known.keys():
        raise DefinitionError(f"something is said of a vertex that is not there: {min(said.keys() - known.keys())}")
    for vertex in definition.vertices:
        actual = vertex_digest(vertex.op, vertex.inputs, vertex.platform, vertex.constraints)
        if actual != vertex.digest:
            raise DefinitionError(f"vertex {vertex.digest} has other contents: they digest to {actual}")


def _check_inputs(definition: Definition, known: Mapping[Digest, Vertex]) -> None:
    for vertex in definition.vertices:
        for index, edge in enumerate(vertex.inputs):
            if edge.vertex not in known:
                raise DefinitionError(f"input {index} of vertex {vertex.digest} is missing: no vertex {edge.vertex}")
            if edge.output < 0:
                raise DefinitionError(f"input {index} of vertex {vertex.digest} asks for output {edge.output}")
    root = definition.root
    if root is not None and root.vertex not in known:
        raise DefinitionError(f"the root is missing: no vertex {root.vertex}")


def _check_order(vertices: Iterable[Vertex], known: Mapping[Digest, Vertex]) -> None:
    seen: set[Digest] = set()
    for vertex in vertices:
        for edge in vertex.inputs:
            if edge.vertex not in seen:
                cycle = _find_cycle(known)
                if cycle:
                    names = [Digest(name).short for name in cycle]
                    if len(names) > _MOST_NAMED:
                        names[_MOST_NAMED - 2 : -1] = ["…"]
                    raise DefinitionError("the definition has a cycle: " + " <- ".join(names))
                raise DefinitionError(f"vertex {vertex.digest} stands before its input {edge.vertex}")
        seen.add(vertex.digest)


def _find_cycle(known: Mapping[Digest, Vertex]) -> list[Digest]:
    """Some cycle, or nothing. Peels off what has all its inputs; what remains has a cycle in it."""
    waiting = {digest: {edge.vertex for edge in vertex.inputs} for digest, vertex in known.items()}
    users: dict[Digest, list[Digest]] = {}
    for digest, inputs in waiting.items():
        for name in inputs:
            users.setdefault(name, []).append(digest)
    ready = [digest for digest, inputs in waiting.items() if not inputs]
    while ready:
        done = ready.pop()
        del waiting[done]
        for user in users.get(done, ()):
            waiting[user].discard(done)
            if not waiting[user]:
                ready.append(user)
    if not waiting:
        return []
    step = min(waiting)
    path: dict[Digest, None] = {}  # in order, and quick to look in
    while step not in path:
        path[step] = None
        step = min(waiting[step])
    walk = [*path]
    return [*walk[walk.index(step) :], step]
