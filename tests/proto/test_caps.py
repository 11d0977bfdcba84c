"""Capabilities follow from the op, by the names of BuildKit."""

from __future__ import annotations

import pytest
from llbuild.llb import (
    BuildOp,
    CacheOptions,
    CdiDevice,
    ContentCache,
    DiffOp,
    ExecOp,
    FileCopy,
    FileOp,
    FileStep,
    LinuxResources,
    MergeOp,
    Mount,
    MountType,
    NetMode,
    Op,
    PassthroughOp,
    ProxyEnv,
    SecretEnv,
    SecurityMode,
    SourceOp,
    TmpfsOptions,
    Ulimit,
)
from llbuild.proto.caps import needed_caps

PROCESS = {"exec.meta.base", "exec.meta.setsdefaultpath"}


def source(identifier: str, **attrs: str) -> SourceOp:
    return SourceOp(identifier=identifier, attrs=tuple((key.replace("_", "."), item) for key, item in attrs.items()))


@pytest.mark.parametrize(
    ("op", "want"),
    [
        (source("docker-image://busybox"), {"source.image"}),
        (source("docker-image://busybox", image_resolvemode="local"), {"source.image"}),
        (source("docker-image://busybox", image_resolvemode="pull"), {"source.image", "source.image.resolvemode"}),
        (source("local://context", local_session="s"), {"source.local", "source.local.sessionid"}),
        (
            source("git://x", git_mountsshsock="default"),
            {"source.git", "source.git.mountsshsock", "source.git.knownsshhosts"},
        ),
        (
            source("https://x/y", http_header_accept="*/*", http_uid="1"),
            {"source.http", "source.http.header", "soruce.http.uidgid"},
        ),
        (source("strange://x"), set()),
        (FileOp(steps=(FileStep(action=FileCopy(src="/", dest="/", exclude_patterns=("*",))),)), {"file.base"}),
        (MergeOp(inputs=()), {"mergeop"}),
        (DiffOp(), {"diffop"}),
        (BuildOp(builder=-1), {"source.buildop.llbfilename"}),
        (PassthroughOp(), {"passthroughop"}),
        (ExecOp(args=()), PROCESS),
    ],
)
def test_an_op_needs(op: Op, want: set[str]) -> None:
    assert set(needed_caps(op)) == want


@pytest.mark.parametrize(
    ("op", "want"),
    [
        (ExecOp(args=(), network=NetMode.HOST), {"exec.meta.network"}),
        (ExecOp(args=(), security=SecurityMode.INSECURE), {"exec.meta.security"}),
        (ExecOp(args=(), proxy_env=ProxyEnv()), {"exec.meta.proxyenv"}),
        (ExecOp(args=(), ulimits=(Ulimit(name="core", soft=0, hard=0),)), {"exec.meta.ulimit"}),
        (ExecOp(args=(), secret_env=(SecretEnv(id="a", name="A"),)), {"exec.secretenv", "exec.mount.secret"}),
        (ExecOp(args=(), cdi_devices=(CdiDevice(name="v/c=d"),)), {"exec.meta.cdi"}),
        (ExecOp(args=(), valid_exit_codes=(1,)), {"exec.validexitcode"}),
    ],
)
def test_what_a_process_asks_for_adds_to_that(op: ExecOp, want: set[str]) -> None:
    assert set(needed_caps(op)) == PROCESS | want


@pytest.mark.parametrize(
    ("mount", "want"),
    [
        (Mount(dest="/"), set()),
        (Mount(dest="/", input=0), {"exec.mount.bind"}),
        (Mount(dest="/m", input=0, selector="a"), {"exec.mount.bind", "exec.mount.selector"}),
        (
            Mount(dest="/m", mount_type=MountType.CACHE, cache=CacheOptions()),
            {"exec.mount.cache", "exec.mount.cache.sharing"},
        ),
        (Mount(dest="/m", mount_type=MountType.TMPFS, tmpfs=TmpfsOptions()), {"exec.mount.tmpfs"}),
        (
            Mount(dest="/m", mount_type=MountType.TMPFS, tmpfs=TmpfsOptions(size_bytes=1)),
            {"exec.mount.tmpfs", "exec.mount.tmpfs.size"},
        ),
        (Mount(dest="/m", mount_type=MountType.SECRET), {"exec.mount.secret"}),
        (Mount(dest="/m", mount_type=MountType.SSH), {"exec.mount.ssh"}),
        (Mount(dest="/m", content_cache=ContentCache.OFF), {"exec.mount.cache.content"}),
    ],
)
def test_so_do_its_mounts(mount: Mount, want: set[str]) -> None:
    assert set(needed_caps(ExecOp(args=(), mounts=(mount,)))) == PROCESS | want


def test_limits_count_for_processes_only() -> None:
    assert "exec.meta.linux.resources" in needed_caps(ExecOp(args=()), LinuxResources(memory=1))
    assert needed_caps(MergeOp(inputs=()), LinuxResources(memory=1)) == ("mergeop",)
