"""What may be fed any bytes: a function for each reader of outside data, with what must hold whatever comes in.

A target returns when the bytes were refused with an error of ours, and raises AssertionError when a promise is broken.
Anything else that escapes is a crash.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from llbuild.cli.attest.attached import AttestedImage, FoundStatement, describe_attestations
from llbuild.cli.attest.text import render_attestations
from llbuild.cli.lock.text import encode_lock, parse_lock
from llbuild.digest import sha256_digest
from llbuild.errors import ConfigError, DefinitionError, DockerfileError, LlbuildError, SandboxError, SourceError
from llbuild.exporter.attest import predicate_of
from llbuild.exporter.sbom import load_scanner, scan_files, spdx_predicate
from llbuild.frontend.dockerfile.ignorefile import parse_ignore_file
from llbuild.frontend.dockerfile.parser import Node, parse
from llbuild.frontend.dockerfile.reader import read_stages
from llbuild.frontend.dockerfile.shellglob import GlobError, replace_pattern, trim_prefix, trim_suffix
from llbuild.frontend.dockerfile.subrequests import lint_request, outline_request, targets_request
from llbuild.frontend.dockerfile.words import MAX_WORD, WordError, expand, split_fields
from llbuild.frontend.subrequests import LintResult
from llbuild.frontend.syntax import frontend_named
from llbuild.image import (
    Descriptor,
    Index,
    decode_config,
    decode_manifest,
    encode_config,
    encode_index,
    encode_manifest,
)
from llbuild.llb import decode_definition, encode_definition, validate
from llbuild.patterns import IgnoreList
from llbuild.proto import decode_buildkit, encode_buildkit
from llbuild.tests.frontend.dockerfile.kit import MemoryLookup, compile_all, request
from llbuild.worker.owners import OwnerTable
from llbuild.worker.owners import decode as decode_owner
from llbuild.worker.owners import encode as encode_owner
from llbuild.worker.seccomp.own import Machine, parse_profile
from llbuild.worker.seccomp.rules import compile_own
from llbuild.worker.snapshot import MergedTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llbuild.frontend.dockerfile.source import Word
    from llbuild.span import Span

__all__ = ["TARGETS", "check_places"]


def dockerfile(data: bytes) -> None:
    """Places lie in the file and hold the text they stand for; reading twice gives the same."""
    try:
        document = parse(data, "D")
    except DockerfileError as error:
        _check_span(error.at, _lines(data))
        return
    check_places(data, document.nodes)
    assert [_dump(node) for node in document.nodes] == [_dump(node) for node in parse(data, "D").nodes]
    try:
        read_stages(document)
    except DockerfileError as error:
        _check_span(error.at, _lines(data))


def check_places(data: bytes, nodes: list[Node]) -> None:
    """Instructions follow each other; every word lies in its instruction, and what stands at its place is the word."""
    lines = _lines(data)
    assert all(before.line.last < after.line.first for before, after in pairwise(nodes))
    for node in nodes:
        _check_span(node.line.at, lines)
        for word in _words(node):
            _check_span(word.at, lines)
            assert node.line.first <= word.at.line <= word.at.last_line <= node.line.last
            if word.exact and word.text and word.at.line == word.at.end_line:
                assert lines[word.at.line - 1][word.at.column - 1 : word.at.end_column - 1] == word.text


def _lines(data: bytes) -> list[str]:
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", "\ufffd", text).split("\n")


def _check_span(at: Span, lines: list[str]) -> None:
    assert 1 <= at.line <= at.last_line <= len(lines)
    assert 1 <= at.column <= len(lines[at.line - 1]) + 1
    assert at.end_column <= len(lines[at.last_line - 1]) + 2  # what is missing at the end of a line stands behind it
    assert not at.end_column or (at.line, at.column) <= (at.end_line, at.end_column)


def _words(node: Node) -> Iterator[Word]:
    inner = node.trigger or node
    arguments = inner.arguments
    yield from (node.keyword, inner.keyword, *inner.flags, arguments.rest, *arguments.words)
    yield from (word for pair in arguments.pairs for word in (pair.key, pair.value))
    yield from (heredoc.word for heredoc in inner.heredocs)


def _dump(node: Node) -> list[object]:
    return [*map(repr, _words(node)), node.comments, node.blank_in_continuation, [doc.text for doc in node.heredocs]]


def compiling(data: bytes) -> None:
    """What compiles is a graph that holds together."""
    try:
        compiled = compile_all(data, {"build-arg:B": "x y", "label:l": "v"}, everything=True)
    except LlbuildError:
        return
    for result in compiled.results:
        validate(result.definition)


def checking(data: bytes) -> None:
    """Findings, the outline and the list of targets: with places in the file."""
    lookup = MemoryLookup(files={("dockerfile", "Dockerfile"): data, ("context", ".dockerignore"): b"*\n!a"})
    lines = _lines(data)
    for read in (lint_request, outline_request, targets_request):
        try:
            found = read(request(), lookup)
        except LlbuildError:
            continue
        if isinstance(found, LintResult):
            for finding in found.warnings:
                assert finding.rule
                if finding.at is not None:
                    _check_span(finding.at, lines)


def words(data: bytes) -> None:
    """First a byte of switches, then variables up to a NUL, one a line, then the word."""
    switches = data[0] if data else 0
    env_text, _, text = data[1:].decode("utf-8", "replace").rpartition("\0")
    env = dict(line.partition("=")[::2] for line in env_text.split("\n"))
    escape = "`" if switches & 1 else "\\"
    quotes, keep_quotes, keep_unset, keep_escapes = (bool(switches >> bit & 1) for bit in range(1, 5))
    try:
        found = expand(text, env, escape=escape, quotes=quotes, keep_quotes=keep_quotes, keep_unset=keep_unset)
        assert found.found <= env.keys()
        assert not found.missing & env.keys()
        assert len(found.text) <= len(text) + MAX_WORD
        again = expand(text, env, escape=escape, quotes=quotes, keep_quotes=keep_quotes, keep_unset=keep_unset)
        assert found == again
    except WordError as error:
        _check_offset(error, text)
    try:
        fields = split_fields(
            text, env, escape=escape, keep_quotes=keep_quotes, keep_unset=keep_unset, keep_escapes=keep_escapes
        )
        assert all(fields)
    except WordError as error:
        _check_offset(error, text)


def _check_offset(error: WordError, text: str) -> None:
    assert 0 <= error.offset <= len(text)


def globs(data: bytes) -> None:
    """Two lines: a pattern and a value. Against Go's regular expressions, as Python's say it, where those are quick."""
    pattern, _, value = data.decode("utf-8", "replace").partition("\n")
    try:
        shortest, longest = (trim_prefix(value, pattern, greedy=greedy) for greedy in (False, True))
        replaced = replace_pattern(value, pattern, "<>", every=False, limit=MAX_WORD)
    except GlobError:
        return
    assert value.endswith(shortest)
    assert value.endswith(longest)
    assert len(longest) <= len(shortest)
    assert all(value.startswith(trim_suffix(value, pattern, greedy=greedy)) for greedy in (False, True))
    if pattern.count("*") > 3 or len(value) > 60:
        return
    lazy, greedy = (_regex(pattern, star) for star in ("*?", "*"))
    assert shortest == re.sub(rf"\A(?:{lazy})", "", value, count=1)
    assert longest == re.sub(rf"\A(?:{greedy})", "", value, count=1)
    assert replaced == re.sub(greedy, "<>", value, count=1)


def _regex(pattern: str, star: str) -> str:
    """The pattern as a regular expression; a guard before `/` and `}` guards nothing here."""
    out = []
    for piece in re.findall(r"\\.|[^\\]", pattern, re.DOTALL):
        if piece in ("\\/", "\\}"):
            out.append(piece[1])
        elif piece in ("*", "?"):
            out.append(f".{star}" if piece == "*" else ".")
        else:
            out.append(re.escape(piece[-1]))
    return "".join(out)


def ignorefile(data: bytes) -> None:
    """A list as a whole says what its lines say one after the other, of every path that the file itself names."""
    try:
        lines = parse_ignore_file(data)
        ignore = IgnoreList(lines)
    except (LlbuildError, ValueError):
        return
    names = [*re.findall(r"[^*?!\\\n]+", data[:500].decode("utf-8", "replace"))[:4], "a", "a/b", "aaaa/a/aa/b"]
    for name in names:
        path = "/".join(part for part in name.split("/") if part)
        if path:
            excluded, included = ignore.excludes(path), ignore.may_include_below(path)
            assert excluded == IgnoreList(lines).excludes(path)
            assert isinstance(included, bool)
            if not ignore.has_exceptions and len(lines) <= 8:
                assert excluded == any(IgnoreList([line]).excludes(path) for line in lines)


def definition(data: bytes) -> None:
    """What can be read is written again, and the bytes then are the definition's own."""
    try:
        found = decode_definition(data)
    except DefinitionError:
        return
    packed = encode_definition(found)
    assert decode_definition(packed) == found
    assert encode_definition(decode_definition(packed)) == packed


def buildkit(data: bytes) -> None:
    """The same for BuildKit's form."""
    try:
        found = decode_buildkit(data)
    except DefinitionError:
        return
    packed = encode_buildkit(found)
    assert encode_buildkit(decode_buildkit(packed)) == packed


def syntax(data: bytes) -> None:
    try:
        name = frontend_named(data, "D")
    except DockerfileError as error:
        _check_span(error.at, _lines(data))
        return
    assert name == frontend_named(data, "D")


def statement(data: bytes) -> None:
    """An attestation that a stranger made is shown or refused; what is shown can do no harm."""
    digest = sha256_digest(data)
    try:
        document, error = predicate_of(data), ""
    except ValueError as refused:
        document, error = {}, str(refused)
    found = FoundStatement(digest=digest, size_bytes=len(data), document=document, error=error)
    target = Descriptor(media_type="x", digest=digest, size_bytes=0)
    image = AttestedImage(platform="linux/amd64", digest=digest, statements=(found,))
    shown = render_attestations("name", target, [image])
    assert all(line.isprintable() and len(line) <= 160 for line in shown.split("\n"))
    try:
        described = describe_attestations("name", target, [image])
    except LlbuildError:
        return
    assert described.isascii()
    json.loads(described)


_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where removing a folder waits for no disk
_PLACES = (
    *("var/lib/dpkg/status", "var/lib/dpkg/status.d/a", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite"),
    *("etc/os-release", "a/b-1.dist-info/METADATA", "node_modules/a/package.json", "bin/program"),
)


def packages(data: bytes) -> None:
    """Whatever a package manager seems to have left: a list of harmless text that can be written down."""
    with tempfile.TemporaryDirectory(prefix="llbuild-fuzz-", dir=_IN_MEMORY) as folder:
        for place in _PLACES:
            path = Path(folder, place)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o755)
        scan = scan_files(MergedTree([folder], userxattr=False), load_scanner(""))
    for package in scan.packages:
        texts = (package.name, package.version, package.purl, package.licenses, package.maintainer)
        assert all(text.isprintable() and len(text) <= 2000 for text in texts)
        assert package.name
        assert package.purl.startswith("pkg:")
    json.dumps(spdx_predicate(scan, name="x").document).encode()


def manifest(data: bytes) -> None:
    """What is read says the same when it is written and read again."""
    try:
        found = decode_manifest(data, ref="r")
    except SourceError:
        return
    packed = encode_index(found) if isinstance(found, Index) else encode_manifest(found)
    assert decode_manifest(packed, ref="r") == found


def imageconfig(data: bytes) -> None:
    """The same; what stands empty there is as good as absent."""
    try:
        found = decode_config(data, ref="r")
    except SourceError:
        return
    packed = encode_config(found)
    assert encode_config(decode_config(packed, ref="r")) == packed


def _check_lines(at: Span, text: str) -> None:
    assert 1 <= at.line <= len(text.splitlines()) + 1


def lock(data: bytes) -> None:
    """What can be read is written so that it is read again."""
    text = data.decode("utf-8", "replace")
    try:
        pins = parse_lock(text, "/l/llbuild.lock")
    except ConfigError as error:
        _check_lines(error.at, text)
        return
    assert parse_lock(encode_lock(pins, "/l/llbuild.lock"), "/l/llbuild.lock") == pins


def owners(data: bytes) -> None:
    """What is remembered of owners is ids that exist, in whatever a step has written there; it comes back as it was."""
    found = decode_owner(data)
    if found is not None:
        uid, gid, kind, device = found
        assert 0 <= uid < 2**32 - 1
        assert 0 <= gid < 2**32 - 1
        assert kind in (0, stat.S_IFCHR, stat.S_IFBLK)
        assert kind == 0 or device
        assert decode_owner(encode_owner(found, 0o644)) == found
        os.stat_result((0,) * 10, {"st_rdev": device})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "owners").write_bytes(data)
        for inode, (uid, gid, _) in OwnerTable(f"{folder}/fs").owners.items():
            assert inode >= 0 <= uid < 2**32 - 1
            assert 0 <= gid < 2**32 - 1


def seccomp(data: bytes) -> None:
    """A profile of calls is a filter that the kernel can take, or too long for it: every way ends in a result."""
    try:
        program = compile_own(parse_profile(data, Machine("x86_64", (6, 1))))
    except SandboxError:
        return
    assert program[-1].code == 0x06 or any(step.code == 0x06 for step in program)
    for at, step in enumerate(program):
        if step.code in {0x15, 0x25, 0x35}:
            assert at + 1 + max(step.jump_true, step.jump_false) < len(program)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "dockerfile": dockerfile,
    "compile": compiling,
    "check": checking,
    "words": words,
    "globs": globs,
    "ignorefile": ignorefile,
    "definition": definition,
    "buildkit": buildkit,
    "syntax": syntax,
    "statement": statement,
    "packages": packages,
    "manifest": manifest,
    "imageconfig": imageconfig,
    "lock": lock,
    "owners": owners,
    "seccomp": seccomp,
}
