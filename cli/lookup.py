"""A frontend's window to the world: answers from what is known, and a list of what is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import LlbuildError, SourceError
from ..frontend import NoSuchFile, NoTime, ResolvedImage
from ..llb import SourceOp
from ..values import frozen
from ..worker.source import resolve_local

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from ..llb import Definition
    from ..platforms import Platform
    from ..worker import ContentStore
    from ..worker.source import Pins
    from ..worker.source import ResolvedImage as FoundImage

    Question: TypeAlias = "ImageQuestion | FileQuestion | TimeQuestion"
    ImageAnswers: TypeAlias = Callable[[str, Platform], ResolvedImage | None]
    FileAnswers: TypeAlias = Callable[["FileQuestion"], bytes | None]

__all__ = ["FileQuestion", "ImageAnswers", "ImageQuestion", "KnownLookup", "TimeQuestion", "stored_images"]

MAX_FILE_BYTES = 16 << 20  # of a build file; BuildKit refuses beyond it too


@frozen(kw_only=False)
class ImageQuestion:
    ref: str
    platform: Platform


@frozen(kw_only=False)
class FileQuestion:
    """A file of what a graph makes; `limit` 0 is all of it."""

    definition: Definition
    path: str
    limit: int

    @property
    def most_bytes(self) -> int:
        """One more than may be: enough to see that there is too much."""
        return self.limit or MAX_FILE_BYTES + 1


@frozen(kw_only=False)
class TimeQuestion:
    op: SourceOp


class KnownLookup:
    """`frontend.Lookup` over what is at hand and the client's folders.

    `missing`: questions that take asking somebody else, or building something; `learn` adds answers.
    """

    def __init__(
        self,
        here: ImageAnswers,
        folders: Mapping[str, str],
        *,
        stdin: bytes | None,
        results: FileAnswers | None = None,
    ) -> None:
        """here: what can be told of an image at once; None where somebody else must be asked.

        results: likewise for files of what graphs make, raising NoSuchFile. Without it there is nobody to ask, as when
        the client is imagined: its folder has the files of all contexts, and what was not handed over has no files and
        no time, instead of being an error.
        """
        self._here = here
        self._folders = folders
        self._stdin = stdin
        self._results = results
        self._answers: dict[Question, ResolvedImage | bytes | int | LlbuildError | NoSuchFile | NoTime] = {}
        self.missing: list[Question] = []
        self.read: dict[str, bytes] = {}  # build files that were read, for error reports

    def image(self, ref: str, platform: Platform) -> ResolvedImage | None:
        question = ImageQuestion(ref, platform)
        known = self._known(question)
        if known is None:
            known = self._here(ref, platform)
        if known is None:
            self._miss(question)
        assert known is None or isinstance(known, ResolvedImage)
        return known

    def file(self, context: str, path: str) -> bytes | None:
        if self._stdin is not None and context == "dockerfile":
            if path.endswith(".dockerignore"):
                raise NoSuchFile  # only the build file itself came on stdin
            self.read[path] = self._stdin
            return self._stdin
        folder = self._folders.get(context)
        if folder is None and self._results is None:
            raise NoSuchFile
        if folder is None:
            raise SourceError(f"no build context named {context!r} was given", ref=context)
        data = _read_inside(os.fspath(folder), path)
        self.read[path] = data
        return data

    def result_file(self, definition: Definition, path: str, *, limit: int = 0) -> bytes | None:
        if self._results is None:
            return self._imagined(path)
        question = FileQuestion(definition, path, limit)
        known = self._known(question)
        if known is None:
            known = self._results(question)
        if known is None:
            self._miss(question)
            return None
        assert isinstance(known, bytes)
        if not limit:
            if len(known) > MAX_FILE_BYTES:
                raise _too_large(path)
            self.read[path] = known
        return known

    def _imagined(self, path: str) -> bytes | None:
        """What a URL brings is the build file."""
        try:
            return self.file("dockerfile", path)
        except NoSuchFile:
            if path != "context":
                raise
            return self.file("dockerfile", "Dockerfile")

    def source_time(self, identifier: str, attrs: Mapping[str, str]) -> int | None:
        if self._results is None:
            raise NoTime
        question = TimeQuestion(SourceOp(identifier=identifier, attrs=tuple(sorted(attrs.items()))))
        known = self._known(question)
        if known is None:
            self._miss(question)
        assert known is None or isinstance(known, int)
        return known

    def learn(self, question: Question, answer: FoundImage | bytes | int | LlbuildError | NoSuchFile | NoTime) -> None:
        """The answer to one of `missing`."""
        if isinstance(answer, (bytes, int, LlbuildError, NoSuchFile, NoTime)):
            self._answers[question] = answer
        else:
            self._answers[question] = _answer(answer)
        self.missing = [open_question for open_question in self.missing if open_question != question]

    def _known(self, question: Question) -> object:
        known = self._answers.get(question)
        if isinstance(known, (LlbuildError, NoSuchFile, NoTime)):
            raise known
        return known

    def _miss(self, question: Question) -> None:
        if question not in self.missing:
            self.missing.append(question)


def stored_images(content: ContentStore, mode: str, pins: Pins) -> ImageAnswers:
    """What the local store and OCI layouts can tell. mode: BuildKit's image.resolvemode. pins: what images are held to,
    whatever the mode.
    """

    def here(ref: str, platform: Platform) -> ResolvedImage | None:
        pinned = pins.image(ref, platform)
        if pinned == ref and mode == "pull" and not ref.startswith("oci-layout://"):
            return None
        # A name is believed when the store has an image of that name; what a registry said earlier may be outdated.
        try:
            found = resolve_local(content, pinned, platform, sources=False)
        except SourceError as error:
            pins.explain_image(error, ref, platform)
            raise
        if found is None:
            return None
        pins.note_image(ref, found, platform)
        return _answer(found)

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
        with open(real, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise NoSuchFile from None
    except OSError as error:
        raise SourceError(f"cannot read {os.path.join(folder, path)}: {error.strerror}", ref=path) from None
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(path)
    return data


def _too_large(path: str) -> SourceError:
    return SourceError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB", ref=path)
