"""What a remote source stands for, where that takes no asking: a checksum or a commit tells, the client has it, or it
is held to something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...llb import SourceOp
    from ..contexts import HandedFile
    from .pins import Pins

__all__ = ["pinned_key"]


def pinned_key(op: SourceOp, handed: Mapping[str, HandedFile], pins: Pins | None = None) -> str | None:
    """The key of a `git://`, `http://` or `https://` source; None when its server must be asked. Raises SourceError."""
    if op.scheme == "git":
        from .git_target import parse_git

        target = parse_git(op)
        if target.commit:
            return target.pinned
        pin = None if pins is None else pins.find(target.source_name)
        return None if pin is None else target.resolved(target.object_of(pin), pin.ref)
    from .http_file import parse_http

    file = parse_http(op)
    given = handed.get(file.url)
    if given is None and file.checksum is None:
        pin = None if pins is None else pins.find(file.source_name)
        if pin is None:
            return None
        return file.resolved(Digest(pin.digest), name=pin.filename or file.name(), modified=pin.modified_s)
    digest = file.checksum if given is None else given.digest
    return None if digest is None else file.resolved(digest, name=file.name() if file.filename else file.url)
