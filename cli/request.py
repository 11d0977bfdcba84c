"""From command line options to what a frontend is asked: its request, and the folders it may look into."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import FrontendError, SourceError
from ..frontend import MAX_HEAD, SYNTAX_ARGUMENT, Request, frontend_named, frontend_of_syntax, load_frontend
from ..platforms import host_platform
from ..values import frozen
from .context import check_folder, find_place, is_remote
from .options import platforms_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..frontend import CompilingFrontend
    from ..worker import HandedFile
    from .compile_options import CompileOptions

_ARCHIVES = ("oci-layout", "oci-archive", "docker-archive")  # which of them it is shows when it is read

__all__ = ["BuildInput", "build_input", "check_syntax"]


@frozen
class BuildInput:
    """What is compiled, by which frontend, and the client's folders by name."""

    frontend: CompilingFrontend
    request: Request
    folders: Mapping[str, str]
    stdin: bytes | None  # the build file, when it comes from there
    mode: str  # BuildKit's image.resolvemode
    context: str = ""  # for people: an absolute path, a URL, "-" for stdin
    files: Mapping[str, HandedFile] = {}  # what the client holds, by URL
    remote: bool = False  # the build file is in a context from elsewhere


def build_input(options: CompileOptions, sources: dict[str, str]) -> BuildInput:
    """Check the paths and put the request together. `sources` gets the text of the build file, for error reports.

    Raises SourceError for a context that is not there, FrontendError for an unknown frontend, UsageError for a platform
    that is none.
    """
    platforms = platforms_of(options.platforms)
    place = find_place(options.context, options.file)
    folders, wanted = dict(place.folders), dict(place.options)
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
    wanted.update(options.step_options)
    wanted.update(options.frontend_options)
    filename = wanted.get("filename", "")
    remote = bool(wanted.get(wanted.get("contextkey") or "context")) and "dockerfilekey" not in wanted
    head = b""
    if not remote:
        head = _head(folders["dockerfile"], filename) if place.stdin is None else place.stdin
        sources[filename or "Dockerfile"] = head.decode("utf-8", "replace")
    host = host_platform()
    named = options.frontend or _of_argument(options) or frontend_named(head, filename or "Dockerfile")
    return BuildInput(
        frontend=_frontend(named),
        request=Request(options=wanted, platform=next(iter(platforms), host), build_platform=host),
        folders=folders,
        stdin=place.stdin,
        mode="pull" if options.pull else "default",
        context=place.shown,
        files=place.files,
        remote=remote and not (options.frontend or _of_argument(options)),
    )


def check_syntax(given: BuildInput, read: Mapping[str, bytes]) -> None:
    """Raises FrontendError when a build file from elsewhere is of another language than it was read as.

    read: the build files, which nobody could look into before. The first is the one that counts.
    """
    for path, data in read.items():
        named = frontend_named(data, path)
        if named != given.frontend.name:
            raise FrontendError(f"{path} asks for the frontend {named!r}", hint=f"pick it with --frontend {named}")
        return


def _of_argument(options: CompileOptions) -> str:
    """The frontend that a build argument picks; "" without it."""
    syntax = dict(options.build_args).get(SYNTAX_ARGUMENT, "")
    return frontend_of_syntax(syntax) if syntax else ""


def _head(folder: str, name: str) -> bytes:
    """The beginning of the build file; nothing when it cannot be read, which the frontend will say better."""
    for candidate in (name,) if name else ("Dockerfile", "dockerfile"):
        try:
            with open(f"{folder}/{candidate}", "rb") as file:
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


def _named_context(name: str, source: str, folders: dict[str, str]) -> str:
    """The option's value: folders are handed over under the context's own name."""
    scheme, mark, place = source.partition("://")
    if mark and scheme in _ARCHIVES:
        return "oci-layout://" + os.path.abspath(place)
    if source.startswith("docker-image://"):
        return source
    if is_remote(source):
        return source
    if "://" in source and not os.path.isdir(source):
        raise SourceError(
            f"build context {name}={source} is of no known kind",
            ref=source,
            hint="expected a folder, docker-image://REF, oci-layout://PATH, docker-archive://FILE, a URL or a git"
            " repository",
        )
    check_folder(source, f"build context {name}={source}")
    folders[name] = source
    return f"local:{name}"
