"""Graphs written with the SDK, performed by the worker of this machine: real files, real processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.errors import ExecError, LlbuildError, SourceError, VertexError
from llbuild.llb import (
    CacheOptions,
    ExecOp,
    FileMkdir,
    FileMkfile,
    Mount,
    MountType,
    ProxyEnv,
    SecurityMode,
    SourceOp,
    State,
    TmpfsOptions,
    add_vertex,
    diff,
    image,
    local,
    merge,
    scratch,
)
from llbuild.platforms import Platform
from llbuild.reporting import SILENT
from llbuild.solver import SCHEMAS, CacheStore, Event, VertexCached, VertexLog, VertexStarted, VertexUsage, solve
from llbuild.worker import (
    SCHEMA,
    USES_SCHEMA,
    CacheHolds,
    ContentStore,
    Contexts,
    LayerRecords,
    LocalWorker,
    Prober,
    UseRecords,
)
from llbuild.worker.executor import SandboxExecutor
from llbuild.worker.snapshot import LayerStore
from llbuild.worker.source import DOWNLOADS_SCHEMA, ImageSource, RemoteSources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.needs_root]


class Bench:
    """A worker with a state folder of its own, and what a solve left in it."""

    def __init__(self, worker: LocalWorker, store: CacheStore, state: Path) -> None:
        self.state = state
        self.worker = worker
        self.store = store
        self.events: list[Event] = []

    async def files(self, state: State, path: str = "") -> dict[str, str]:
        """Solve, and read the regular files of the folder `path`."""
        definition = state.marshal()
        assert definition.root is not None
        self.events = []
        refs = await solve([definition], self.worker, self.store, self.events.append)
        tree = await self.worker.tree(refs[definition.root], SILENT)
        return await run_blocking(_read, tree, path)

    @property
    def ran(self) -> int:
        return sum(isinstance(event, VertexStarted) for event in self.events)

    @property
    def said(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, VertexLog))


def _read(tree, path: str) -> dict[str, str]:  # type: ignore[no-untyped-def]
    found = {}
    with tree.directory(path) as folder:
        for entry in folder.entries():
            if entry.stat.st_mode & 0o170000 == 0o100000:
                with os.fdopen(folder.open(entry.name), encoding="utf-8") as file:
                    found[entry.name] = file.read()
    return found


@pytest.fixture
def folders(tmp_path: Path, busybox_rootfs: Path) -> Mapping[str, Path]:
    source = tmp_path / "source"
    source.mkdir()
    (source / "greeting").write_text("hello\n")
    return {"rootfs": busybox_rootfs, "source": source}


@pytest.fixture
async def bench(tmp_path: Path, folders: Mapping[str, Path]) -> AsyncIterator[Bench]:
    root = tmp_path / "state"
    root.mkdir()
    database = open_database(root / "state.db", [*SCHEMAS, SCHEMA, USES_SCHEMA, DOWNLOADS_SCHEMA])
    prober = Prober(
        layers=LayerStore(root, userxattr=False),
        content=ContentStore(root),
        records=LayerRecords(database),
        contexts=Contexts(folders),
    )
    async with (
        ImageSource(prober.content) as images,
        RemoteSources(root, prober.layers, prober.records, database, handed={}, pins=prober.pins) as remote,
        SandboxExecutor(root) as executor,
    ):
        uses = UseRecords(database)
        locks = root / "locks" / "cache-mounts"
        caches = CacheHolds(root / "cache-mounts", locks, layers=prober.layers, uses=uses)
        worker = LocalWorker(prober, images=images, remote=remote, executor=executor, caches=caches)
        yield Bench(worker, CacheStore(database), root)
    database.close()


def base() -> State:
    """A root filesystem with a shell, copied from the client's folder."""
    return scratch().copy(local("rootfs"), "/", "/").add_env("PATH", "/bin")


async def test_a_process_leaves_what_it_wrote(bench: Bench) -> None:
    state = base().run("mkdir /made && echo one > /made/a && echo told").root
    assert await bench.files(state, "made") == {"a": "one\n"}
    assert bench.said == b"told\n"
    (usage,) = (event for event in bench.events if isinstance(event, VertexUsage))
    assert usage.max_rss_bytes > 0
    assert usage.written_bytes % 512 == 0


async def test_the_second_time_nothing_runs(bench: Bench) -> None:
    state = base().run("mkdir /made && date +%N > /made/when").root
    first = await bench.files(state, "made")
    assert await bench.files(state, "made") == first
    assert bench.ran == 0
    assert any(isinstance(event, VertexCached) for event in bench.events)


async def test_every_writable_mount_is_a_result(bench: Bench) -> None:
    process = base().run("echo root > /r; echo side > /out/s", mounts={"/out": scratch()})
    assert await bench.files(process.mount("/out")) == {"s": "side\n"}


async def test_a_client_s_folder_can_be_mounted(bench: Bench, folders: Mapping[str, Path]) -> None:
    process = base().run("mkdir /w; tr a-z A-Z < /in/greeting > /w/g; rm /in/greeting", mounts={"/in": local("source")})
    assert await bench.files(process.root, "w") == {"g": "HELLO\n"}
    assert (folders["source"] / "greeting").read_text() == "hello\n"


async def test_merged_states_lie_over_each_other_and_deletions_count(bench: Bench) -> None:
    start = scratch().file(
        FileMkdir(path="/d", mode=0o755),
        FileMkfile(path="/d/a", mode=0o644, data=b"1"),
        FileMkfile(path="/d/b", mode=0o644, data=b"1"),
    )
    system = base()
    changed = merge([system, start]).run("rm /d/a; echo 2 > /d/b; echo 3 > /d/c").root
    delta = diff(merge([system, start]), changed)
    assert await bench.files(merge([start, delta]), "d") == {"b": "2\n", "c": "3\n"}
    twice = merge([start, delta, start])
    assert await bench.files(twice, "d") == {"a": "1", "b": "1", "c": "3\n"}


async def test_the_difference_of_strangers_is_refused(bench: Bench) -> None:
    one = scratch().file(FileMkfile(path="/a", mode=0o644))
    other = scratch().file(FileMkfile(path="/b", mode=0o644))
    with pytest.raises(LlbuildError, match="not built on the other"):
        await bench.files(diff(one, other))


async def test_a_definition_gets_no_rights_that_nobody_gave_it(bench: Bench) -> None:
    root = base()
    assert root.output is not None
    op = ExecOp(args=("true",), mounts=(Mount(dest="/", input=0, output=0),), security=SecurityMode.INSECURE)
    with pytest.raises(LlbuildError, match="wants to run without confinement"):
        await bench.files(root.with_output(add_vertex(op, [root.output])))


async def test_cache_mounts_keep_what_processes_leave_in_them(bench: Bench) -> None:
    cache = Mount(dest="/cache", mount_type=MountType.CACHE, cache=CacheOptions(id="c"))

    def counting(number: int) -> State:
        root = base()
        assert root.output is not None
        script = f"echo {number} >> /cache/log; mkdir /w; cp /cache/log /w/log"
        mounts = (Mount(dest="/", input=0, output=0), cache)
        op = ExecOp(args=("/bin/sh", "-c", script), env=("PATH=/bin",), mounts=mounts)
        return root.with_output(add_vertex(op, [root.output]))

    assert await bench.files(counting(1), "w") == {"log": "1\n"}
    assert await bench.files(counting(2), "w") == {"log": "1\n2\n"}


async def test_memory_mounts_leave_nothing_and_proxies_are_no_part_of_the_key(bench: Bench) -> None:
    root = base()
    assert root.output is not None

    def op(proxy: str) -> State:
        mounts = (
            Mount(dest="/", input=0, output=0),
            Mount(dest="/m", mount_type=MountType.TMPFS, tmpfs=TmpfsOptions(size_bytes=1 << 20)),
        )
        args = ("/bin/sh", "-c", "echo x > /m/x; mkdir /w; echo $http_proxy $HTTP_PROXY > /w/p")
        proxies = ProxyEnv(http_proxy=proxy)
        made = ExecOp(args=args, env=("PATH=/bin",), mounts=mounts, proxy_env=proxies)
        assert root.output is not None
        return root.with_output(add_vertex(made, [root.output]))

    assert await bench.files(op("http://one"), "w") == {"p": "http://one http://one\n"}
    with pytest.raises(SourceError, match="/m is not a folder"):  # its mount point went with it
        await bench.files(op("http://one"), "m")
    assert await bench.files(op("http://two"), "w") == {"p": "http://one http://one\n"}
    assert bench.ran == 0


async def test_a_failing_process_is_named_and_leaves_no_layer(bench: Bench) -> None:
    with pytest.raises(ExecError, match='process "/bin/sh -c echo a; exit 3" exited with code 3') as caught:
        await bench.files(base().run("echo a; exit 3").root)
    assert caught.value.exit_code == 3
    names = await run_blocking(os.listdir, bench.state / "snapshots")
    assert not [name for name in names if name.startswith("tmp-")]


async def test_codes_that_are_valid_are_no_failure(bench: Bench) -> None:
    root = base()
    assert root.output is not None
    mounts = (Mount(dest="/", input=0, output=0),)
    op = ExecOp(args=("/bin/sh", "-c", "mkdir /w; exit 3"), mounts=mounts, valid_exit_codes=(0, 3))
    assert await bench.files(root.with_output(add_vertex(op, [root.output])), "w") == {}


@pytest.mark.parametrize(
    ("op", "want"),
    [
        (
            SourceOp(identifier="local://nowhere"),
            "no build context named 'nowhere' was given; there are: rootfs, source",
        ),
        (SourceOp(identifier="docker-image+blob://x"), r"sources of kind docker-image\+blob:// are not supported yet"),
        (SourceOp(identifier="git://example.org/x#a..b"), "'a..b' names no branch, tag or commit"),
        (SourceOp(identifier="local://source", attrs=(("local.excludepatterns", "x"),)), "is not a JSON list"),
    ],
)
async def test_a_source_that_cannot_be_is_named(bench: Bench, op: SourceOp, want: str) -> None:
    with pytest.raises((SourceError, VertexError), match=want):
        await bench.files(State(output=add_vertex(op)).run("true").root)


async def test_an_image_that_is_nowhere_is_named(bench: Bench) -> None:
    with pytest.raises(LlbuildError, match="127.0.0.1:1"):
        await bench.files(image("127.0.0.1:1/nothing:latest").run("true").root)


async def test_platforms_of_one_index_do_not_share_results(bench: Bench) -> None:
    op = SourceOp(identifier="docker-image://docker.io/library/multi:1@sha256:" + "1" * 64)
    keys = {bench.worker.source_key(op, Platform(os="linux", architecture=arch)) for arch in ("amd64", "arm64")}
    assert len(keys) == 2
