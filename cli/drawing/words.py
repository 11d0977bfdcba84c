"""What a drawing says of a node: its label, and what there is to know beyond."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ..text import harmless, single_line

if TYPE_CHECKING:
    from .picture import Node

__all__ = ["label_of", "tooltip_of"]

_LONGEST = 4000  # characters of a command; a heredoc may be a whole file
_PIN = re.compile(r"@sha256:[0-9a-f]{64}")
_BLANKS = re.compile(r"\s+")


def label_of(node: Node) -> str:
    """Its instruction on one line, without what nobody reads: pins, docker.io's own name, indentation. Never empty."""
    text = _BLANKS.sub(" ", single_line(node.text[:_LONGEST]))
    if node.op == "source":
        text = _PIN.sub("", text).replace("docker-image://", "").replace("docker.io/library/", "")
    return text.strip() or node.op


def tooltip_of(node: Node) -> str:
    """Several lines: the whole name, the process, the place in the build file, how it ended, the digest."""
    lines = [_cut(node.name)]
    if node.command and node.command[-1] not in node.name:
        lines.append(f"process: {_cut(shlex.join(node.command))}")
    lines += [f"from {place.path}:{place.line}" for place in node.places[:1]]
    if node.state:
        lines.append(f"{node.state}: {node.ran.error}" if node.ran is not None and node.ran.error else node.state)
    if node.critical:
        lines.append("on the critical path")
    lines.append(node.digest)
    return harmless("\n".join(line for line in lines if line))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
