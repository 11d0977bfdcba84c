"""A frontend's window to the world: answers from what is known, and a list of what is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import LlbuildError, SourceError
from ..frontend import NoSuchFile, NoTime, ResolvedImage
from ..worker.source import resolve_local

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from ..platforms import Platform
    from ..worker import ContentStore
    from ..worker.source import ResolvedImage as FoundImage

    Question: TypeAlias = tuple[str, Platform]
    ImageAnswers: TypeAlias = Callable[[str, Platform], ResolvedImage | None]

__all__ = ["ImageAnswers", "KnownLookup", "stored_images"]

MAX_FILE_BYTES = 16 << 20  # of a build file; BuildKit refuses beyond it too


class KnownLookup:
    """`frontend.Lookup` over what is at hand and the client's folders.

    `missing`: images asked for that only a registry can tell about; `learn` adds answers.
    """

    def __init__(
        self, here: ImageAnswers, folders: Mapping[str, Path], *, stdin: bytes | None, others_are_empty: bool = False
    ) -> None:
        """here: what can be told of an image at once; None where somebody else must be asked.

        others_are_empty: what was not handed over has no files and no time, instead of being an error.
        """
        self._here = here
        self._folders = folders
        self._stdin = stdin
        self._others_are_empty = others_are_empty
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
        if folder is None and self._others_are_empty:
            raise NoSuchFile
        if folder is None:
            raise SourceError(f"no build context named {context!r} was given", ref=context)
        data = _read_inside(os.fspath(folder), path)
        self.read[path] = data
        return data

    def source_time(self, identifier: str, attrs: Mapping[str, str]) -> int | None:  # noqa: ARG002  the contract's
        if self._others_are_empty:
            raise NoTime
        raise SourceError(
            f"the time of {identifier} cannot be looked up yet: SOURCE_DATE_EPOCH takes seconds", ref=identifier
        )

    def learn(self, question: Question, found: FoundImage | LlbuildError) -> None:
        """The answer to one of `missing`."""
        answer = found if isinstance(found, LlbuildError) else _answer(found)
        self._images[question] = answer
        self.missing = [open_question for open_question in self.missing if open_question != question]


def stored_images(content: ContentStore, mode: str) -> ImageAnswers:
    """What the local store and OCI layouts can tell. mode: BuildKit's image.resolvemode."""

    def here(ref: str, platform: Platform) -> ResolvedImage | None:
        if mode == "pull" and not ref.startswith("oci-layout://"):
            return None
        # A name is believed when the store has an image of that name; what a registry said earlier may be outdated.
        found = resolve_local(content, ref, platform, sources=False)
        return None if found is None else _answer(found)

    return here


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
