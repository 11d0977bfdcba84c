"""From an exec op to a process: what is mounted where, who runs it, and what becomes of its changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import ExecError, LlbuildError
from ..llb import ExecOp, MountType, ProxyEnv, SecurityMode
from ..values import value_fields
from .cache_mounts import mount_id
from .emulation import explain_foreign
from .executor import DEFAULT_HOSTNAME, BindMount, ExecSpec, OverlayMount, RootMount, TmpfsMount
from .identity import resolve_user
from .snapshot import MergedTree, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..llb import Mount, Vertex
    from .cache_mounts import CacheMounts
    from .executor import Executor, ExtraMount
    from .snapshot import ActiveLayer, LayerStore

__all__ = ["run_exec_op"]

_SIGNALS = {2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


@dataclass(slots=True)
class _Prepared:
    """A process ready to start, and the layers it will write: by output, and those nobody keeps."""

    spec: ExecSpec
    kept: dict[int, tuple[Snapshot, ActiveLayer | None]] = field(default_factory=dict)
    dropped: list[ActiveLayer] = field(default_factory=list)


async def run_exec_op(
    vertex: Vertex,
    inputs: Sequence[Snapshot],
    *,
    layers: LayerStore,
    cache_mounts: CacheMounts,
    executor: Executor,
    output: Callable[[int, bytes], None],
    committed: Callable[[tuple[Snapshot, ...]], None],
) -> tuple[Snapshot, ...]:
    """Run the op's process; one snapshot per output, by index.

    `output` gets what the process says; `committed` is called with the results, in the thread that made them.

    Raises ExecError when it ends with a code that is not valid for it, LlbuildError when it asks for
    what cannot be given. Failed or cancelled, nothing of it is kept.
    """
    op = vertex.op
    assert isinstance(op, ExecOp)
    prepared = await run_blocking(_prepare, op, inputs, layers, cache_mounts)
    try:
        status = await executor.run(prepared.spec, output)
        if status.code not in (op.valid_exit_codes or (0,)):
            how = f" ({_SIGNALS.get(status.signal, f'signal {status.signal}')})" if status.signal else ""
            message = f'process "{" ".join(op.args)}" exited with code {status.code}{how}'
            why, hint = explain_foreign(vertex.platform, status.code)
            message = f"{message}: {why}" if why else message
            raise ExecError(message, vertex=vertex.digest, exit_code=status.code, hint=hint)
        return await run_blocking(_commit, prepared, layers, committed)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await run_blocking(_discard, prepared, layers)
        raise


def _prepare(op: ExecOp, inputs: Sequence[Snapshot], layers: LayerStore, cache_mounts: CacheMounts) -> _Prepared:
    mounts = sorted(op.mounts, key=lambda mount: mount.dest.rstrip("/"))  # parents before what lies in them
    root = next((mount for mount in mounts if mount.dest == "/"), None)
    if root is None:
        raise LlbuildError("an exec op needs a mount at /")
    base = inputs[root.input] if root.input >= 0 else Snapshot()
    identity = resolve_user(
        MergedTree([layers.folder(layer) for layer in base.layers], userxattr=layers.userxattr), op.user
    )
    prepared = _Prepared(ExecSpec(args=op.args, root=RootMount()))
    lowers, active = _layered(root, base, layers, prepared)
    extra = tuple(_extra(mount, inputs, layers, cache_mounts, prepared) for mount in mounts if mount is not root)
    env = (*op.env, *_proxies(op.proxy_env))
    if not any(entry.startswith("HOME=") for entry in env):
        env = (*env, f"HOME={identity.home}")
    prepared.spec = ExecSpec(
        args=op.args,
        root=RootMount(
            lowers=lowers,
            upper=active.fs if active else None,
            work=active.work if active else None,
            readonly=root.readonly,
        ),
        env=env,
        cwd=op.cwd or "/",
        uid=identity.uid,
        gid=identity.gid,
        groups=identity.groups,
        mounts=extra,
        hostname=op.hostname or DEFAULT_HOSTNAME,
        extra_hosts=op.extra_hosts,
        network=op.network,
        insecure=op.security is SecurityMode.INSECURE,
        ulimits=op.ulimits,
    )
    return prepared


def _proxies(proxy: ProxyEnv | None) -> Iterator[str]:
    """Proxy settings as programs look for them, in either case. They are no part of the op's own environment."""
    if proxy is None:
        return
    for name, _, _ in value_fields(ProxyEnv):
        value = getattr(proxy, name)
        if value:
            yield f"{name.upper()}={value}"
            yield f"{name}={value}"


def _layered(
    mount: Mount, base: Snapshot, layers: LayerStore, prepared: _Prepared
) -> tuple[tuple[str, ...], ActiveLayer | None]:
    """Lower folders of a mount, and the new layer its changes go to."""
    lowers = tuple(layers.folder(layer) for layer in base.layers)
    active = None if mount.readonly else layers.begin()
    if mount.output >= 0:
        prepared.kept[mount.output] = (base, active)
    elif active is not None:
        prepared.dropped.append(active)
    return lowers, active


def _extra(
    mount: Mount, inputs: Sequence[Snapshot], layers: LayerStore, cache_mounts: CacheMounts, prepared: _Prepared
) -> ExtraMount:
    match mount.mount_type:
        case MountType.BIND:
            base = inputs[mount.input] if mount.input >= 0 else Snapshot()
            lowers, active = _layered(mount, base, layers, prepared)
            return OverlayMount(
                dest=mount.dest,
                lowers=lowers,
                upper=active.fs if active else None,
                work=active.work if active else None,
                selector=mount.selector,
                readonly=mount.readonly,
            )
        case MountType.TMPFS:
            return TmpfsMount(dest=mount.dest, size_bytes=mount.tmpfs.size_bytes if mount.tmpfs else 0)
        case MountType.CACHE:
            return BindMount(dest=mount.dest, source=cache_mounts.folder(mount_id(mount)), readonly=mount.readonly)
        case other:
            raise LlbuildError(f"mounts of type {other.name.lower()} are not supported yet")


def _commit(
    prepared: _Prepared, layers: LayerStore, committed: Callable[[tuple[Snapshot, ...]], None]
) -> tuple[Snapshot, ...]:
    for dropped in prepared.dropped:
        layers.discard(dropped)
    results = []
    for index in range(max(prepared.kept, default=-1) + 1):
        base, active = prepared.kept.get(index, (Snapshot(), None))
        new = () if active is None else (layers.commit(active),)
        results.append(Snapshot((*base.layers, *new)))
    committed(tuple(results))
    return tuple(results)


def _discard(prepared: _Prepared, layers: LayerStore) -> None:
    kept = [active for _, active in prepared.kept.values() if active is not None]
    for active in [*prepared.dropped, *kept]:
        layers.discard(active)
