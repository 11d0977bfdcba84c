"""What the solver asks of a worker: the only sight it has of one.

Life of a result: a worker performs a vertex and returns one `Ref` per output. A ref names layers,
bottom first; it is a value that outlives the process and is kept in the cache store. Layers may be
lazy: a ref to a pulled image names layers that are not on this machine yet.

A listing is what a content digest is the digest of, in the form that `solver.listing` reads, or b"" when it is too
long: it tells people which files have changed, and decides nothing.

What crosses this line are ops, digests, layer names and events; never local paths or open files, so
that a worker may be elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import TypeAlias

    from ..digest import Digest
    from ..llb import FileCopy, LinuxResources, SourceOp, Vertex
    from ..platforms import Platform
    from ..reporting import Reporter

__all__ = ["Prober", "Ref", "Worker"]

Ref: TypeAlias = "tuple[str, ...]"  # layer names, bottom first; () is an empty filesystem


class Prober(Protocol):
    """What planning asks: quick, synchronous, touches no network."""

    def source_key(self, op: SourceOp, platform: Platform | None) -> str | None:
        """What a source stands for (a manifest digest, a commit, …); None when that must be asked far away."""
        ...

    def local_contents(self, op: SourceOp, selection: tuple[FileCopy, ...]) -> tuple[Digest, bytes]:
        """What these copies would take from a local source: digest and listing. Raises SourceError."""
        ...

    def available(self, ref: Ref) -> bool:
        """Whether every layer of `ref` is here or can be fetched again."""
        ...


class Worker(Prober, Protocol):
    """Performs vertices."""

    async def resolve(self, op: SourceOp, platform: Platform | None, reporter: Reporter) -> str:
        """What `source_key` could not say. Raises SourceError."""
        ...

    async def read_contents(self, ref: Ref, selection: tuple[FileCopy, ...]) -> tuple[Digest, bytes]:
        """What these copies would take from a result: digest and listing."""
        ...

    async def perform(
        self, vertex: Vertex, inputs: tuple[Ref, ...], reporter: Reporter, resources: LinuxResources | None = None
    ) -> tuple[Ref, ...]:
        """Do what the vertex says; one ref per output. Cancelled, it leaves nothing running and nothing behind.

        resources: how much a process of it may take.
        Raises LlbuildError; ExecError when a process ended badly.
        """
        ...
