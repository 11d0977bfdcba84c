"""Cache keys: the identity of a result, which is not the identity of a vertex.

Two keys per vertex, as in BuildKit (docs/dev/solver.md there):

- the **definition key** needs nothing to have run: the op and the definition keys of its inputs;
  sources contribute what they resolved to, a copy from a local source the digest of what it copies, and what is
  read of anything else its paths, beside where they lie;
- the **strong key** is known once the inputs are: an input of which the op reads only some paths
  (COPY --from, read-only mounts) contributes the digest of those contents, every other input its
  own strong key. Where nothing is read by content, both are the same.

A result is stored under both, so that a rebuilt stage whose output did not change stops the
rebuilding there. Pure functions; bytes of 32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..digest import blake3_bytes
from ..llb import ExecOp, FileCopy, FileOp, MountType, SourceOp
from ..llb.codec import encode_value, pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..digest import Digest
    from ..llb import Vertex
    from .worker import Ref

__all__ = [
    "VERSION",
    "Key",
    "combine",
    "content_key",
    "content_memo",
    "op_key",
    "selected_key",
    "selections",
    "source_key",
]

VERSION = 3  # part of every key: a change of meaning must not find old results

Key = bytes


def op_key(vertex: Vertex, read: Mapping[int, tuple[FileCopy, ...]]) -> Key:
    """The op alone: what it does, not what to. `read`: its `selections`.

    Left out is what must not decide a hit: values of proxies, addresses of extra hosts, which cache mount is used and
    how it is shared, and where that lies which is read by content: its digest says more than its path.
    """
    plain = encode_value(vertex.op)
    if isinstance(vertex.op, ExecOp):
        _strip_exec(plain["exec"], read)
    elif isinstance(vertex.op, FileOp):
        _strip_file(plain["file"], read)
    place = None if vertex.platform is None else encode_value(vertex.platform)
    return _digest([VERSION, plain, place])


def _strip_exec(plain: dict[str, Any], read: Mapping[int, tuple[FileCopy, ...]]) -> None:
    plain.pop("proxy_env", None)
    for mount in plain.get("mounts", ()):
        if mount.get("input", -1) in read:
            mount.pop("selector", None)
        if "cache" in mount:
            mount["cache"] = {}
    for host in plain.get("extra_hosts", ()):
        del host["ip"]


def _strip_file(plain: dict[str, Any], read: Mapping[int, tuple[FileCopy, ...]]) -> None:
    """Of the path of what is copied only the last part is left: it may become the name at the destination."""
    for step in plain["steps"]:
        copy = step["action"].get("copy")
        if copy is not None and step.get("secondary_input", -1) in read:
            copy["src"] = copy["src"].rstrip("/").rpartition("/")[2]


def source_key(resolved: str) -> Key:
    """A source, by what it resolved to: two names of one image share their results."""
    return _digest([VERSION, "source", resolved])


def content_key(digest: Digest) -> Key:
    return _digest([VERSION, "content", digest])


def selected_key(whole: Key, selection: tuple[FileCopy, ...]) -> Key:
    """Some paths of something whose contents are not known yet: the op that reads them is keyed without the paths."""
    return _digest([whole, encode_value(selection)])


def content_memo(ref: Ref, selection: tuple[FileCopy, ...]) -> Key:
    """What the digest of some paths of a result is remembered under: its layers never change."""
    return _digest([list(ref), encode_value(selection)])


def combine(op: Key, inputs: Sequence[tuple[Key, int]]) -> Key:
    """The key of a vertex from its op's and its inputs' (key, output index), in order."""
    return _digest([op, [[key, output] for key, output in inputs]])


def selections(vertex: Vertex) -> Mapping[int, tuple[FileCopy, ...]]:
    """The inputs of which this op reads only some paths, and which: by input index.

    An input that is also used whole (as a base, a writable mount) is not among them.
    """
    if isinstance(vertex.op, FileOp):
        return _file_selections(vertex.op, len(vertex.inputs))
    if isinstance(vertex.op, ExecOp):
        return _mount_selections(vertex.op)
    return {}


def _file_selections(op: FileOp, inputs: int) -> dict[int, tuple[FileCopy, ...]]:
    read: dict[int, list[FileCopy]] = {}
    whole: set[int] = set()
    for step in op.steps:
        if 0 <= step.input < inputs:
            whole.add(step.input)
        if 0 <= step.secondary_input < inputs and isinstance(step.action, FileCopy):
            read.setdefault(step.secondary_input, []).append(step.action)
    return {index: tuple(copies) for index, copies in read.items() if index not in whole}


def _mount_selections(op: ExecOp) -> dict[int, tuple[FileCopy, ...]]:
    read: dict[int, list[FileCopy]] = {}
    whole: set[int] = set()
    for mount in op.mounts:
        if mount.input < 0:
            continue
        by_content = mount.readonly and mount.output < 0 and mount.dest != "/" and mount.mount_type is MountType.BIND
        if by_content:
            read.setdefault(mount.input, []).append(FileCopy(src="/" + mount.selector.lstrip("/"), dest="/"))
        else:
            whole.add(mount.input)
    return {index: tuple(copies) for index, copies in read.items() if index not in whole}


def is_local(vertex: Vertex) -> bool:
    return isinstance(vertex.op, SourceOp) and vertex.op.scheme == "local"


def _digest(plain: object) -> Key:
    return blake3_bytes(pack(plain))
