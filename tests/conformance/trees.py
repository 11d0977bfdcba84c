"""Our parser's nodes in the form of the corpus's syntax trees, and as the lines of the parser's own test results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llbuild.frontend.dockerfile.gofmt import go_quote, go_quoted_list
from llbuild.frontend.dockerfile.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llbuild.frontend.dockerfile.parser import Node

__all__ = ["dumped", "tree", "tree_difference"]

_COMPARED = ("instruction", "flags", "args", "attributes", "heredocs", "start_line", "end_line", "comments", "original")


def tree(data: bytes) -> list[dict[str, Any]]:
    """Raises DockerfileError where the file cannot be read."""
    return [_node(node) for node in parse(data, "Dockerfile").nodes]


def tree_difference(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    """The first difference; "" when there is none."""
    for wanted, node in zip(expected, found, strict=False):
        for key in _COMPARED:
            uncut = key == "args" and wanted[key] == [""]  # of an instruction that BuildKit does not know
            if wanted[key] != node[key] and not uncut:
                return f"line {wanted['start_line']}, {key}: expected {wanted[key]!r}, found {node[key]!r}"
    return "" if len(expected) == len(found) else f"expected {len(expected)} nodes, found {len(found)}"


def dumped(data: bytes) -> str:
    """One line for each instruction: `(from "debian")`."""
    return "".join(f"({_dump(node)})\n" for node in parse(data, "Dockerfile").nodes)


def _node(node: Node, *, inner: bool = False) -> dict[str, Any]:
    place = (0, 0) if inner else (node.line.first, node.line.last)
    return {
        "instruction": node.keyword.text,
        "flags": [flag.text for flag in node.flags],
        "args": [_node(node.trigger, inner=True)] if node.trigger else list(_arguments(node)),
        "attributes": ["json"] if node.arguments.json else [],
        "heredocs": [] if node.trigger or inner else list(_heredocs(node)),
        "start_line": place[0],
        "end_line": place[1],
        "comments": [] if inner else list(node.comments),
        "original": node.line.text[node.keyword.start :],
    }


def _arguments(node: Node) -> Iterator[str]:
    for pair in node.arguments.pairs:
        yield from (pair.key.text, pair.value.text, "" if pair.legacy else "=")
    for word in node.arguments.words:
        yield word.text


def _heredocs(node: Node) -> Iterator[dict[str, Any]]:
    for heredoc in node.heredocs:
        yield {
            "name": heredoc.name,
            "fd": heredoc.descriptor,
            "expand": heredoc.expand,
            "chomp": heredoc.chomp,
            "content": heredoc.content,
        }


def _dump(node: Node) -> str:
    parts = [node.keyword.text.lower()]
    if node.flags:
        parts.append(go_quoted_list(flag.text for flag in node.flags))
    if node.trigger is not None:
        parts.append(f"({_dump(node.trigger)})")
    else:
        parts += map(go_quote, _arguments(node))
    return " ".join(parts)
