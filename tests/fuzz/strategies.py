"""Inputs for the fuzz targets: any bytes, and text of the pieces that the readers look out for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from llbuild.llb import encode_definition, image, local, merge, scratch
from llbuild.proto import encode_buildkit

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


@st.composite
def damaged(draw: st.DrawFn, wholes: Sequence[bytes]) -> bytes:
    """Bytes that were in order, with some of them changed, cut out or repeated."""
    data = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(0, 4))):
        at, end = sorted(draw(st.lists(st.integers(0, len(data)), min_size=2, max_size=2)))
        data[at:end] = draw(st.just(data[at:end] * 2) | st.binary(max_size=3))
    return bytes(data)


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
    "lock": st.binary(max_size=100) | damaged([LOCK.encode()]) | joined(LOCK.splitlines(), "\n", 12),
}
