"""Compilations remembered: a build file that was compiled before, with the same answers, is not compiled again.

    compilations(id, key, created, data)   key: `_key`; data: a check sum, then msgpack, see `_encode`

A frontend is a pure function of its request, of what it asks, and of its code. So a record holds the questions with
what the answers were, and which files the code was in. It serves when all of them are as they were then: every question
is put once more, to the same `Lookup`. Only questions about images and files of the client are remembered, and only
frontends that come with llbuild.

The newest are kept. What does not come back from its record as it was is not kept at all, and a record that cannot be
read is none.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from ..database import Schema
from ..digest import blake3_bytes
from ..errors import DefinitionError, LlbuildError, SourceError, StoreError
from ..frontend import BuildWarning, Compiled, MoreNeeded, NoSuchFile, PlatformResult
from ..image import decode_config, encode_config
from ..llb import Definition
from ..llb.codec import decode_value, encode_value, pack, unpack
from ..log import log
from ..platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..database import Database
    from ..frontend import CompilingFrontend, Lookup, Request, ResolvedImage

__all__ = ["COMPILATIONS_SCHEMA", "RememberedCompilations"]

COMPILATIONS_SCHEMA = Schema(
    "compilations",
    1,
    (
        (
            "CREATE TABLE IF NOT EXISTS compilations (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE,"
            " created REAL NOT NULL, data BLOB NOT NULL)"
        ),
    ),
)
_PACKAGE = __name__.partition(".")[0]
# Other compilers may know what they were not told: `llbuild solve` has a definition at hand.
_LANGUAGES = f"{_PACKAGE}.frontend."
_FORM = 1  # of a record; part of every key
_KEPT = 128
_KEPT_BYTES = 32 << 20
_STALE_S = 30 * 86400.0
_SUM_BYTES = 32
_ABSENT = b""  # the answer that there is no such file
# Code that changed later may not be what runs; times of files are kept in steps, of two seconds on the coarsest disks.
_IMPORTED_NS = time.time_ns() - 2_000_000_000


class RememberedCompilations:
    """What the frontends of one state folder made of build files."""

    def __init__(
        self,
        database: Database,
        *,
        kept: int = _KEPT,
        kept_bytes: int = _KEPT_BYTES,
        imported_ns: int = _IMPORTED_NS,
    ) -> None:
        """Keeps that many of the newest, as far as they fit. imported_ns: code that changed later is not what runs."""
        self._database = database
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._imported_ns = imported_ns

    def compile(self, frontend: CompilingFrontend, request: Request, lookup: Lookup) -> Compiled:
        """As `frontend.compile(request, lookup)`, which is called when no record serves. Raises what that does."""
        key = _key(frontend, request)
        if not key or not frontend.compile.__module__.startswith(_LANGUAGES):
            return frontend.compile(request, lookup)
        found = self._recall(key, lookup)
        if found is not None:
            log.debug("compilation_recalled", frontend=frontend.name)
            return found
        noting = _NotingLookup(lookup)
        compiled = frontend.compile(request, noting)
        if noting.questions is not None:
            self._remember(key, noting.questions, compiled)
        return compiled

    def _recall(self, key: bytes, lookup: Lookup) -> Compiled | None:
        rows = self._database.query("SELECT data FROM compilations WHERE key = ?", (key,))
        if not rows:
            return None
        data = rows[0][0]
        if data[:_SUM_BYTES] != blake3_bytes(data[_SUM_BYTES:]):
            return None
        code, questions, compiled = unpack(data[_SUM_BYTES:])
        if not all(map(_as_it_was, *code)) or not _answered_alike(questions, lookup):
            return None
        return _decode(compiled)

    def _remember(self, key: bytes, questions: Sequence[Sequence[Any]], compiled: Compiled) -> None:
        try:
            code = _code()
            data = pack([code, questions, _encode(compiled)])
            if max(code[1]) >= self._imported_ns or len(data) > self._kept_bytes // 4 or not _comes_back(compiled):
                return
        except LlbuildError:  # names that are no text, say: builds, but is not worth a form of its own
            return
        try:
            with self._database.transaction():
                self._database.execute(
                    "INSERT OR REPLACE INTO compilations (key, created, data) VALUES (?, ?, ?)",
                    (key, time.time(), blake3_bytes(data) + data),
                )
                self._database.execute("DELETE FROM compilations WHERE created < ?", (time.time() - _STALE_S,))
                self._database.execute(
                    "DELETE FROM compilations WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER newest AS"
                    " place, sum(length(data)) OVER newest AS total FROM compilations WINDOW newest AS"
                    " (ORDER BY id DESC)) WHERE place > ? OR total > ?)",
                    (self._kept, self._kept_bytes),
                )
        except StoreError as error:  # a full disk: the build itself may yet have nothing to write
            log.warning("compilation_not_remembered", reason=error.message)

    def forget(self) -> None:
        """All of them."""
        self._database.execute("DELETE FROM compilations")


class _NotingLookup:
    """A `Lookup` that keeps what was asked, with what tells one answer from another; None: something beyond that."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.questions: list[list[Any]] | None = []

    def image(self, ref: str, platform: Platform) -> ResolvedImage | None:
        found = self._lookup.image(ref, platform)
        if found is not None:
            self._note("image", ref, encode_value(platform), _identity(found))
        return found

    def file(self, context: str, path: str) -> bytes | None:
        try:
            data = self._lookup.file(context, path)
        except NoSuchFile:
            self._note("file", context, path, _ABSENT)
            raise
        if data is not None:
            self._note("file", context, path, blake3_bytes(data))
        return data

    def result_file(self, definition: Definition, path: str, *, limit: int = 0) -> bytes | None:
        self.questions = None
        return self._lookup.result_file(definition, path, limit=limit)

    def source_time(self, identifier: str, attrs: Mapping[str, str]) -> int | None:
        self.questions = None
        return self._lookup.source_time(identifier, attrs)

    def _note(self, *question: Any) -> None:  # noqa: ANN401  what msgpack packs
        if self.questions is not None:
            self.questions.append(list(question))


def _answered_alike(questions: Sequence[Sequence[Any]], lookup: Lookup) -> bool:
    """Whether the answers are what they were. Raises MoreNeeded, as a frontend does, when one is not known yet."""
    unknown = False
    for kind, of, what, answer in questions:
        try:
            if kind == "image":
                found = lookup.image(of, decode_value(Platform, what))
                unknown = unknown or found is None
                if found is not None and _identity(found) != answer:
                    return False
            else:
                data = lookup.file(of, what)
                if data is None or blake3_bytes(data) != answer:
                    return False
        except NoSuchFile:
            if answer != _ABSENT:
                return False
        except SourceError:  # the frontend knows at which place of the build file
            return False
    if unknown:
        raise MoreNeeded
    return True


def _identity(found: ResolvedImage) -> str:
    """The digest of the manifest says what the config is, for one platform."""
    return found.pinned


def _key(frontend: CompilingFrontend, request: Request) -> bytes:
    options = [[name, value] for name, value in request.options.items()]
    platforms = [encode_value(request.platform), encode_value(request.build_platform)]
    try:
        return blake3_bytes(pack([_FORM, frontend.name, options, platforms, request.for_build, request.session_id]))
    except DefinitionError:  # an option that is no text; the frontend says what is wrong with it
        return b""


def _code() -> tuple[list[str], list[int], list[int]]:
    """The files that hold llbuild's code as far as it is loaded, compilers and all: paths, times in ns, sizes."""
    names = [name for name in sys.modules if name.startswith(f"{_PACKAGE}.")]
    paths = sorted({path for name in names if (path := getattr(sys.modules[name], "__file__", None))})
    stats = [os.stat(path) for path in paths]
    return paths, [stat.st_mtime_ns for stat in stats], [stat.st_size for stat in stats]


def _as_it_was(path: str, mtime_ns: int, size: int) -> bool:
    try:
        stat = os.stat(path)
    except OSError:
        return False
    return (stat.st_mtime_ns, stat.st_size) == (mtime_ns, size)


def _encode(compiled: Compiled) -> list[Any]:
    results = [
        [
            encode_value(result.platform),
            encode_value(result.definition),
            encode_config(result.image),
            result.epoch_s,
        ]
        for result in compiled.results
    ]
    return [results, [encode_value(warning) for warning in compiled.warnings]]


def _comes_back(compiled: Compiled) -> bool:
    """Whether what has a form for other purposes is in it as it was; a definition always is."""
    images = all(decode_config(encode_config(result.image)) == result.image for result in compiled.results)
    return images and all(decode_value(BuildWarning, encode_value(found)) == found for found in compiled.warnings)


def _decode(plain: Any) -> Compiled:  # noqa: ANN401  as `_encode` makes it
    results, warnings = plain
    return Compiled(
        results=tuple(
            PlatformResult(
                platform=decode_value(Platform, platform),
                definition=decode_value(Definition, definition),
                image=decode_config(image),
                epoch_s=epoch_s,
            )
            for platform, definition, image, epoch_s in results
        ),
        warnings=tuple(decode_value(BuildWarning, warning) for warning in warnings),
    )
