"""What a builder must know how to do for an op: the names that BuildKit's client sends along.

They are what its Go client says with every capability of the daemon at hand (client/llb of moby/buildkit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ..llb import (
    BuildOp,
    ContentCache,
    DiffOp,
    ExecOp,
    FileOp,
    MergeOp,
    MountType,
    NetMode,
    PassthroughOp,
    SecurityMode,
    SourceOp,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..llb import LinuxResources, Mount, Op

__all__ = ["needed_caps"]

_SCHEMES = {
    "docker-image": "source.image",
    "docker-image+blob": "source.imageblob",
    "git": "source.git",
    "http": "source.http",
    "https": "source.http",
    "local": "source.local",
    "oci-layout": "source.ocilayout",
    "oci-layout+blob": "source.imageblob",
}
_ATTRIBUTES = {
    "git.bundle": "source.git.bundle",
    "git.checkoutbundle": "source.git.checkoutbundle",
    "git.checksum": "source.git.checksum",
    "git.fetchbycommit": "source.git.fetchbycommit",
    "git.fullurl": "source.git.fullurl",
    "git.keepgitdir": "source.git.keepgitdir",
    "git.knownsshhosts": "source.git.knownsshhosts",
    "git.mountsshsock": "source.git.mountsshsock",
    "git.mtime": "source.git.mtime",
    "git.skipsubmodules": "source.git.skipsubmodules",
    "http.authheadersecret": "source.http.auth",
    "http.checksum": "source.http.checksum",
    "http.gid": "soruce.http.uidgid",  # BuildKit's spelling
    "http.perm": "source.http.perm",
    "http.sig.pubkey": "source.http.signatureverify",
    "http.sig.signature": "source.http.signatureverify",
    "http.uid": "soruce.http.uidgid",
    "image.checksum": "source.image.checksum",
    "image.layerlimit": "source.image.layerlimit",
    "local.excludepatterns": "source.local.excludepatterns",
    "local.followpaths": "source.local.followpaths",
    "local.includepattern": "source.local.includepatterns",
    "local.metadatatransfer": "source.local.metadatatransfer",
    "local.session": "source.local.sessionid",
    "local.sharedkeyhint": "source.local.sharedkeyhint",
    "local.unique": "source.local.unique",
}


def needed_caps(op: Op, resources: LinuxResources | None = None) -> tuple[str, ...]:
    """Sorted. `resources`: the limits that metadata puts on the op."""
    match op:
        case SourceOp():
            caps = _source(op)
        case ExecOp():
            caps = {*_process(op), *(("exec.meta.linux.resources",) if resources else ())}
        case FileOp():
            caps = {"file.base"}  # BuildKit has names for some options of actions, but its client never sends them
        case MergeOp():
            caps = {"mergeop"}
        case DiffOp():
            caps = {"diffop"}
        case BuildOp():
            caps = {"source.buildop.llbfilename"}
        case PassthroughOp():
            caps = {"passthroughop"}
        case _:
            assert_never(op)
    return tuple(sorted(caps))


def _source(op: SourceOp) -> set[str]:
    caps = {_ATTRIBUTES[key] for key, _ in op.attrs if key in _ATTRIBUTES}
    if op.attr("git.mountsshsock") is not None:
        caps.add("source.git.knownsshhosts")  # needed for ssh, also when no host key was found
    if op.attr("image.resolvemode") == "pull":  # the other modes change nothing that could be missed
        caps.add("source.image.resolvemode")
    if any(key.startswith("http.header.") for key, _ in op.attrs):
        caps.add("source.http.header")
    if op.scheme in _SCHEMES:
        caps.add(_SCHEMES[op.scheme])
    return caps


def _process(op: ExecOp) -> Iterator[str]:
    yield from ("exec.meta.base", "exec.meta.setsdefaultpath")
    asked = {
        "exec.meta.cdi": op.cdi_devices,
        "exec.meta.network": op.network is not NetMode.SANDBOX,
        "exec.meta.proxyenv": op.proxy_env,
        "exec.meta.security": op.security is not SecurityMode.SANDBOX,
        "exec.meta.ulimit": op.ulimits,
        "exec.secretenv": op.secret_env,
        "exec.mount.secret": op.secret_env,
        "exec.validexitcode": op.valid_exit_codes,
    }
    yield from (cap for cap, wanted in asked.items() if wanted)
    for mount in op.mounts:
        yield from _mount(mount)


def _mount(mount: Mount) -> Iterator[str]:
    match mount.mount_type:
        case MountType.BIND:
            if mount.input >= 0:
                yield "exec.mount.bind"
        case MountType.CACHE:
            yield from ("exec.mount.cache", "exec.mount.cache.sharing")
        case MountType.TMPFS:
            yield "exec.mount.tmpfs"
            if mount.tmpfs and mount.tmpfs.size_bytes:
                yield "exec.mount.tmpfs.size"
        case MountType.SECRET:
            yield "exec.mount.secret"
        case MountType.SSH:
            yield "exec.mount.ssh"
    if mount.selector:
        yield "exec.mount.selector"
    if mount.content_cache is not ContentCache.DEFAULT:
        yield "exec.mount.cache.content"
