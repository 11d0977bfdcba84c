"""A frontend's window to the world: answers from what is known, and a list of what is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import LlbuildError, SourceError
from ..frontend import NoSuchFile, ResolvedImage
from ..worker.source import resolve_local

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TypeAlias

    from ..platforms import Platform
    from ..worker import ContentStore
    from ..worker.source import ResolvedImage as FoundImage

    Question: TypeAlias = tuple[str, Platform]

__all__ = ["KnownLookup"]

MAX_FILE_BYTES = 16 << 20  # of a build file; BuildKit refuses beyond it too


class KnownLookup:
    """`frontend.Lookup` over the local store and the client's folders.

    `missing`: images asked for that only a registry or a layout can tell about; `learn` adds answers.
    """

    def __init__(self, content: ContentStore, folders: Mapping[str, Path], *, mode: str, stdin: bytes | None) -> None:
        self._content = content
        self._folders = folders
        self._mode = mode
        self._stdin = stdin
        self._images: dict[Question, ResolvedImage | LlbuildError] = {}
        self.missing: list[Question] = []
        self.read: dict[str, bytes] = {}  # build files that were read, for error reports

    def image(self, ref: str, platform: Platform) -> ResolvedImage | None:
        known = self._images.get((ref, platform))
        if known is None:
            known = self._here(ref, platform)
        if isinstance(known, LlbuildError):
            raise known
        if known is None and (ref, platform) not in self.missing:
            self.missing.append((ref, platform))
        return known

    def file(self, context: str, path: str) -> bytes | None:
        if self._stdin is not None and context == "dockerfile":
            if path.endswith(".dockerignore"):
                raise NoSuchFile  # only the build file itself came on stdin
            self.read[path] = self._stdin
            return self._stdin
        folder = self._folders.get(context)
        if folder is None:
            raise SourceError(f"no build context named {context!r} was given", ref=context)
        data = _read_inside(os.fspath(folder), path)
        self.read[path] = data
        return data

    def learn(self, question: Question, found: FoundImage | LlbuildError) -> None:
        """The answer to one of `missing`."""
        answer = found if isinstance(found, LlbuildError) else _answer(found)
        self._images[question] = answer
        self.missing = [open_question for open_question in self.missing if open_question != question]

    def _here(self, ref: str, platform: Platform) -> ResolvedImage | None:
        if self._mode == "pull" and not ref.startswith("oci-layout://"):
            return None
        # A name is believed when the store has an image of that name; what a registry said earlier may be outdated.
        found = resolve_local(self._content, ref, platform, sources=False)
        return None if found is None else _answer(found)


def _answer(found: FoundImage) -> ResolvedImage:
    return ResolvedImage(ref=found.ref.partition("@")[0], digest=found.digest, config=found.config)


def _read_inside(folder: str, path: str) -> bytes:
    """A file of a folder, through its symlinks but never out of it."""
    try:
        root = os.path.realpath(folder, strict=True)
        real = os.path.realpath(os.path.join(root, path), strict=True)
        if os.path.commonpath([root, real]) != root:
            raise SourceError(f"{path} leads out of {folder}", ref=path)
        with open(real, "rb") as file:  # noqa: PTH123  pathlib costs more than this read
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise NoSuchFile from None
    except OSError as error:
        raise SourceError(f"cannot read {os.path.join(folder, path)}: {error.strerror}", ref=path) from None
    if len(data) > MAX_FILE_BYTES:
        raise SourceError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB", ref=path)
    return data
