"""A worker without a machine, and graphs as text: for tests of the solver, ours and other people's.

    graph = parse_graph("base; a <- base; b <- base; out <- a b")
    worker = MemoryWorker()
    await solve([graph.definition("out")], worker, store, emit)
    assert worker.runs == {"base": 1, "a": 1, "b": 1, "out": 1}

A vertex is a name; `x <- a b` reads a and b whole, `x <- a *b` reads of b only the content (as COPY --from
does), `x!` fails, `x@file` is a copy from the local source `file`. Statements end at `;`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..digest import Digest, blake3_digest
from ..errors import ExecError, SourceError
from ..llb import ExecOp, FileCopy, FileOp, FileStep, Metadata, Mount, SourceOp, add_vertex, marshal
from ..llb.codec import encode_value, pack
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..llb import Definition, LinuxResources, Output, Vertex
    from ..platforms import Platform
    from ..reporting import Reporter
    from .worker import Ref

__all__ = ["GraphText", "MemoryWorker", "parse_graph"]


@frozen(kw_only=False)
class GraphText:
    """A graph read by `parse_graph`: outputs by name."""

    outputs: dict[str, Output]

    def definition(self, name: str) -> Definition:
        return marshal(self.outputs[name])


def parse_graph(text: str, *, ignore_cache: frozenset[str] = frozenset()) -> GraphText:
    """Read the notation above. Raises KeyError for an input that was not named before."""
    outputs: dict[str, Output] = {}
    for statement in filter(None, (part.strip() for part in text.split(";"))):
        head, _, tail = statement.partition("<-")
        name = head.strip()
        inputs: list[Output] = []
        mounts = []
        for number, word in enumerate(tail.split()):
            inputs.append(outputs[word.lstrip("*")])
            by_content = word.startswith("*")
            dest = f"/in/{number}"
            mounts.append(Mount(dest=dest, input=number, output=-1 if by_content else number, readonly=by_content))
        metadata = Metadata(name=name.rstrip("!").partition("@")[0], ignore_cache=name in ignore_cache)
        if "@" in name:
            source = add_vertex(SourceOp(identifier="local://" + name.partition("@")[2]))
            copy = FileCopy(src="/" + name.partition("@")[2], dest="/")
            op = FileOp(steps=(FileStep(action=copy, input=-1, secondary_input=0, output=0),))
            outputs[metadata.name] = add_vertex(op, [source], metadata=metadata)
        elif not inputs:
            op_source = SourceOp(identifier=f"docker-image://{name}")
            outputs[metadata.name] = add_vertex(op_source, metadata=metadata)
        else:
            outputs[metadata.name] = add_vertex(ExecOp(args=(name,), mounts=tuple(mounts)), inputs, metadata=metadata)
    return GraphText(outputs)


@dataclass(slots=True)
class MemoryWorker:
    """Keeps results as names, counts its work, and forgets nothing.

    `contents`: what a vertex leaves, by its name; without an entry it is something new every time.
    `files`: the local sources. `flaky`: how often a vertex fails in passing before it goes well.
    `before`: awaited at the start of every vertex, to steer the order.
    """

    contents: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    flaky: dict[str, int] = field(default_factory=dict)
    before: Callable[[str], Awaitable[None]] | None = None
    runs: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    digested: int = 0  # how often contents were read for a key
    lost: set[str] = field(default_factory=set)

    def source_key(self, op: SourceOp, platform: Platform | None) -> str | None:  # noqa: ARG002  Protocol
        return None if op.ref in self.images else op.ref

    def local_contents(self, op: SourceOp, selection: tuple[FileCopy, ...]) -> tuple[Digest, bytes]:
        if op.ref not in self.files:
            raise SourceError(f"{op.ref!r} not found", ref=op.ref)
        return _listed([self.files[op.ref]], selection)

    def available(self, ref: Ref) -> bool:
        return not self.lost.intersection(ref)

    async def resolve(self, op: SourceOp, platform: Platform | None, reporter: Reporter) -> str:  # noqa: ARG002
        if self.flaky.get(op.ref, 0) > 0:
            self.flaky[op.ref] -= 1
            raise SourceError(f"{op.ref}: the registry is busy", ref=op.ref, transient=True)
        return self.images[op.ref]

    async def read_contents(self, ref: Ref, selection: tuple[FileCopy, ...]) -> tuple[Digest, bytes]:
        self.digested += 1
        return _listed([name.partition("#")[0] for name in ref], selection)

    async def perform(
        self,
        vertex: Vertex,
        inputs: tuple[Ref, ...],
        reporter: Reporter,  # noqa: ARG002
        resources: LinuxResources | None = None,  # noqa: ARG002
    ) -> tuple[Ref, ...]:
        match vertex.op:
            case ExecOp(args=args):
                name = args[0]
            case SourceOp(identifier=identifier):
                name = identifier.partition("://")[2]
            case _:
                name = "copy"
        if self.before is not None:
            await self.before(name)
        if self.flaky.get(name, 0) > 0:
            self.flaky[name] -= 1
            raise SourceError(f"{name}: the registry is busy", ref=name, transient=True)
        self.runs[name] = self.runs.get(name, 0) + 1
        self.order.append(name)
        if name.endswith("!"):
            raise ExecError(f"{name} exited with code 1", vertex=vertex.digest, exit_code=1)
        base = inputs[0] if inputs and inputs[0] else next(filter(None, inputs), ())
        left = self.contents.get(name, f"{name}#{self.runs[name]}")
        last = (
            max(mount.output for mount in vertex.op.mounts) if isinstance(vertex.op, ExecOp) and vertex.op.mounts else 0
        )
        return ((*base, left),) * (max(last, 0) + 1)


def _listed(texts: list[str], selection: tuple[FileCopy, ...]) -> tuple[Digest, bytes]:
    """A listing with a file for each text, each with the text for a content."""
    entries = [[f"file{number}".encode(), 0o100644, 0, 0, {}, text.encode()] for number, text in enumerate(texts)]
    listing = b"\x01\x00" + b"".join(pack(entry) for entry in entries)
    return blake3_digest(listing + pack(encode_value(selection))), listing
