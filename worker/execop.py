"""From an exec op to a process: what is mounted where, who runs it, and what becomes of its changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import ExecError, LlbuildError
from ..llb import ExecOp, MountType, ProxyEnv, SecurityMode
from ..values import frozen, replace, value_fields
from .agents import with_agents
from .emulation import emulator_line, explain_foreign
from .execcaches import cache_uses
from .execsecrets import fetch_secrets
from .executor import DEFAULT_HOSTNAME, BindMount, CgroupSpec, ExecSpec, RootMount, TmpfsMount
from .identity import resolve_user
from .snapshot import Snapshot
from .views import layers_mount, root_mount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..llb import Mount, Vertex
    from ..reporting import Reporter
    from .cacheholds import CacheHolds, CacheUse
    from .client import Client
    from .execsecrets import ExecSecrets
    from .executor import Executor, ExitStatus, ExtraMount
    from .snapshot import LayerStore
    from .snapshotter import Snapshotter, View

__all__ = ["ExecTools", "run_exec_op"]

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # BuildKit's
_SIGNALS = {2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


@frozen
class ExecTools:
    """What every process of a build is made with."""

    layers: LayerStore
    snapshotter: Snapshotter
    caches: CacheHolds
    executor: Executor
    client: Client
    cgroup: CgroupSpec


@frozen
class _Given:
    """What a process gets besides layers. `caches`: the place of each cache mount, by index of the mount."""

    caches: Mapping[int, str]
    agents: Sequence[ExtraMount]
    secrets: ExecSecrets
    cgroup: CgroupSpec | None


@dataclass(slots=True)
class _Prepared:
    """A process ready to start, and its views of layers: by output, with what each began as, and those nobody keeps."""

    spec: ExecSpec
    kept: dict[int, tuple[Snapshot, View]] = field(default_factory=dict)
    dropped: list[View] = field(default_factory=list)


async def run_exec_op(
    vertex: Vertex,
    inputs: Sequence[Snapshot],
    contents: Mapping[int, str],
    *,
    tools: ExecTools,
    reporter: Reporter,
    committed: Callable[[tuple[Snapshot, ...]], None],
) -> tuple[Snapshot, ...]:
    """Run the op's process; one snapshot per output, by index.

    contents: what identifies that which caches begin with, by index of the mount. `committed` is called with
    the results, in the thread that made them.

    Raises ExecError when it ends with a code that is not valid for it, LlbuildError when it asks for
    what cannot be given. Failed or cancelled, nothing of it is kept.
    """
    op = vertex.op
    assert isinstance(op, ExecOp)
    cgroup = _cgroup(op, tools.cgroup)
    secrets = await fetch_secrets(op, tools.client)
    uses = await run_blocking(cache_uses, op, inputs, contents, tools.layers) if _has_caches(op) else {}

    async def run(caches: Mapping[int, str], agents: Sequence[ExtraMount]) -> tuple[Snapshot, ...]:
        given = _Given(caches=caches, agents=agents, secrets=secrets, cgroup=cgroup)
        prepared = await run_blocking(_prepare, vertex, inputs, tools, given)
        try:
            status = await tools.executor.run(prepared.spec, reporter.log)
            memory, (read, written) = status.max_rss_bytes, (status.read_bytes, status.written_bytes)
            reporter.usage(status.user_s, status.system_s, memory, read, written)
            if status.code not in (op.valid_exit_codes or (0,)):
                raise _failed(vertex, op, status, prepared.spec.cgroup)
            return await run_blocking(_commit, prepared, tools.snapshotter, committed)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await run_blocking(_discard, prepared, tools.snapshotter)
            raise

    def waiting(use: CacheUse) -> None:
        text = f"waiting for the cache mount {use.title}, which another step has locked\n"
        reporter.log(2, text.encode(errors="replace"))

    async with tools.caches.hold(uses.values(), waiting) as held:
        caches = {number: held[use.name] for number, use in uses.items()}
        return await with_agents(op, tools.client, tools.layers, partial(run, caches))


def _cgroup(op: ExecOp, wanted: CgroupSpec) -> CgroupSpec | None:
    """None: nothing is asked for that needs one."""
    spec = replace(wanted, parent=op.cgroup_parent)
    return None if spec == CgroupSpec() else spec


def _failed(vertex: Vertex, op: ExecOp, status: ExitStatus, cgroup: CgroupSpec | None) -> ExecError:
    how = f" ({_SIGNALS.get(status.signal, f'signal {status.signal}')})" if status.signal else ""
    message, hint = f'process "{" ".join(op.args)}" exited with code {status.code}{how}', ""
    if status.memory_kills and cgroup is not None:
        message += f": it used more memory than it may, {cgroup.resources.memory} bytes, and was killed for it"
        hint = "raise the limit: --resource memory=BYTES"
    elif status.forks_refused and cgroup is not None:
        message += f": it wanted more processes at once than it may have, {cgroup.pids}"
        hint = "raise the limit: --resource pids=NUMBER"
    else:
        why, hint = explain_foreign(vertex.platform, status.code)
        message = f"{message}: {why}" if why else message
    return ExecError(message, vertex=vertex.digest, exit_code=status.code, hint=hint)


def _has_caches(op: ExecOp) -> bool:
    return any(mount.mount_type is MountType.CACHE for mount in op.mounts)


def _prepare(vertex: Vertex, inputs: Sequence[Snapshot], tools: ExecTools, given: _Given) -> _Prepared:
    op = vertex.op
    assert isinstance(op, ExecOp)
    root = next((mount for mount in op.mounts if mount.dest == "/"), None)
    if root is None:
        raise LlbuildError("an exec op needs a mount at /")
    base = inputs[root.input] if root.input >= 0 else Snapshot()
    tree = tools.layers.tree(base.layers)
    identity = resolve_user(tree, op.user)
    prepared = _Prepared(ExecSpec(args=op.args, root=RootMount()))
    try:
        view = _view(root, base, tools, prepared)
        extra: list[ExtraMount] = [*given.secrets.mounts, *given.agents]
        for number, mount in enumerate(op.mounts):
            if mount is not root and mount.mount_type not in (MountType.SECRET, MountType.SSH):
                extra.append(_extra(mount, inputs, tools, given.caches.get(number, ""), prepared))
    except BaseException:
        _discard(prepared, tools.snapshotter)
        raise
    env = _with_default((*op.env, *_proxies(op.proxy_env)), "PATH", _DEFAULT_PATH)
    env = _with_default((*env, *given.secrets.env), "HOME", identity.home)
    prepared.spec = ExecSpec(
        args=op.args,
        root=root_mount(view, readonly=root.readonly),
        env=env,
        cwd=op.cwd or "/",
        uid=identity.uid,
        gid=identity.gid,
        groups=identity.groups,
        mounts=tuple(extra),
        hostname=op.hostname or DEFAULT_HOSTNAME,
        extra_hosts=op.extra_hosts,
        network=op.network,
        insecure=op.security is SecurityMode.INSECURE,
        ulimits=op.ulimits,
        cgroup=given.cgroup,
        emulator=emulator_line(vertex.platform),
    )
    return prepared


def _with_default(env: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    return env if any(entry.startswith(f"{name}=") for entry in env) else (*env, f"{name}={value}")


def _proxies(proxy: ProxyEnv | None) -> Iterator[str]:
    """Proxy settings as programs look for them, in either case. They are no part of the op's own environment."""
    if proxy is None:
        return
    for name, _, _ in value_fields(ProxyEnv):
        value = getattr(proxy, name)
        if value:
            yield f"{name.upper()}={value}"
            yield f"{name}={value}"


def _view(mount: Mount, base: Snapshot, tools: ExecTools, prepared: _Prepared) -> View:
    """The layers of a mount, and what becomes of its changes."""
    view = tools.snapshotter.prepare(tools.layers.folders(base.layers), writable=not mount.readonly)
    if mount.output >= 0:
        prepared.kept[mount.output] = (base, view)
    else:
        prepared.dropped.append(view)
    return view


def _extra(mount: Mount, inputs: Sequence[Snapshot], tools: ExecTools, cache: str, prepared: _Prepared) -> ExtraMount:
    """A mount beside the root. cache: where it is, if it is one."""
    if mount.mount_type is MountType.TMPFS:
        return TmpfsMount(dest=mount.dest, size_bytes=mount.tmpfs.size_bytes if mount.tmpfs else 0)
    if mount.mount_type is MountType.CACHE:
        return BindMount(dest=mount.dest, source=cache, readonly=mount.readonly)
    base = inputs[mount.input] if mount.input >= 0 else Snapshot()
    view = _view(mount, base, tools, prepared)
    return layers_mount(view, mount.dest, selector=mount.selector, readonly=mount.readonly)


def _commit(
    prepared: _Prepared, snapshotter: Snapshotter, committed: Callable[[tuple[Snapshot, ...]], None]
) -> tuple[Snapshot, ...]:
    while prepared.dropped:
        snapshotter.discard(prepared.dropped.pop())
    results = []
    for index in range(max(prepared.kept, default=-1) + 1):
        base, view = prepared.kept.get(index, (Snapshot(), None))
        if view is None or view.active is None:
            if view is not None:
                snapshotter.discard(view)
            results.append(base)
        else:
            results.append(Snapshot((*base.layers, snapshotter.commit(view))))
    committed(tuple(results))
    return tuple(results)


def _discard(prepared: _Prepared, snapshotter: Snapshotter) -> None:
    for view in [*prepared.dropped, *(view for _, view in prepared.kept.values())]:
        snapshotter.discard(view)
