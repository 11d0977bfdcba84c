"""Files of what graphs make, for frontends that must look into a repository or an archive before they go on."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..frontend import NoSuchFile
from ..solver import make_plan, unresolved_sources

if TYPE_CHECKING:
    from ..solver import CacheStore
    from ..worker import Prober
    from ..worker.snapshot import MergedTree
    from .lookup import FileAnswers, FileQuestion

__all__ = ["read_result_file", "stored_results"]


def stored_results(prober: Prober, cache: CacheStore) -> FileAnswers:
    """What stored results can tell, without asking anybody."""

    def here(question: FileQuestion) -> bytes | None:
        graph, sources, unknown = unresolved_sources([question.definition], prober)
        if unknown:
            return None
        plan = make_plan(graph, sources, prober, cache)
        ref = plan.ref(graph.roots[0]) if plan.complete and graph.roots else None
        tree = None if ref is None else prober.stored_tree(ref)
        return None if tree is None else read_result_file(tree, question)

    return here


def read_result_file(tree: MergedTree, question: FileQuestion) -> bytes:
    """Raises NoSuchFile, and SourceError when it is no file."""
    from ..worker.snapshot import resolve

    path = resolve(tree, question.path)
    found = tree.stat(path)
    if found is None:
        raise NoSuchFile
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"{question.path} in the build context is no file", ref=question.path)
    parent, _, name = path.rpartition("/")
    with tree.directory(parent) as folder, os.fdopen(folder.open(name), "rb") as file:
        return file.read(question.most_bytes)
