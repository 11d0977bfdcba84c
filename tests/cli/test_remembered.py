"""Compilations remembered: the same as compiling, without compiling; and never after something has changed."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from llbuild.cli import remembered
from llbuild.cli.remembered import COMPILATIONS_SCHEMA, RememberedCompilations
from llbuild.database import open_database
from llbuild.digest import Digest
from llbuild.errors import DockerfileError, SourceError
from llbuild.frontend import CompilingFrontend, MoreNeeded, NoSuchFile, Request, ResolvedImage
from llbuild.frontend.dockerfile import FRONTEND
from llbuild.image import ContainerConfig, ImageConfig
from llbuild.platforms import Platform
from llbuild.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from llbuild.database import Database
    from llbuild.frontend import Compiled, Lookup
    from llbuild.llb import Definition

AMD64 = Platform(os="linux", architecture="amd64")
DOCKERFILE = b"""\
FROM busybox AS tools
run echo tool > /tool
FROM busybox
ARG VERSION=1
LABEL version=$VERSION
COPY --from=tools /tool /tool
COPY . /src
CMD cat /tool
"""
ONE, TWO = (Digest("sha256:" + digit * 64) for digit in "12")


class FakeLookup:
    """Answers from two mappings. `image` None: not known yet."""

    def __init__(self, image: Digest | SourceError | None = ONE, **files: bytes) -> None:
        self.files = {"Dockerfile": DOCKERFILE} | {name.replace("_", "."): data for name, data in files.items()}
        self.digest = image
        self.asked: list[str] = []

    def image(self, ref: str, platform: Platform) -> ResolvedImage | None:
        self.asked.append(ref)
        if isinstance(self.digest, SourceError):
            raise self.digest
        if self.digest is None:
            return None
        config = ContainerConfig(env=("PATH=/bin",), cmd=("sh",))
        return ResolvedImage(ref=ref, digest=self.digest, config=ImageConfig(platform=platform, config=config))

    def file(self, context: str, path: str) -> bytes | None:
        self.asked.append(path)
        if path not in self.files:
            raise NoSuchFile
        return self.files[path]

    def result_file(self, definition: Definition, path: str, *, limit: int = 0) -> bytes | None:
        raise NotImplementedError

    def source_time(self, identifier: str, attrs: Mapping[str, str]) -> int | None:
        raise NotImplementedError


class Counting:
    """The Dockerfile frontend, counting how often it compiles."""

    def __init__(self) -> None:
        self.compiled = 0
        self.frontend = replace(FRONTEND, compile=self._own(self))

    @staticmethod
    def _own(counting: Counting) -> Callable[[Request, Lookup], Compiled]:
        def compile_(request: Request, lookup: Lookup) -> Compiled:
            counting.compiled += 1
            return FRONTEND.compile(request, lookup)

        compile_.__module__ = FRONTEND.compile.__module__
        return compile_


def memory_of(database: Database, *, kept: int = 99, kept_bytes: int = 1 << 30) -> RememberedCompilations:
    """As if no file of llbuild had been edited during the last seconds."""
    return RememberedCompilations(database, kept=kept, kept_bytes=kept_bytes, imported_ns=1 << 63)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "state.db", [COMPILATIONS_SCHEMA])
    yield database
    database.close()


@pytest.fixture
def memory(database: Database) -> RememberedCompilations:
    return memory_of(database)


def request(platform: Platform = AMD64, **options: str) -> Request:
    spelt = {name.replace("__", ":"): value for name, value in options.items()}
    return Request(options=spelt, platform=platform, build_platform=AMD64)


def test_what_was_compiled_comes_back_as_it_was_and_the_same_is_asked(memory: RememberedCompilations) -> None:
    counting, first, second = Counting(), FakeLookup(), FakeLookup()
    made = memory.compile(counting.frontend, request(), first)
    assert made.warnings  # `run` is not in capitals
    assert memory.compile(counting.frontend, request(), second) == made
    assert counting.compiled == 1
    assert second.asked == first.asked
    assert made == FRONTEND.compile(request(), FakeLookup())


@pytest.mark.parametrize(
    ("asked", "lookup"),
    [
        (request(), FakeLookup(TWO)),
        (request(), FakeLookup(Dockerfile=DOCKERFILE + b"ENV A=b\n")),
        (request(), FakeLookup(_dockerignore=b"*.o\n")),
        (request(build_arg__VERSION="2"), FakeLookup()),
        (request(target="tools"), FakeLookup()),
        (request(Platform(os="linux", architecture="arm64")), FakeLookup()),
        (replace(request(), for_build=False), FakeLookup()),
    ],
    ids=["image", "build file", "ignore file", "argument", "target", "platform", "purpose"],
)
def test_what_has_changed_is_compiled_anew(memory: RememberedCompilations, asked: Request, lookup: FakeLookup) -> None:
    counting = Counting()
    memory.compile(counting.frontend, request(), FakeLookup())
    again = memory.compile(counting.frontend, asked, lookup)
    assert counting.compiled == 2
    assert again == FRONTEND.compile(asked, lookup)


def test_a_file_that_is_gone_is_a_change(memory: RememberedCompilations) -> None:
    counting = Counting()
    with_file = memory.compile(counting.frontend, request(), FakeLookup(_dockerignore=b"*.o\n"))
    assert memory.compile(counting.frontend, request(), FakeLookup()) != with_file
    assert counting.compiled == 2


def test_an_image_that_is_not_known_yet_is_asked_for(memory: RememberedCompilations) -> None:
    counting = Counting()
    memory.compile(counting.frontend, request(), FakeLookup())
    lookup = FakeLookup(None)
    with pytest.raises(MoreNeeded):
        memory.compile(counting.frontend, request(), lookup)
    assert counting.compiled == 1
    assert "docker.io/library/busybox:latest" in lookup.asked


def test_an_image_that_cannot_be_had_is_an_error_at_its_place(memory: RememberedCompilations) -> None:
    counting = Counting()
    memory.compile(counting.frontend, request(), FakeLookup())
    with pytest.raises(DockerfileError) as caught:
        memory.compile(counting.frontend, request(), FakeLookup(SourceError("no such image", ref="busybox")))
    assert caught.value.at.line == 3  # the stage that is built


def test_another_version_of_the_code_compiles_anew(
    memory: RememberedCompilations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "edited.py"
    path.write_text("one")
    module = ModuleType("llbuild.edited")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    counting = Counting()
    for _ in range(2):
        memory.compile(counting.frontend, request(), FakeLookup())
        assert counting.compiled == 1
    os.utime(path, ns=(1, 1))
    memory.compile(counting.frontend, request(), FakeLookup())
    assert counting.compiled == 2
    monkeypatch.delitem(sys.modules, module.__name__)
    path.unlink()
    memory.compile(counting.frontend, request(), FakeLookup())
    assert counting.compiled == 3


def test_code_that_was_just_edited_is_not_believed_to_be_what_runs(database: Database) -> None:
    RememberedCompilations(database, imported_ns=1).compile(FRONTEND, request(), FakeLookup())
    assert database.query("SELECT count(*) FROM compilations") == [(0,)]


def test_the_files_of_the_compiler_are_among_those_of_the_record(memory: RememberedCompilations) -> None:
    memory.compile(FRONTEND, request(), FakeLookup())
    paths, _, _ = remembered._code()
    assert {"compiler.py", "parser.py", "op.py"} <= {os.path.basename(path) for path in paths}


@pytest.mark.parametrize("module", ["llbuilder.plugin", "llbuild.cli.solve", "llbuild.frontends"])
def test_what_is_no_language_of_llbuilds_compiles_every_time(
    memory: RememberedCompilations, database: Database, module: str
) -> None:
    calls = []

    def compile_(request: Request, lookup: Lookup) -> Compiled:
        calls.append(request)
        return FRONTEND.compile(request, lookup)

    foreign = CompilingFrontend(name="dockerfile", compile=compile_)
    compile_.__module__ = module
    for _ in range(2):
        memory.compile(foreign, request(), FakeLookup())
    assert len(calls) == 2
    assert database.query("SELECT count(*) FROM compilations") == [(0,)]


def test_a_flipped_byte_is_no_record(memory: RememberedCompilations, database: Database) -> None:
    counting = Counting()
    made = memory.compile(counting.frontend, request(), FakeLookup())
    ((data,),) = database.query("SELECT data FROM compilations")
    database.execute("UPDATE compilations SET data = ?", (data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],))
    assert memory.compile(counting.frontend, request(), FakeLookup()) == made
    assert memory.compile(counting.frontend, request(), FakeLookup()) == made
    assert counting.compiled == 2


def test_only_so_many_are_kept_and_none_after_forgetting(database: Database) -> None:
    memory = memory_of(database, kept=3)
    for number in range(5):
        memory.compile(FRONTEND, request(build_arg__VERSION=str(number)), FakeLookup())
    assert database.query("SELECT count(*) FROM compilations") == [(3,)]
    ((size,),) = database.query("SELECT max(length(data)) FROM compilations")
    memory = memory_of(database, kept_bytes=5 * size)
    for number in range(8):
        memory.compile(FRONTEND, request(build_arg__VERSION=f"v{number}"), FakeLookup())
    ((count, fits),) = database.query(f"SELECT count(*), sum(length(data)) <= {5 * size} FROM compilations")
    assert 3 < count < 6
    assert fits
    memory.forget()
    assert database.query("SELECT count(*) FROM compilations") == [(0,)]


def test_a_store_that_cannot_be_written_is_no_failure(memory: RememberedCompilations, database: Database) -> None:
    database.execute("PRAGMA query_only = 1")
    assert memory.compile(FRONTEND, request(), FakeLookup()).results
