"""What a build took from elsewhere, pinned: each image by digest, each repository by commit, each file by checksum.

Made of what the worker noted while it resolved sources (`Prober.resolved`): the same list for provenance and for locks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...llb import redacted
from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from ...llb import SourceOp
    from ...platforms import Platform

    Resolved: TypeAlias = Mapping[tuple[SourceOp, Platform | None], str]  # what each source stands for

__all__ = ["Material", "materials_of"]

# the forms of `image_key`, `GitTarget.resolved` and `HttpFile.resolved`
_PINNED = re.compile(r"(?:image|file)@(?P<digest>[a-z0-9]+:[0-9a-f]+)\b|git@(?P<commit>[0-9a-f]+)\b")


@frozen
class Material:
    """One source from elsewhere. scheme: docker-image, oci-layout, git or http.

    name: what was asked for, without its digest and without passwords: a canonical reference, a layout's path, a
    repository with `#ref` where one was asked for, a URL. digest: `ALGORITHM:HEX`; the algorithm of a commit is sha1 or
    sha256. platform: None where the source is the same for all.
    """

    scheme: str
    name: str
    digest: str
    platform: Platform | None = None


def materials_of(resolved: Resolved) -> tuple[Material, ...]:
    """Each once, sorted. Raises nothing: what was resolved has been understood before."""
    found = {_material(op, platform, words) for (op, platform), words in resolved.items()}
    return tuple(sorted(found, key=lambda one: (one.scheme, one.name, one.digest, str(one.platform or ""))))


def _material(op: SourceOp, platform: Platform | None, words: str) -> Material:
    pinned = _PINNED.match(words)
    assert pinned is not None, f"a source stands for {words!r}, which has no digest"
    commit = pinned["commit"]
    digest = f"{'sha256' if len(commit) == 64 else 'sha1'}:{commit}" if commit else pinned["digest"]
    if op.scheme == "git":
        return Material(scheme="git", name=_repository(op), digest=digest)
    if op.scheme in {"http", "https"}:
        return Material(scheme="http", name=redacted(op.identifier), digest=digest)
    return Material(scheme=op.scheme, name=op.ref.partition("@")[0], digest=digest, platform=platform)


def _repository(op: SourceOp) -> str:
    from .git_target import parse_git

    target = parse_git(op)
    return f"{target.shown}#{target.ref}" if target.ref else target.shown
