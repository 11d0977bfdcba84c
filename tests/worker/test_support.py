"""What the worker refuses, by name, instead of ignoring it."""

from __future__ import annotations

import pytest
from llbuild.llb import (
    BuildOp,
    CacheOptions,
    CacheSharing,
    CdiDevice,
    DiffOp,
    ExecOp,
    MergeOp,
    Mount,
    MountType,
    Op,
    PassthroughOp,
    SourceOp,
)
from llbuild.values import replace
from llbuild.worker import unsupported

EXEC = ExecOp(args=("make",), mounts=(Mount(dest="/", input=0, output=0),))
LOCKED = Mount(dest="/c", input=1, mount_type=MountType.CACHE, cache=CacheOptions(id="c", sharing=CacheSharing.LOCKED))


@pytest.mark.parametrize(
    ("op", "want"),
    [
        (EXEC, ""),
        (replace(EXEC, mounts=(*EXEC.mounts, LOCKED)), ""),
        (MergeOp(inputs=(0, 1)), ""),
        (DiffOp(lower=0, upper=1), ""),
        (PassthroughOp(id="x", outputs=(0,)), ""),
        (SourceOp(identifier="docker-image://busybox", attrs=(("image.resolvemode", "pull"),)), ""),
        (SourceOp(identifier="local://context", attrs=(("local.session", "s"), ("local.followpaths", "[]"))), ""),
        (replace(EXEC, cdi_devices=(CdiDevice(name="v/c"),)), "a device for a process (RUN --device)"),
        (SourceOp(identifier="docker-image+blob://x"), "a source of kind docker-image+blob://"),
        (SourceOp(identifier="git://h/x.git", attrs=(("git.bundle", "x"),)), "git.bundle=x of a source"),
        (SourceOp(identifier="https://h/x", attrs=(("http.sig.pubkey", "x"),)), "http.sig.pubkey=x of a source"),
        (
            SourceOp(identifier="local://context", attrs=(("local.metadatatransfer", '["a"]'),)),
            'local.metadatatransfer=["a"] of a source',
        ),
        (BuildOp(builder=-1), "a nested build (BuildOp)"),
    ],
)
def test_what_cannot_be_done_is_named(op: Op, want: str) -> None:
    assert unsupported(op) == want
