"""What is said of files that are exported as they are: statements in files beside them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING

from ...digest import Digest
from ...errors import ExportError
from ...worker.snapshot import walk
from .statement import Subject, encode_statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...worker.snapshot import MergedTree
    from .statement import Predicate

__all__ = ["with_statements"]

_MODE = 0o600  # BuildKit's


@contextlib.contextmanager
def with_statements(
    tree: MergedTree, predicates: Sequence[Predicate], *, prefix: str = "", epoch_s: int | None = None
) -> Iterator[MergedTree]:
    """The tree with a file for each predicate in its root, about every regular file that was there without them.

    prefix: how their names begin. epoch_s: how old they are said to be. Raises ExportError when two have one name.
    """
    shown = [predicate for predicate in predicates if not predicate.inline_only]
    names = [prefix + predicate.filename for predicate in shown]
    if len(set(names)) < len(names):
        raise ExportError(f"two attestations would be written to {names[0]!r}", hint="give one another filename=")
    if not shown:
        yield tree
        return
    subjects = [Subject(name=path, digest=digest) for path, digest in _digests(tree)]
    folder = tempfile.mkdtemp(prefix="llbuild-")
    try:
        for name, predicate in zip(names, shown, strict=True):
            path = os.path.join(folder, name)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
                file.write(encode_statement(predicate, subjects, indent=True))
            if epoch_s is not None:
                os.utime(path, (epoch_s, epoch_s))
        yield tree.below(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _digests(tree: MergedTree) -> Iterator[tuple[str, Digest]]:
    for visit in walk(tree, ""):
        if stat.S_ISREG(visit.stat.st_mode):
            with os.fdopen(visit.folder.open(visit.name), "rb") as file:
                yield visit.path, Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
