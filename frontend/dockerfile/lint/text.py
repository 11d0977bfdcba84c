"""Checks of the text alone: casing, names, comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....span import Span
from .. import instructions as ins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..parser import Document, Node
    from .linter import Linter

__all__ = ["check_continuations", "check_description", "check_keywords", "check_stages"]

_RESERVED = ("context", "scratch")


def check_continuations(lint: Linter, document: Document) -> None:
    """NoEmptyContinuation, at the last line of the continued instruction, heredoc bodies aside."""
    for node in document.nodes:
        if node.blank_in_continuation:
            line = node.heredocs[0].first_line - 1 if node.heredocs else node.line.last
            lint.report("NoEmptyContinuation", Span(node.line.path, line, 1, line))


def check_keywords(lint: Linter, node: Node) -> None:
    """What a FROM or a MAINTAINER shows before it is read: it may yet turn out to be wrong."""
    if node.name == "MAINTAINER":
        lint.note("MaintainerDeprecated", node, focus=node.keyword.at)
    elif node.name == "FROM":
        words = node.arguments.words
        if len(words) == 3 and words[2].text != words[2].text.lower():
            lint.note("StageNameCasing", node, words[2].text, focus=words[2].at)
        if len(words) >= 3:
            keyword, word = node.keyword.text, words[1].text
            lower, upper = keyword == keyword.lower(), keyword == keyword.upper()
            wanted = word.lower() if lower else word.upper()
            if (lower or upper) and word != wanted:
                lint.note("FromAsCasing", node, keyword, word, focus=words[1].at)


def check_description(lint: Linter, instruction: ins.Command | ins.From) -> None:
    """InvalidDefinitionDescription: the last comment above a named FROM or an ARG."""
    if isinstance(instruction, ins.From):
        names = [instruction.stage_name] if instruction.stage_name else []
    elif isinstance(instruction, ins.Arg):
        names = [arg.key.text for arg in instruction.args]
    else:
        return
    node = instruction.node
    if names and node.comments[-1].partition(" ")[0] not in names:
        lint.note("InvalidDefinitionDescription", node, node.name, names[0] if len(names) == 1 else "NAME")


def check_stages(lint: Linter, stages: Sequence[ins.Stage]) -> None:
    """Stage names, then the casing of all instructions from the first FROM on."""
    taken: set[str] = set()
    for stage in stages:
        name = stage.name
        if not name:
            continue
        focus = stage.start.node.arguments.words[2].at
        if name in _RESERVED:
            lint.report("ReservedStageName", stage.start.at, name, focus=focus)
        if name in taken:
            lint.report("DuplicateStageName", stage.start.at, name, focus=focus)
        taken.add(name)
    _check_casing(lint, [item.node for stage in stages for item in (stage.start, *stage.commands)])


def _check_casing(lint: Linter, nodes: Sequence[Node]) -> None:
    lower = upper = 0
    for node in nodes:
        word = node.keyword.text
        if word.isupper():
            upper += 1
        elif word.islower():
            lower += 1
    if upper == len(nodes):
        return
    wanted, is_wanted = ("lower", str.islower) if lower > upper else ("upper", str.isupper)
    for node in nodes:
        if not is_wanted(node.keyword.text):
            lint.report("ConsistentInstructionCasing", node.line.at, node.keyword.text, wanted, focus=node.keyword.at)
