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
    FileCopy,
    FileOp,
    FileStep,
    MergeOp,
    Mount,
    MountType,
    Op,
    PassthroughOp,
    SecretEnv,
    SecurityMode,
    SourceOp,
    SshOptions,
)
from llbuild.values import replace
from llbuild.worker import unsupported

EXEC = ExecOp(args=("make",), mounts=(Mount(dest="/", input=0, output=0),))
CACHE = Mount(dest="/c", mount_type=MountType.CACHE, cache=CacheOptions(id="c"))
LOCKED = CacheOptions(id="c", sharing=CacheSharing.LOCKED)


def mounting(mount: Mount) -> ExecOp:
    return replace(EXEC, mounts=(*EXEC.mounts, mount))


@pytest.mark.parametrize(
    ("op", "want"),
    [
        (EXEC, ""),
        (mounting(CACHE), ""),
        (MergeOp(inputs=(0, 1)), ""),
        (DiffOp(lower=0, upper=1), ""),
        (PassthroughOp(id="x", outputs=(0,)), ""),
        (SourceOp(identifier="docker-image://busybox", attrs=(("image.resolvemode", "pull"),)), ""),
        (SourceOp(identifier="local://context", attrs=(("local.session", "s"), ("local.followpaths", "[]"))), ""),
        (replace(EXEC, security=SecurityMode.INSECURE), "a process without confinement (RUN --security=insecure)"),
        (replace(EXEC, cgroup_parent="/x"), "a cgroup parent"),
        (replace(EXEC, cdi_devices=(CdiDevice(name="v/c"),)), "a device for a process (RUN --device)"),
        (replace(EXEC, secret_env=(SecretEnv(id="a", name="A"),)), "a secret in a process's environment"),
        (mounting(Mount(dest="/s", mount_type=MountType.SECRET)), "a mount of type secret"),
        (mounting(Mount(dest="/s", mount_type=MountType.SSH, ssh=SshOptions(id="a"))), "a mount of type ssh"),
        (mounting(replace(CACHE, input=1)), "a cache mount with contents or an owner"),
        (mounting(replace(CACHE, cache=LOCKED)), "a cache mount with sharing=locked"),
        (
            FileOp(steps=(FileStep(action=FileCopy(src="/a", dest="/", required_paths=("a",))),)),
            "a copy that demands certain paths (COPY --parents)",
        ),
        (SourceOp(identifier="docker-image+blob://x"), "a source of kind docker-image+blob://"),
        (SourceOp(identifier="git://h/x.git", attrs=(("git.bundle", "x"),)), "git.bundle=x of a source"),
        (SourceOp(identifier="https://h/x", attrs=(("http.sig.pubkey", "x"),)), "http.sig.pubkey=x of a source"),
        (
            SourceOp(identifier="local://context", attrs=(("local.includepattern", '["a"]'),)),
            'local.includepattern=["a"] of a source',
        ),
        (BuildOp(builder=-1), "a nested build (BuildOp)"),
    ],
)
def test_what_cannot_be_done_is_named(op: Op, want: str) -> None:
    assert unsupported(op) == want
