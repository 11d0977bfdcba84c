"""From an ExecSpec to the message the helper understands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import SandboxError
from ...llb import NetMode
from .spec import BindMount, OverlayMount, SecretMount, Stdio
from .subnet import steps_subnet
from .wire import MOST_LENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .spec import ExecSpec, ExtraMount
    from .wire import Mount, Network, Step

__all__ = ["encode_step", "lent_mounts"]


def lent_mounts(spec: ExecSpec) -> list[int]:
    """The descriptors of the mounts that are there already, in the order in which a step counts them."""
    found = [spec.root.mount, *(mount.mount for mount in spec.mounts if isinstance(mount, OverlayMount))]
    return [mount for mount in found if mount >= 0]


def encode_step(spec: ExecSpec, cgroups: Sequence[str] = (), *, shared_network: bool = False) -> Step:
    """Everything as the kernel will see it; mounts in an order in which each one's parent comes first.

    shared_network: whether the helper has a network for its steps; without, they use the machine's.
    """
    _check(spec)
    root = spec.root
    lent = lent_mounts(spec)
    return {
        "args": [os.fsencode(arg) for arg in spec.args],
        "env": [os.fsencode(entry) for entry in spec.env],
        "cwd": os.fsencode(spec.cwd) or b"/",
        "uid": spec.uid,
        "gid": spec.gid,
        "groups": list(spec.groups),
        "root": {
            "lowers": _encode_lowers(root.lowers),
            "upper": os.fsencode(root.upper or ""),
            "work": os.fsencode(root.work or ""),
            "readonly": root.readonly,
            "folder": os.fsencode(root.folder),
            "lent": lent.index(root.mount) if root.mount >= 0 else -1,
        },
        "mounts": [
            _encode_mount(mount, lent) for mount in sorted(spec.mounts, key=lambda mount: mount.dest.split("/"))
        ],
        "hostname": os.fsencode(spec.hostname),
        "extra_hosts": [(os.fsencode(entry.host), os.fsencode(entry.ip)) for entry in spec.extra_hosts],
        "emulator": os.fsencode(spec.emulator),
        "network": _network(spec.network, shared=shared_network),
        "resolver": steps_subnet().resolver.encode() if shared_network else b"",
        "insecure": spec.insecure,
        "shm_size": spec.shm_size_bytes,
        "rlimits": [(limit.name, limit.soft, limit.hard) for limit in spec.ulimits],
        "cgroups": [os.fsencode(folder) for folder in cgroups],
        "lent": len(lent),
        "own_output": spec.stdio is Stdio.PIPES,
    }


def _network(mode: NetMode, *, shared: bool) -> Network:
    if mode is NetMode.SANDBOX and shared:
        return "shared"
    return "none" if mode is NetMode.NONE else "machine"


def _encode_mount(mount: ExtraMount, lent: Sequence[int]) -> Mount:
    dest = os.fsencode(mount.dest)
    if isinstance(mount, BindMount):
        return {
            "kind": "bind",
            "dest": dest,
            "readonly": mount.readonly,
            "source": os.fsencode(mount.source),
            "selector": os.fsencode(mount.selector),
        }
    if isinstance(mount, OverlayMount):
        return {
            "kind": "overlay",
            "dest": dest,
            "readonly": mount.readonly,
            "lowers": _encode_lowers(mount.lowers),
            "upper": os.fsencode(mount.upper or ""),
            "work": os.fsencode(mount.work or ""),
            "selector": os.fsencode(mount.selector),
            "lent": lent.index(mount.mount) if mount.mount >= 0 else -1,
        }
    if isinstance(mount, SecretMount):
        return {
            "kind": "secret",
            "dest": dest,
            "readonly": True,
            "data": mount.data,
            "uid": mount.uid,
            "gid": mount.gid,
            "mode": mount.mode,
        }
    return {"kind": "tmpfs", "dest": dest, "readonly": False, "size": mount.size_bytes}


def _encode_lowers(lowers: Sequence[str]) -> list[bytes]:
    """Each folder once, where it lies highest: below, it shows nothing, and overlayfs refuses to have it twice.

    Images have equal layers: two RUNs that changed nothing are enough.
    """
    return [os.fsencode(folder) for folder in reversed(dict.fromkeys(reversed(lowers)))]


def _check(spec: ExecSpec) -> None:
    if not spec.args or not spec.args[0]:
        raise SandboxError("no command to run: args is empty")
    for text in (*spec.args, spec.cwd, spec.hostname, *(mount.dest for mount in spec.mounts)):
        if "\0" in text:
            raise SandboxError(f"a zero byte cannot be passed to a process: {text!r}")
    for entry in spec.env:
        if "\0" in entry:  # its value may be a secret
            raise SandboxError(f"a zero byte cannot be passed to a process: variable {entry.partition('=')[0]!r}")
    if len(lent_mounts(spec)) > MOST_LENT:
        raise SandboxError(f"more than {MOST_LENT} mounts of layers", hint="use the snapshotter overlay")
    for mount in spec.mounts:
        if not mount.dest.strip("/"):
            raise SandboxError("an extra mount cannot be at /: that is the root's place")
