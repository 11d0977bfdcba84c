"""`State`: the Python SDK for graphs. Immutable and fluent: every call returns a new state.

    base = image("docker.io/library/alpine:3")
    built = base.dir("/src").copy(local("context"), "/", "/src").run("make").root
    definition = scratch().copy(built, "/src/app", "/app").marshal()

A state is an edge of a growing graph plus what the next process would see: environment, working
directory, user. Nothing is executed, read or resolved here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..patterns import clean_path
from ..values import frozen, replace
from .definition import Definition, Metadata, SourceFile, merge_metadata
from .op import DiffOp, ExecOp, FileCopy, FileOp, FileStep, MergeOp, Mount, SourceOp
from .vertex import Edge, Vertex, make_vertex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..digest import Digest
    from ..platforms import Platform
    from .op import FileAction, Op

__all__ = ["Exec", "Output", "State", "add_vertex", "diff", "image", "local", "marshal", "merge", "scratch", "source"]


class _Node:
    """A vertex, linked to the nodes it reads. Identity is the vertex's digest; links are for marshalling."""

    __slots__ = ("inputs", "metadata", "vertex", "visit")

    def __init__(
        self, vertex: Vertex, inputs: tuple[Output, ...], metadata: Metadata, visit: tuple[Output, ...]
    ) -> None:
        self.vertex = vertex
        self.inputs = inputs
        self.metadata = metadata
        self.visit = visit


@frozen(kw_only=False)
class Output:
    """One output of a vertex under construction."""

    node: _Node
    index: int = 0

    @property
    def edge(self) -> Edge:
        return Edge(self.node.vertex.digest, self.index)


def add_vertex(
    op: Op,
    inputs: Sequence[Output] = (),
    *,
    platform: Platform | None = None,
    metadata: Metadata | None = None,
    visit: Sequence[Output] | None = None,
) -> Output:
    """The lowest level: a vertex for `op`. Returns its output 0.

    `visit`: the order in which marshalling walks to the inputs, when it is not their own order.
    """
    vertex = make_vertex(op, tuple(item.edge for item in inputs), platform)
    order = tuple(inputs if visit is None else visit)
    return Output(_Node(vertex, tuple(inputs), metadata or Metadata(), order))


@frozen
class State:
    """A filesystem to be, and the surroundings of the next process in it. `output` None is scratch."""

    output: Output | None = None
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    user_name: str = ""
    platform: Platform | None = None

    def add_env(self, key: str, value: str) -> State:
        """Set a variable; one that was set before moves to the end, as in BuildKit."""
        kept = tuple(item for item in self.env if item[0] != key)
        return replace(self, env=(*kept, (key, value)))

    def dir(self, path: str) -> State:
        """Change the working directory; a relative path starts from the current one."""
        joined = path if path.startswith("/") else self.cwd.rstrip("/") + "/" + path
        return replace(self, cwd="/" + clean_path(joined))

    def user(self, name: str) -> State:
        return replace(self, user_name=name)

    def with_output(self, output: Output | None) -> State:
        """The same surroundings over another filesystem."""
        return replace(self, output=output)

    def run(
        self,
        command: str | Sequence[str],
        *,
        mounts: Mapping[str, State] | None = None,
        metadata: Metadata | None = None,
    ) -> Exec:
        """Run a process: text goes to `/bin/sh -c`, a sequence is the argument list itself.

        `mounts`: further filesystems by mount point; what the process writes there is kept as that mount's output.
        """
        args = ("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command)
        inputs: list[Output] = []
        specs = []
        for index, (dest, state) in enumerate({"/": self, **(mounts or {})}.items()):
            number = -1
            if state.output is not None:
                number = inputs.index(state.output) if state.output in inputs else len(inputs)
                if number == len(inputs):
                    inputs.append(state.output)
            specs.append(Mount(dest=dest, input=number, output=index))
        op = ExecOp(
            args=args,
            env=tuple(f"{key}={value}" for key, value in self.env),
            cwd=self.cwd,
            user=self.user_name,
            mounts=tuple(specs),
        )
        name = command if isinstance(command, str) else " ".join(command)
        output = add_vertex(op, inputs, platform=self.platform, metadata=metadata or Metadata(name=name))
        return Exec(state=self, node=output.node, outputs=tuple(spec.dest for spec in specs))

    def file(self, *actions: FileAction, sources: Sequence[State] = (), metadata: Metadata | None = None) -> State:
        """Apply file actions one after the other, as one layer. Copy actions take `sources` in order."""
        inputs: list[Output] = [] if self.output is None else [self.output]
        copies = iter(sources)
        steps: list[tuple[FileAction, int]] = []
        for action in actions:
            secondary = -1
            if isinstance(action, FileCopy):
                given = next(copies).output
                if given is not None:
                    secondary = inputs.index(given) if given in inputs else len(inputs)
                    if secondary == len(inputs):
                        inputs.append(given)
            steps.append((action, secondary))
        base = -1 if self.output is None else 0
        chained = tuple(
            FileStep(
                action=action,
                input=base if number == 0 else len(inputs) + number - 1,
                secondary_input=secondary,
                output=0 if number == len(steps) - 1 else -1,
            )
            for number, (action, secondary) in enumerate(steps)
        )
        op = FileOp(steps=chained)
        return self.with_output(add_vertex(op, inputs, platform=self.platform, metadata=metadata))

    def copy(self, origin: State, src: str, dest: str, *, metadata: Metadata | None = None) -> State:
        """Copy `src` of `origin` to `dest`, with the rules of a Dockerfile's COPY (folders copy their contents)."""
        action = FileCopy(
            src=_absolute(src),
            dest=dest if dest.startswith("/") else self.cwd.rstrip("/") + "/" + dest,
            follow_symlink=True,
            dir_copy_contents=True,
            create_dest_path=True,
            allow_wildcard=True,
            allow_empty_wildcard=True,
        )
        return self.file(action, sources=(origin,), metadata=metadata or Metadata(name=f"copy {src} {dest}"))

    def marshal(self, sources: Iterable[SourceFile] = ()) -> Definition:
        return marshal(self.output, sources)


@frozen
class Exec:
    """A process to be: its root afterwards, and its other mounts."""

    state: State
    node: _Node
    outputs: tuple[str, ...]  # mount points, by output index

    @property
    def root(self) -> State:
        return self.state.with_output(Output(self.node, 0))

    def mount(self, dest: str) -> State:
        """What the process left at that mount. Raises KeyError for a place that is no mount."""
        if dest not in self.outputs:
            raise KeyError(dest)
        return State(output=Output(self.node, self.outputs.index(dest)), platform=self.state.platform)


def scratch() -> State:
    """An empty filesystem."""
    return State()


def source(
    identifier: str,
    attrs: Mapping[str, str] | None = None,
    *,
    platform: Platform | None = None,
    metadata: Metadata | None = None,
) -> State:
    """Anything from outside, by identifier and attributes (the keys are BuildKit's)."""
    op = SourceOp(identifier=identifier, attrs=tuple(sorted((attrs or {}).items())))
    output = add_vertex(op, platform=platform, metadata=metadata or Metadata(name=identifier))
    return State(output=output, platform=platform)


def image(ref: str, *, platform: Platform | None = None) -> State:
    """An image of a registry or the local store, e.g. `docker.io/library/busybox:latest`."""
    return source(f"docker-image://{ref}", platform=platform)


def local(name: str, *, follow: Sequence[str] = (), include: Sequence[str] = (), exclude: Sequence[str] = ()) -> State:
    """A folder the caller hands to the build under `name`.

    follow: paths that are read of it, with what links on the way point at. include, exclude: patterns as in a
    .dockerignore; without `include`, everything.
    """
    attrs = {}
    if follow:
        attrs["local.followpaths"] = json.dumps(list(follow))
    if include:
        attrs["local.includepattern"] = json.dumps(list(include))
    if exclude:
        attrs["local.excludepatterns"] = json.dumps(list(exclude))
    return source(f"local://{name}", attrs)


def merge(states: Sequence[State]) -> State:
    """The states laid over each other, later ones on top. Nothing is copied."""
    outputs = [state.output for state in states if state.output is not None]
    if len(outputs) < 2:
        return State(output=outputs[0] if outputs else None)
    return State(
        output=add_vertex(MergeOp(inputs=tuple(range(len(outputs)))), outputs, metadata=Metadata(name="merge"))
    )


def diff(lower: State, upper: State) -> State:
    """What `upper` changed, counted from `lower`, as a state of its own."""
    inputs = [state.output for state in (lower, upper) if state.output is not None]
    low = -1 if lower.output is None else 0
    high = -1 if upper.output is None else len(inputs) - 1
    return State(output=add_vertex(DiffOp(lower=low, upper=high), inputs, metadata=Metadata(name="diff")))


def marshal(root: Output | None, sources: Iterable[SourceFile] = ()) -> Definition:
    """The graph below `root` as a Definition: each vertex once, inputs first (post-order).

    What several nodes say of one vertex is merged in that order, as BuildKit does.
    """
    if root is None:
        return Definition(sources=tuple(sources))
    vertices: list[Vertex] = []
    said: dict[Digest, list[Metadata]] = {}
    stack: list[tuple[_Node, bool]] = [(root.node, False)]
    visited: set[_Node] = set()
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            if node.vertex.digest not in said:
                vertices.append(node.vertex)
            said.setdefault(node.vertex.digest, []).append(node.metadata)
        elif node not in visited:
            visited.add(node)
            stack.append((node, True))
            stack.extend((item.node, False) for item in reversed(node.visit) if item.node not in visited)
    merged = ((item.digest, merge_metadata(*said[item.digest])) for item in vertices)
    present = tuple(item for item in merged if item[1] != Metadata())
    return Definition(vertices=tuple(vertices), root=root.edge, metadata=present, sources=tuple(sources))


def _absolute(path: str) -> str:
    return path if path.startswith("/") else "/" + path
