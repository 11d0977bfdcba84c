"""What a remote source stands for, where that takes no asking: a checksum or a commit tells, or the client has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...llb import SourceOp
    from ..contexts import HandedFile

__all__ = ["pinned_key"]


def pinned_key(op: SourceOp, handed: Mapping[str, HandedFile]) -> str | None:
    """The key of a `git://`, `http://` or `https://` source; None when its server must be asked. Raises SourceError."""
    if op.scheme == "git":
        from .git_target import parse_git

        return parse_git(op).pinned
    from .http_file import parse_http

    file = parse_http(op)
    given = handed.get(file.url)
    digest = file.checksum if given is None else given.digest
    return None if digest is None else file.resolved(digest, name=file.name() if file.filename else file.url)
