"""The `syntax` line: a build file that names its own frontend.

Found in the directives at the top, `# syntax=NAME` or `// syntax=NAME`, or in a file that is one JSON object, under its
key "syntax", so that other languages than Dockerfiles can have one. A plain word is an installed plugin; BuildKit's own
Dockerfile images mean the Dockerfile frontend that is built in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import DockerfileError, UsageError
from ..regexes import lazy_regex
from ..span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_HEAD", "SYNTAX_ARGUMENT", "asks_for_labs", "frontend_named", "frontend_of_syntax"]

DEFAULT = "dockerfile"
SYNTAX_ARGUMENT = "BUILDKIT_SYNTAX"  # a build argument that wins over the file's line
MAX_HEAD = 1 << 20  # bytes of a file that are looked at
_KEYS = ("syntax", "escape", "check")
_BLANKS = "\t\n\f\r "
_DOCKERFILE_IMAGE = lazy_regex(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")


def frontend_named(data: bytes, path: str) -> str:
    """The plugin's name that a build file's syntax line stands for; "dockerfile" without one.

    Raises DockerfileError when it names an image: those cannot be run as frontends yet.
    """
    text = data[:MAX_HEAD].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    lines = text.split("\n", 64)  # three directives are all there can be
    first = int(lines[0].startswith("#!"))
    found = _directive(lines, first, "#", path) or _directive(lines, first, "//", path) or _of_json(text, path)
    return frontend_of_syntax(found[0], at=found[1]) if found else DEFAULT


def _directive(lines: Sequence[str], first: int, mark: str, path: str) -> tuple[str, Span] | None:
    """The syntax that the directives behind `mark` give, and where it stands. Any other line ends them."""
    seen: set[str] = set()
    for number, line in enumerate(lines[first:], first + 1):
        key, equals, value = line.removesuffix("\r").removeprefix(mark).partition("=")
        key = key.strip().lower()
        if not line.startswith(mark) or not equals or not value or key not in _KEYS or key in seen:
            return None
        seen.add(key)
        if key == "syntax":
            name = value.strip(_BLANKS).partition(" ")[0]
            column = line.index(name, line.index("=")) + 1
            return (name, Span(path, number, column, number, column + len(name))) if name else None
    return None


def _of_json(text: str, path: str) -> tuple[str, Span] | None:
    if not text.lstrip(_BLANKS).startswith("{"):
        return None
    try:
        name = json.loads(text).get("syntax")
    except (ValueError, RecursionError):
        return None
    return (name, Span(path, 1)) if isinstance(name, str) and name else None


def frontend_of_syntax(name: str, *, at: Span | None = None) -> str:
    """The plugin's name that a syntax stands for; `at` is where it was given in a build file.

    Raises DockerfileError or, without a place, UsageError when it is an image.
    """
    if name in {"dockerfile", "dockerfile.v0"} or _DOCKERFILE_IMAGE.fullmatch(name):
        return DEFAULT
    if "/" in name or ":" in name:
        message = f"the frontend image {name!r} cannot be run: images as frontends are not supported yet"
        hint = "install the language as a plugin and name it here, or build with --frontend dockerfile"
        raise UsageError(message, hint=hint) if at is None else DockerfileError(message, at=at, hint=hint)
    return name


def asks_for_labs(syntax: str) -> bool:
    """Whether a syntax is of BuildKit's channel with experimental features: `docker/dockerfile:1-labs`."""
    tag = syntax.partition("@")[0].rpartition(":")[2]
    return tag == "labs" or tag.endswith("-labs")
