"""Inputs for the fuzz targets: any bytes, and text of the pieces that the readers look out for."""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from llbuild.exporter.attest import VERSIONS, BuildFacts, ProvenanceForm, encode_statement, make_provenance
from llbuild.exporter.sbom import Package, Scan, spdx_predicate
from llbuild.llb import encode_definition, image, local, merge, scratch
from llbuild.platforms import Platform
from llbuild.proto import encode_buildkit
from llbuild.tests.exporter.sbom.kit import go_program
from llbuild.tests.image.malformed import wrong_documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llbuild.llb import Definition

__all__ = ["INPUTS"]

LINES = [
    *("FROM a", "FROM a AS b", "from b", "ARG A=1", 'ENV A=$B C="d e"', "ENV k v w", "LABEL a='b c' d=e\\ f"),
    *("RUN <<E", "COPY <<-'E' <<F /", "E", "\tE", "F", "ONBUILD RUN <<E", "# c", "# escape=`", "# check=skip=all"),
    *("COPY --from=b --chown=1 a b", 'COPY --link="true" ["a", "b"]', 'CMD ["x", "y"]', "CMD [1]", "RUN `"),
    *("HEALTHCHECK --interval=1s CMD z", "RUN --mount=type=cache,target=/a,\\", "uid=1 b", 'VOLUME ["a"]', "\\"),
    *("ADD --checksum=x http://h/a /", "EXPOSE 1-3/udp $A", "USER ${A:-b}", "WORKDIR a/../b", 'SHELL ["s"]'),
    *("RUN x \\", "nope", "\0", "\r", "", " ", "é", "\x85", "  y \\ \t"),
]  # fmt: skip
WORDS = [
    *("$A", "${A", "${A:-", "${A:+", "${A#", "${A%%", "${A/", "}", "/", '"', "'", "\\", "`", "$", "{", " ", "x", "*"),
    *("${B:?", "$$", "${", "\n", "A", "ab", "é", "\0", "A=1", "B=", "\x07", "?", "<<"),
]  # fmt: skip
PATTERNS = [*("**/", "*", "**", "?", "[a-c]", "[^a]", "/", "a", "b", ".", "..", "!", "\n"), *("#", "\\", " ", "\ufeff")]
HEADS = [
    *("#", "//", "!", " ", "syntax", "=", "docker/dockerfile:1", "a", "\n"),
    *("escape=`", "{", "}", '"syntax"', ":"),
]

PROFILE = (
    '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "socket"], "action": "SCMP_ACT_ALLOW",'
    ' "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}], "includes": {"minKernel": "4.8"}}]}'
)
LOCK = f"""\
version = 1
[[image]]
name = "oci-layout://./a:b"
digest = "sha256:{"1" * 64}"
[[git]]
repository = "https://h/a.git"
commit = "{"c" * 40}"
[[http]]
url = "https://h/a"
digest = "sha512:{"1" * 128}"
modified = 0001-01-01T00:00:00+14:00
"""


def joined(pieces: Sequence[str], by: str, most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(pieces), max_size=most).map(lambda found: by.join(found).encode())


def samples() -> list[Definition]:
    base = image("a")
    built = base.dir("/src").copy(local("context", exclude=["b"]), "x", "y").run("make", mounts={"/m": scratch()}).root
    return [scratch().marshal(), base.marshal(), merge([base, scratch().copy(built, "a", "b")]).marshal()]


def statements() -> list[bytes]:
    """One of each kind that is shown."""
    scan = Scan(
        scanner="x", packages=(Package(name="a", version="1", purl="pkg:x/a@1", found_in="f"),), notes=(), when=0
    )
    facts = BuildFacts(
        frontend="dockerfile",
        options={"build-arg:A": "b", "context": "https://h/a.git#b"},
        build_file="Dockerfile",
        materials=(),
        folders=("context",),
        definition=samples()[1],
        builder=Platform(os="linux", architecture="amd64"),
        started=0.0,
        finished=1.0,
        invocation="i",
        layers={},
    )
    predicates = [spdx_predicate(scan, name="x")]
    predicates += [make_provenance(facts, ProvenanceForm(version=version)) for version in VERSIONS]
    return [encode_statement(predicate, []) for predicate in predicates]


def records() -> list[bytes]:
    """What package managers leave, in binary: a program of Go, and rpm's database."""
    with tempfile.TemporaryDirectory(prefix="llbuild-fuzz-") as folder:
        path = Path(folder, "rpmdb.sqlite")
        with closing(sqlite3.connect(path)) as connection:
            entries = struct.pack(">8I", 1000, 6, 0, 1, 1001, 6, 2, 1)
            header = struct.pack(">II", 2, 4) + entries + b"a\0" + b"1\0"
            connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
            connection.execute("INSERT INTO Packages VALUES (1, ?)", (header,))
            connection.commit()
        return [go_program("go1.21", "path\ta\nmod\ta\tv1\t\ndep\tb\tv2\t\n"), path.read_bytes()]


@st.composite
def damaged(draw: st.DrawFn, wholes: Sequence[bytes]) -> bytes:
    """Bytes that were in order, with some of them changed, cut out or repeated."""
    data = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(0, 4))):
        at, end = sorted(draw(st.lists(st.integers(0, len(data)), min_size=2, max_size=2)))
        data[at:end] = draw(st.just(data[at:end] * 2) | st.binary(max_size=3))
    return bytes(data)


JSON = [
    *("{", "}", "[", "]", ",", ":", '"_type"', '"predicateType"', '"https://spdx.dev/Document"', '"predicate"', "1"),
    *('"https://slsa.dev/provenance/v1"', '"name"', '"version"', '"\\ud800"', "null", '"packages"', '"subject"'),
]
RECORDS = [
    *("Package: a", "Status: install ok installed", "Version: 1", "Architecture: é", "P:b", "V:\x1b[1m", "A:x", ""),
    *("Name: c", "ID=debian", 'VERSION_ID="1"', " continued", "\0", "o:d", "Source: e (2)", "Maintainer: \u202e"),
]


INPUTS: dict[str, st.SearchStrategy[bytes]] = {
    "dockerfile": st.binary(max_size=300) | joined(LINES, "\n", 12) | joined(LINES, "\r\n", 6),
    "compile": st.binary(max_size=300) | joined(LINES, "\n", 12).map(lambda text: b"FROM a AS s0\n" + text),
    "check": joined(LINES, "\n", 12).map(lambda text: b"FROM a AS s0\n" + text),
    "words": st.binary(max_size=100) | joined(WORDS, "", 16),
    "globs": st.binary(max_size=30) | joined([*"ab*?\\/}", "\n"], "", 24),
    "ignorefile": st.binary(max_size=100) | joined(PATTERNS, "", 16),
    "definition": st.binary(max_size=200) | damaged([encode_definition(sample) for sample in samples()]),
    "buildkit": st.binary(max_size=200) | damaged([encode_buildkit(sample) for sample in samples()]),
    "syntax": st.binary(max_size=100) | joined(HEADS, "", 12),
    "statement": st.binary(max_size=100) | joined(JSON, "", 20) | damaged(statements()),
    "packages": st.binary(max_size=200) | joined(RECORDS, "\n", 12) | joined(JSON, "", 12) | damaged(records()),
    "manifest": st.binary(max_size=200) | wrong_documents().map(lambda wrong: wrong[1]),
    "imageconfig": st.binary(max_size=200) | wrong_documents().map(lambda wrong: wrong[1]),
    "owners": st.binary(max_size=80) | joined([*"0123456789:-", "char-", "block-", " ", "\n", "4294967295"], "", 16),
    "seccomp": st.binary(max_size=60) | damaged([PROFILE.encode()]),
    "lock": st.binary(max_size=100) | damaged([LOCK.encode()]) | joined(LOCK.splitlines(), "\n", 12),
}
