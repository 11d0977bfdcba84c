"""What an op may ask for that this worker cannot do yet: refused, never ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..llb import BuildOp, ExecOp, SourceOp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..llb import Op

__all__ = ["unsupported"]

_HTTP = ("http.checksum", "http.filename", "http.perm", "http.uid", "http.gid", "http.authheadersecret")
_HEADERS = ("http.header.accept", "http.header.user-agent")
_GIT = (
    *("git.fullurl", "git.keepgitdir", "git.checksum", "git.skipsubmodules", "git.mtime", "git.fetchbycommit"),
    *("git.authtokensecret", "git.authheadersecret", "git.knownsshhosts", "git.mountsshsock"),
)
# Attributes of sources that are heeded, or that only tell BuildKit how to do the same faster.
_KNOWN_ATTRS = {
    "docker-image": ("image.resolvemode", "image.recordtype", "image.layerlimit"),
    "oci-layout": ("oci.session", "oci.store", "oci.layerlimit"),
    "local": (
        *("local.session", "local.unique", "local.sharedkeyhint", "local.differ"),
        *("local.followpaths", "local.excludepatterns", "local.includepattern"),
    ),
    "git": _GIT,
    "http": (*_HTTP, *_HEADERS),
    "https": (*_HTTP, *_HEADERS),
}


def unsupported(op: Op) -> str:
    """The first thing asked for that cannot be done; "" when everything can."""
    return next(_features(op), "")


def _features(op: Op) -> Iterator[str]:
    match op:
        case ExecOp():
            yield from _of_exec(op)
        case SourceOp():
            known = _KNOWN_ATTRS.get(op.scheme)
            if known is None:
                yield f"a source of kind {op.scheme}://"
            else:
                yield from (f"{key}={value} of a source" for key, value in op.attrs if key not in known)
        case BuildOp():
            yield "a nested build (BuildOp)"


def _of_exec(op: ExecOp) -> Iterator[str]:
    if op.cdi_devices:
        yield "a device for a process (RUN --device)"
