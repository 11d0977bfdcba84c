"""The `syntax` line: a build file that names its own frontend.

Found in the comment lines at the top, `# syntax=NAME` or `// syntax=NAME`, as in BuildKit. A plain word is an
installed plugin; BuildKit's own Dockerfile images mean the Dockerfile frontend that is built in.
"""

from __future__ import annotations

import re

from ..errors import DockerfileError, UsageError
from ..span import Span

__all__ = ["SYNTAX_ARGUMENT", "asks_for_labs", "frontend_named", "frontend_of_syntax"]

DEFAULT = "dockerfile"
SYNTAX_ARGUMENT = "BUILDKIT_SYNTAX"  # a build argument that wins over the file's line
_LINE = re.compile(rb"\s*(?:#|//)\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(\S+)")
_HEAD_BYTES = 1 << 16
_DOCKERFILE_IMAGE = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")


def frontend_named(data: bytes, path: str) -> str:
    """The plugin's name that a build file's syntax line stands for; "dockerfile" without one.

    Raises DockerfileError when it names an image: those cannot be run as frontends yet.
    """
    for number, line in enumerate(data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if number == 1 and line.startswith(b"#!"):
            continue
        found = _LINE.match(line)
        if found is None:
            break
        if found[1].lower() == b"syntax":
            at = Span(path, number, found.start(2) + 1, number, found.end(2) + 1)
            return frontend_of_syntax(found[2].decode("utf-8", "replace"), at=at)
    return DEFAULT


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
