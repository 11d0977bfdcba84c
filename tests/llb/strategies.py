"""Hypothesis strategies for graphs: every op with every field, metadata, places, definitions in definitions.

What they draw is in normal form, so that it may be compared after a way through bytes: maps sorted, a span's last
line spelled out, no text that UTF-8 cannot hold, capabilities only where they are not those of the op.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from llbuild.llb import (
    BuildOp,
    CacheOptions,
    CacheSharing,
    CdiDevice,
    ChownOptions,
    ContentCache,
    Definition,
    DiffOp,
    Edge,
    ExecOp,
    FileCopy,
    FileMkdir,
    FileMkfile,
    FileOp,
    FileRm,
    FileStep,
    FileSymlink,
    HostIp,
    LinuxResources,
    MergeOp,
    Metadata,
    Mount,
    MountType,
    NamedUser,
    NetMode,
    Op,
    PassthroughOp,
    ProgressGroup,
    ProxyEnv,
    SecretEnv,
    SecretOptions,
    SecurityMode,
    SourceFile,
    SourceOp,
    SshOptions,
    TmpfsOptions,
    Ulimit,
    Vertex,
    make_vertex,
)
from llbuild.platforms import Platform
from llbuild.span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llbuild.digest import Digest

INT32 = st.sampled_from([0, 1, -1, 127, 128, 0o755, -(1 << 31), (1 << 31) - 1]) | st.integers(-(1 << 31), (1 << 31) - 1)
INT64 = st.sampled_from([0, 1, -1, 300, -(1 << 63), (1 << 63) - 1]) | st.integers(-(1 << 63), (1 << 63) - 1)
UINT32 = st.sampled_from([0, 1, 1000, (1 << 32) - 1])
UINT64 = st.sampled_from([0, 1, 1000, (1 << 64) - 1])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLAG = st.booleans()


def many(items: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=most).map(tuple)


def pairs(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    """A map, as our values hold it."""
    return st.dictionaries(TEXT, values, max_size=3).map(lambda found: tuple(sorted(found.items())))


def maybe(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | items


PLATFORMS = st.builds(
    Platform, os=TEXT, architecture=TEXT, variant=TEXT, os_version=TEXT, os_features=many(TEXT)
) | st.just(Platform(os="linux", architecture="amd64"))
MOUNTS = st.builds(
    Mount,
    dest=TEXT,
    input=INT64,
    selector=TEXT,
    output=INT64,
    readonly=FLAG,
    mount_type=st.sampled_from(MountType),
    tmpfs=maybe(st.builds(TmpfsOptions, size_bytes=INT64)),
    cache=maybe(st.builds(CacheOptions, id=TEXT, sharing=st.sampled_from(CacheSharing))),
    secret=maybe(st.builds(SecretOptions, id=TEXT, uid=UINT32, gid=UINT32, mode=UINT32, optional=FLAG)),
    ssh=maybe(st.builds(SshOptions, id=TEXT, uid=UINT32, gid=UINT32, mode=UINT32, optional=FLAG)),
    result_id=TEXT,
    content_cache=st.sampled_from(ContentCache),
)
PROXY_ENVS = st.builds(ProxyEnv, http_proxy=TEXT, https_proxy=TEXT, ftp_proxy=TEXT, no_proxy=TEXT, all_proxy=TEXT)
EXEC_OPS = st.builds(
    ExecOp,
    args=many(TEXT),
    env=many(TEXT),
    cwd=TEXT,
    user=TEXT,
    mounts=many(MOUNTS),
    network=st.sampled_from(NetMode),
    security=st.sampled_from(SecurityMode),
    hostname=TEXT,
    extra_hosts=many(st.builds(HostIp, host=TEXT, ip=TEXT)),
    ulimits=many(st.builds(Ulimit, name=TEXT, soft=INT64, hard=INT64)),
    cgroup_parent=TEXT,
    proxy_env=maybe(PROXY_ENVS),
    secret_env=many(st.builds(SecretEnv, id=TEXT, name=TEXT, optional=FLAG)),
    cdi_devices=many(st.builds(CdiDevice, name=TEXT, optional=FLAG)),
    remove_mount_stubs_recursive=FLAG,
    valid_exit_codes=many(INT32),
)
USERS = maybe(UINT32 | st.builds(NamedUser, name=TEXT, input=INT64))
OWNERS = maybe(st.builds(ChownOptions, user=USERS, group=USERS))
ACTIONS = st.one_of(
    st.builds(
        FileCopy,
        src=TEXT,
        dest=TEXT,
        owner=OWNERS,
        mode=INT32,
        mode_text=TEXT,
        follow_symlink=FLAG,
        dir_copy_contents=FLAG,
        attempt_unpack=FLAG,
        create_dest_path=FLAG,
        allow_wildcard=FLAG,
        allow_empty_wildcard=FLAG,
        timestamp=INT64,
        include_patterns=many(TEXT),
        exclude_patterns=many(TEXT),
        always_replace_existing=FLAG,
        required_paths=many(TEXT),
    ),
    st.builds(FileMkfile, path=TEXT, mode=INT32, data=st.binary(max_size=20), owner=OWNERS, timestamp=INT64),
    st.builds(FileMkdir, path=TEXT, mode=INT32, make_parents=FLAG, owner=OWNERS, timestamp=INT64),
    st.builds(FileRm, path=TEXT, allow_not_found=FLAG, allow_wildcard=FLAG),
    st.builds(FileSymlink, old_path=TEXT, new_path=TEXT, owner=OWNERS, timestamp=INT64),
)
STEPS = st.builds(FileStep, action=ACTIONS, input=INT64, secondary_input=INT64, output=INT64)


def build_ops(depth: int) -> st.SearchStrategy[BuildOp]:
    inner = maybe(definitions(depth - 1)) if depth else st.none()
    return st.builds(BuildOp, builder=INT64, inputs=pairs(INT64), definition=inner, attrs=pairs(TEXT))


def ops(depth: int = 1) -> st.SearchStrategy[Op]:
    """Any op; definitions in it at most `depth` deep."""
    return st.one_of(
        EXEC_OPS,
        st.builds(SourceOp, identifier=TEXT, attrs=pairs(TEXT)),
        st.builds(FileOp, steps=many(STEPS)),
        st.builds(MergeOp, inputs=many(INT64)),
        st.builds(DiffOp, lower=INT64, upper=INT64),
        st.builds(PassthroughOp, id=TEXT, outputs=many(INT64)),
        build_ops(depth),
    )


RESOURCES = st.builds(
    LinuxResources,
    memory=INT64,
    memory_swap=INT64,
    cpu_shares=UINT64,
    cpu_period=UINT64,
    cpu_quota=INT64,
    cpuset_cpus=TEXT,
    cpuset_mems=TEXT,
)


@st.composite
def spans(draw: st.DrawFn, paths: Sequence[str]) -> Span:
    line = draw(st.integers(1, 9))
    last, column = line + draw(st.integers(0, 2)), draw(st.integers(1, 9))
    return Span(draw(st.sampled_from(paths)), line, column, last, draw(st.just(0) | st.integers(2, 9)))


def metadata(paths: Sequence[str]) -> st.SearchStrategy[Metadata]:
    return st.builds(
        Metadata,
        name=TEXT,
        spans=many(spans(paths)) if paths else st.just(()),
        ignore_cache=FLAG,
        export_cache=maybe(FLAG),
        progress_group=maybe(st.builds(ProgressGroup, id=TEXT, name=TEXT, weak=FLAG)),
        resources=maybe(RESOURCES),
        description=pairs(TEXT),
        caps=maybe(st.sets(TEXT, min_size=1, max_size=3).map(lambda found: tuple(sorted(found)))),
    )


@st.composite
def vertices(draw: st.DrawFn, depth: int = 1) -> tuple[Vertex, ...]:
    """A graph, inputs first; at least one vertex."""
    found: dict[Digest, Vertex] = {}
    for _ in range(draw(st.integers(1, 4))):
        earlier = st.sampled_from(sorted(found)) if found else st.nothing()
        inputs = many(st.builds(Edge, earlier, st.integers(0, 300))) if found else st.just(())
        constraints = draw(st.just(()) | maybe(many(TEXT)))
        vertex = make_vertex(draw(ops(depth)), draw(inputs), draw(maybe(PLATFORMS)), constraints)
        found[vertex.digest] = vertex
    return tuple(found.values())


@st.composite
def definitions(draw: st.DrawFn, depth: int = 1) -> Definition:
    """A whole definition, or the empty one; definitions in it at most `depth` deep."""
    paths = draw(st.lists(TEXT, max_size=2, unique=True))
    inner = maybe(definitions(depth - 1)) if depth else st.none()
    sources = tuple(
        SourceFile(path=path, data=draw(st.binary(max_size=20)), language=draw(TEXT), definition=draw(inner))
        for path in paths
    )
    graph = draw(vertices(depth) | st.just(()))
    said = ((vertex.digest, draw(metadata(paths))) for vertex in graph)
    root = Edge(draw(st.sampled_from(graph)).digest, draw(st.integers(0, 300))) if graph else None
    return Definition(
        vertices=graph,
        root=root,
        metadata=tuple(item for item in said if item[1] != Metadata()),
        sources=sources,
    )
