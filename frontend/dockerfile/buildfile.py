"""Where the Dockerfile is: in a folder of the client, or in a build context from elsewhere."""

from __future__ import annotations

from posixpath import basename, dirname
from typing import TYPE_CHECKING

from ...errors import SourceError
from ...llb import FileCopy, Metadata, marshal
from ...values import frozen
from ..contract import MoreNeeded, NoSuchFile
from ..packed import HEAD_BYTES, is_packed
from .drafts import FileDraft, finish
from .paths import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..contract import Lookup
    from .drafts import Draft
    from .options import Options

__all__ = ["BuildFile", "find_dockerfile"]

_DOWNLOADED = "context"  # what a context behind a URL is called


@frozen(kw_only=False)
class BuildFile:
    """`data` None: not known yet. `context`: the remote build context; None: the client's folder."""

    path: str
    data: bytes | None
    context: Draft | None = None


def find_dockerfile(options: Options, lookup: Lookup) -> BuildFile:
    """The Dockerfile. `dockerfile` serves where `Dockerfile` is missing.

    Raises SourceError when there is none, MoreNeeded while it is not known what the context is.
    """
    path, context = options.filename, None
    if options.context:
        from .contexts import main_context

        context, is_file = _unpacked(main_context(options), lookup)
        path = _DOWNLOADED if is_file else path
        if options.context_subdir is not None:
            context = _folder_of(context, options.context_subdir)
    if context is None or options.dockerfile_is_local:
        found, data = _first(path, lambda name: lookup.file(options.dockerfile_local, name))
    else:
        definition = marshal(finish(context))
        found, data = _first(path, lambda name: lookup.result_file(definition, name))
    return BuildFile(found, data, context)


def _first(path: str, read: Callable[[str], bytes | None]) -> tuple[str, bytes | None]:
    try:
        return path, read(path)
    except NoSuchFile:
        pass
    if basename(path) == "Dockerfile":
        lower = join(dirname(path), "dockerfile")
        try:
            return lower, read(lower)
        except NoSuchFile:
            pass
    raise SourceError(f"there is no {path} to build from", ref=path, hint="name the Dockerfile with -f")


def _unpacked(source: Draft, lookup: Lookup) -> tuple[Draft, bool]:
    """The context, and whether it is a Dockerfile and nothing else. An archive behind a URL stands for its files."""
    if not getattr(source, "identifier", "").startswith(("http://", "https://")):
        return source, False
    try:
        head = lookup.result_file(marshal(finish(source)), _DOWNLOADED, limit=HEAD_BYTES)
    except NoSuchFile:
        head = b""
    if head is None:
        raise MoreNeeded
    if not is_packed(head):
        return source, True
    unpack = FileCopy(src="/" + _DOWNLOADED, dest="/", attempt_unpack=True)
    return FileDraft(base=None, steps=[(unpack, source)], metadata=Metadata()), False


def _folder_of(context: Draft, folder: str) -> Draft:
    copy = FileCopy(src=join("/", folder), dest="/", dir_copy_contents=True)
    return FileDraft(base=None, steps=[(copy, context)], metadata=Metadata())
