"""What git says of a local build context: the commit it stands at, and where it came from. A hint; nobody checks it.

As buildx has it (its git info): `source`, `revision`, and the places of context and build file in the repository.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from ..llb import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["told_by_git"]

_TIMEOUT_S = 10
# What would have git look elsewhere, as it is set in its own hooks.
_SCRUBBED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_CONFIG")


def told_by_git(folders: Mapping[str, str | os.PathLike[str]]) -> dict[str, str]:
    """folders: of the client, by their names. Nothing where the context is in no repository, or there is no git."""
    context = folders.get("context")
    if context is None:
        return {}
    top, _, revision = _git(context, "rev-parse", "--show-toplevel", "--verify", "HEAD").strip().rpartition("\n")
    if not top or not revision:
        return {}
    said = {"revision": revision}
    source = _git(context, "config", "--get", "remote.origin.url").strip()
    if source and source.isprintable():
        said["source"] = redacted(source)
    for name in ("context", "dockerfile"):
        if name in folders:
            place = os.path.relpath(os.path.realpath(folders[name]), os.path.realpath(top))
            if place != ".." and not place.startswith("../"):
                said[f"localdir:{name}"] = place
    return said


def _git(folder: str | os.PathLike[str], *words: str) -> str:
    """What git prints about the repository of a folder; "" where it refuses. None of these questions makes git start
    programs that the repository names.
    """
    environment = {key: value for key, value in os.environ.items() if key not in _SCRUBBED}
    try:
        done = subprocess.run(
            ["git", "-C", folder, *words],
            env=environment | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return "" if done.returncode else done.stdout.decode("utf-8", "replace")
