"""What decides that two results are the same, and what does not."""

from __future__ import annotations

import pytest
from llbuild.digest import Digest
from llbuild.llb import (
    CacheOptions,
    CacheSharing,
    Edge,
    ExecOp,
    FileCopy,
    FileMkdir,
    FileOp,
    FileStep,
    HostIp,
    Mount,
    MountType,
    Op,
    ProxyEnv,
    SecretEnv,
    SecretOptions,
    make_vertex,
)
from llbuild.platforms import Platform
from llbuild.solver.keys import Key, op_key, selections
from llbuild.values import replace

BASE, OTHER = Edge(Digest("blake3:" + "0" * 64)), Edge(Digest("blake3:" + "1" * 64))
ROOT = Mount(dest="/", input=0, output=0)
READ = Mount(dest="/src", input=1, readonly=True, selector="a/lib")
CACHE = Mount(dest="/c", mount_type=MountType.CACHE, cache=CacheOptions(id="one"))
SECRET = Mount(dest="/s", mount_type=MountType.SECRET, secret=SecretOptions(id="token", mode=0o400))
RUN = ExecOp(args=("make",), mounts=(ROOT, READ, CACHE, SECRET), extra_hosts=(HostIp(host="db", ip="10.0.0.1"),))
COPY = FileCopy(src="/out/bin/app", dest="/usr/bin/")


def key(op: Op, platform: Platform | None = None) -> Key:
    vertex = make_vertex(op, (BASE, OTHER), platform)
    return op_key(vertex, selections(vertex))


def copying(action: FileCopy) -> FileOp:
    return FileOp(steps=(FileStep(action=action, input=0, secondary_input=1, output=0),))


@pytest.mark.parametrize(
    "other",
    [
        replace(RUN, proxy_env=ProxyEnv(http_proxy="http://proxy")),
        replace(RUN, extra_hosts=(HostIp(host="db", ip="10.0.0.2"),)),
        replace(RUN, mounts=(ROOT, replace(READ, selector="b/lib"), CACHE, SECRET)),
        replace(RUN, mounts=(ROOT, READ, replace(CACHE, cache=CacheOptions(id="two")), SECRET)),
        replace(RUN, mounts=(ROOT, READ, replace(CACHE, cache=CacheOptions(sharing=CacheSharing.LOCKED)), SECRET)),
    ],
)
def test_proxies_addresses_cache_ids_and_paths_read_by_content_are_no_part_of_a_run_s_key(other: ExecOp) -> None:
    assert key(RUN) == key(other)


@pytest.mark.parametrize(
    "other",
    [
        replace(RUN, args=("make", "all")),
        replace(RUN, env=("A=b",)),
        replace(RUN, cwd="/src"),
        replace(RUN, user="1000"),
        replace(RUN, hostname="other"),
        replace(RUN, extra_hosts=(HostIp(host="cache", ip="10.0.0.1"),)),
        replace(RUN, secret_env=(SecretEnv(id="token", name="TOKEN"),)),
        replace(RUN, mounts=(ROOT, READ, CACHE)),
        replace(RUN, mounts=(ROOT, READ, CACHE, replace(SECRET, secret=SecretOptions(id="other", mode=0o400)))),
        replace(RUN, mounts=(ROOT, replace(READ, dest="/lib"), CACHE, SECRET)),
        # Written to, the input counts as a whole, and so does where in it the mount begins
        replace(RUN, mounts=(ROOT, replace(READ, readonly=False), CACHE, SECRET)),
    ],
)
def test_what_a_run_is_and_which_secrets_it_names_are_part_of_its_key(other: ExecOp) -> None:
    assert key(RUN) != key(other)


def test_the_platform_is_part_of_the_key() -> None:
    assert key(RUN, Platform(os="linux", architecture="arm64")) != key(RUN, Platform(os="linux", architecture="amd64"))


def test_a_copy_from_a_moved_folder_has_the_same_key_but_not_under_another_name() -> None:
    assert key(copying(COPY)) == key(copying(replace(COPY, src="/elsewhere/app")))
    assert key(copying(COPY)) != key(copying(replace(COPY, src="/out/bin/application")))
    assert key(copying(COPY)) != key(copying(replace(COPY, dest="/usr/local/bin/")))
    assert key(copying(COPY)) != key(copying(replace(COPY, mode=0o755)))


def test_a_copy_within_one_filesystem_is_keyed_by_its_path() -> None:
    def within(src: str) -> FileOp:
        copy = FileStep(action=replace(COPY, src=src), input=0, secondary_input=0, output=0)
        return FileOp(steps=(FileStep(action=FileMkdir(path="/d", mode=0o755), input=0), copy))

    assert key(within("/a/app")) != key(within("/b/app"))
