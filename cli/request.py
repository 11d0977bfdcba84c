"""From command line options to what a frontend is asked: its request, and the folders it may look into."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..frontend import MAX_HEAD, SYNTAX_ARGUMENT, Request, frontend_named, frontend_of_syntax, load_frontend
from ..platforms import host_platform
from ..values import frozen
from .compile_options import STDIN
from .options import platforms_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..frontend import CompilingFrontend
    from .compile_options import CompileOptions

__all__ = ["BuildInput", "build_input", "check_folder"]

_REMOTE = ("http://", "https://", "git://", "git@", "github.com/", "ssh://")


@frozen
class BuildInput:
    """What is compiled, by which frontend, and the client's folders by name."""

    frontend: CompilingFrontend
    request: Request
    folders: Mapping[str, Path]
    stdin: bytes | None  # the build file, when it comes from there
    mode: str  # BuildKit's image.resolvemode


def build_input(options: CompileOptions, sources: dict[str, str]) -> BuildInput:
    """Check the paths and put the request together. `sources` gets the text of the build file, for error reports.

    Raises SourceError for a context that is not there, FrontendError for an unknown frontend, UsageError for a platform
    that is none.
    """
    platforms = platforms_of(options.platforms)
    context = _context_folder(options.context)
    folders = {"context": context}
    filename, folders["dockerfile"] = _build_file(options.file, context)
    wanted = {"filename": filename} if filename else {}
    if options.target:
        wanted["target"] = options.target
    wanted.update((f"build-arg:{name}", value) for name, value in options.build_args)
    wanted.update((f"label:{name}", value) for name, value in options.labels)
    if platforms:
        wanted["platform"] = ",".join(platform.with_version for platform in platforms)
    if options.no_cache:
        wanted["no-cache"] = ""
    elif options.no_cache_filter or options.no_cache_filter:
        wanted["no-cache"] = ",".join(options.no_cache_filter)
    if options.pull:
        wanted["image-resolve-mode"] = "pull"
    for name, source in options.build_contexts:
        wanted[f"context:{name}"] = _named_context(name, source, folders)
    wanted.update(options.frontend_options)
    stdin = sys.stdin.buffer.read() if options.file == STDIN else None
    head = _head(folders["dockerfile"], filename) if stdin is None else stdin
    sources[filename or "Dockerfile"] = head.decode("utf-8", "replace")
    host = host_platform()
    named = options.frontend or _of_argument(options) or frontend_named(head, filename or "Dockerfile")
    return BuildInput(
        frontend=_frontend(named),
        request=Request(options=wanted, platform=next(iter(platforms), host), build_platform=host),
        folders=folders,
        stdin=stdin,
        mode="pull" if options.pull else "default",
    )


def _of_argument(options: CompileOptions) -> str:
    """The frontend that a build argument picks; "" without it."""
    syntax = dict(options.build_args).get(SYNTAX_ARGUMENT, "")
    return frontend_of_syntax(syntax) if syntax else ""


def _head(folder: Path, name: str) -> bytes:
    """The beginning of the build file; nothing when it cannot be read, which the frontend will say better."""
    for candidate in (name,) if name else ("Dockerfile", "dockerfile"):
        try:
            with open(folder / candidate, "rb") as file:  # noqa: PTH123  pathlib's own open is slower
                return file.read(MAX_HEAD)
        except OSError:
            continue
    return b""


def _frontend(name: str) -> CompilingFrontend:
    if name != "dockerfile":
        return load_frontend(name)
    # What the entry point `dockerfile` names; scanning the installed packages for it costs 15 ms a build.
    from ..frontend.dockerfile import FRONTEND

    return FRONTEND


def _context_folder(text: str) -> Path:
    if text == STDIN:
        raise SourceError("a context from stdin is not supported yet", ref=text, hint="unpack it into a folder")
    if text.startswith(_REMOTE):
        raise SourceError(f"remote contexts are not supported yet: {text}", ref=text, hint="clone or unpack it first")
    path = Path(text)
    check_folder(path, f"build context {text!r}")
    return path


def check_folder(path: Path, what: str) -> None:
    """Raises SourceError where it is none, or cannot be read; `what` names it."""
    try:
        with os.scandir(path):
            pass
    except FileNotFoundError:
        raise SourceError(f"{what} does not exist", ref=str(path)) from None
    except NotADirectoryError:
        raise SourceError(f"{what} is not a folder", ref=str(path), hint="name the build file with -f") from None
    except OSError as error:
        raise SourceError(f"{what} cannot be read: {error.strerror}", ref=str(path)) from None


def _build_file(text: str, context: Path) -> tuple[str, Path]:
    """The build file's name and its folder; "" where the frontend's default is meant."""
    if not text or text == STDIN:
        return "", context
    folder, name = os.path.split(text)
    if not name:
        raise SourceError(f"build file {text!r} is a folder; expected a file", ref=text)
    path = Path(folder or ".")
    if not path.is_dir():
        raise SourceError(f"build file {text!r} does not exist: there is no folder {folder}", ref=text)
    return name, path


def _named_context(name: str, source: str, folders: dict[str, Path]) -> str:
    """The option's value: folders are handed over under the context's own name."""
    if source.startswith("oci-layout://"):
        return "oci-layout://" + os.path.abspath(source.removeprefix("oci-layout://"))
    if source.startswith("docker-image://"):
        return source
    if source.startswith(_REMOTE) or "://" in source:
        raise SourceError(
            f"build context {name}={source}: only folders, docker-image:// and oci-layout:// yet", ref=source
        )
    path = Path(source)
    check_folder(path, f"build context {name}={source}")
    folders[name] = path
    return f"local:{name}"
