"""COPY and ADD: flags, sources, inline files, destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError
from . import instructions as ins
from .flags import Flag, Flags, read_flags
from .heredoc import parse_heredoc

if TYPE_CHECKING:
    from .heredoc import Heredoc
    from .parser import Node
    from .source import Word

__all__ = ["read_add", "read_copy"]

_COPY = {
    "chown": Flag.VALUE,
    "chmod": Flag.VALUE,
    "from": Flag.VALUE,
    "link": Flag.SWITCH,
    "exclude": Flag.VALUES,
    "parents": Flag.SWITCH,
}
_ADD = {
    "chown": Flag.VALUE,
    "chmod": Flag.VALUE,
    "link": Flag.SWITCH,
    "exclude": Flag.VALUES,
    "keep-git-dir": Flag.SWITCH,
    "checksum": Flag.VALUE,
    "unpack": Flag.SWITCH,
}


def read_copy(node: Node) -> ins.Copy:
    """Raises DockerfileError at what is wrong."""
    _check_dest(node)
    flags = read_flags(node, _COPY)
    sources, documents, dest = _sources(node)
    return ins.Copy(
        node=node,
        sources=sources,
        documents=documents,
        dest=dest,
        origin=_nonempty(flags, "from"),
        chown=_nonempty(flags, "chown"),
        chmod=_nonempty(flags, "chmod"),
        link=_on(flags, "link"),
        parents=_on(flags, "parents"),
        excludes=flags.words("exclude"),
    )


def read_add(node: Node) -> ins.Add:
    """Raises DockerfileError at what is wrong."""
    _check_dest(node)
    flags = read_flags(node, _ADD)
    sources, documents, dest = _sources(node)
    return ins.Add(
        node=node,
        sources=sources,
        documents=documents,
        dest=dest,
        chown=_nonempty(flags, "chown"),
        chmod=_nonempty(flags, "chmod"),
        link=_on(flags, "link"),
        excludes=flags.words("exclude"),
        checksum=_nonempty(flags, "checksum"),
        keep_git_dir=flags.switch("keep-git-dir"),
        unpack=flags.switch("unpack"),
        keep_git_dir_flag=flags.given.get("keep-git-dir"),
        unpack_flag=flags.given.get("unpack"),
    )


def _nonempty(flags: Flags, name: str) -> Word | None:
    """`--chown=` says as little as no flag."""
    word = flags.word(name)
    return word if word is not None and word.text else None


def _on(flags: Flags, name: str) -> Word | None:
    return flags.given[name] if flags.switch(name) else None


def _check_dest(node: Node) -> None:
    words = node.arguments.words
    if len(words) < 2:
        raise DockerfileError(
            f"{node.name} takes at least a source and a destination",
            at=words[0].at if words else node.line.at,
            hint=f"write {node.name} {words[0].text if words else 'SOURCE'} DESTINATION",
        )


def _sources(node: Node) -> tuple[tuple[Word, ...], tuple[Heredoc, ...], Word]:
    *words, dest = node.arguments.words
    if "<<" in dest.text and _opens(dest):
        raise DockerfileError(f"a heredoc cannot be the destination of {node.name}", at=dest.at)
    by_name = {heredoc.name: heredoc for heredoc in node.heredocs}
    sources: list[Word] = []
    documents: list[Heredoc] = []
    for word in words:
        opened = _opens(word) if "<<" in word.text else None
        if opened is None:
            sources.append(word)
            continue
        body = by_name.get(opened.name)
        if body is not None:
            opened.content, opened.first_line = body.content, body.first_line
        documents.append(opened)
    return tuple(sources), tuple(documents), dest


def _opens(word: Word) -> Heredoc | None:
    try:
        return parse_heredoc(word)
    except DockerfileError:
        return None  # not a heredoc after all: a file of that name
