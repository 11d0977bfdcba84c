"""Where filesystems come from: images, named contexts, and the build context itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError, SourceError, UsageError
from ...image import parse_reference
from ...llb import Metadata, redacted
from ...platforms import normalize_platform
from ...values import frozen
from .drafts import SourceDraft
from .gofmt import go_json
from .ignorefile import parse_ignore_file
from .paths import join
from .platformargs import full_platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...image import ImageConfig, Reference
    from ...platforms import Platform
    from ...span import Span
    from .build import Build
    from .options import Options

__all__ = [
    "RESERVED_NAMES",
    "Loaded",
    "NamedContext",
    "find_context",
    "followed",
    "image_attrs",
    "load_context",
    "local_attrs",
    "main_context",
    "read_reference",
    "remote_context",
]


RESERVED_NAMES = frozenset({"scratch", "context"})  # no context replaces these


@frozen(kw_only=False)
class NamedContext:
    """`--build-context NAME=SOURCE`; `key` is NAME, or NAME::PLATFORM where one was given for the platform."""

    key: str
    source: str


@frozen(kw_only=False)
class Loaded:
    """A context's filesystem; `config` where it is an image."""

    draft: SourceDraft | None
    config: ImageConfig | None = None


def read_reference(text: str, at: Span, what: str = "") -> Reference:
    """An image reference. Raises DockerfileError."""
    try:
        return parse_reference(text)
    except SourceError as error:
        raise DockerfileError(what + error.message, at=at, hint=error.hint) from None


def find_context(options: Options, name: str, platform: Platform, at: Span) -> NamedContext | None:
    """The context of that name, if one was given. `scratch` and `context` cannot be replaced."""
    if not options.contexts or name.lower() in RESERVED_NAMES:
        return None
    plain = read_reference(name, at).familiar().removesuffix(":latest")
    for key in (f"{plain}::{full_platform(normalize_platform(platform))}", plain):
        source = options.contexts.get(key)
        if source is not None:
            return NamedContext(key, source)
    return None


def load_context(build: Build, context: NamedContext, platform: Platform, paths: set[str], at: Span) -> Loaded | None:
    """None: not known yet, asked for. `paths` may still grow: which of its files are wanted."""
    scheme, colon, rest = context.source.partition(":")
    if not colon:
        raise _wrong(context, at)
    match scheme:
        case "docker-image":
            return _image(build, context, rest.removeprefix("//"), platform, at)
        case "oci-layout":
            return _oci_layout(build, context, platform, at)
        case "local":
            return _local(build, context, rest, paths)
        case "git" | "http" | "https":
            return Loaded(_remote(context, at))
    if scheme.startswith("git@"):
        return Loaded(_remote(context, at))
    raise _wrong(context, at)


def _wrong(context: NamedContext, at: Span) -> DockerfileError:
    return DockerfileError(
        f"build context {context.key}: {context.source!r} is no source of files",
        at=at,
        hint="give a folder, docker-image://REF, oci-layout://PATH, or a URL",
    )


def _image(build: Build, context: NamedContext, ref: str, platform: Platform, at: Span) -> Loaded | None:
    if ref == "scratch":
        return Loaded(None)
    reference = read_reference(ref, at, f"build context {context.key}: ")
    found = build.image(str(reference), platform, at)
    if found is None:
        return None
    metadata = Metadata(name=f"[context {context.key}] {reference}", spans=(at,))
    draft = SourceDraft(identifier=f"docker-image://{reference}", attrs=dict, platform=platform, metadata=metadata)
    return Loaded(draft, found.config)


def _oci_layout(build: Build, context: NamedContext, platform: Platform, at: Span) -> Loaded | None:
    """A folder or archive of this machine by its path, or a store of the client by a name."""
    place = context.source.removeprefix("oci-layout:").removeprefix("//")
    local = place.startswith("/")
    if not local and not read_reference(place, at, f"build context {context.key}: ").digest:
        raise DockerfileError(f"build context {context.key}: {place!r} names no digest", at=at)
    found = build.image(context.source, platform, at)
    if found is None:
        return None
    store = place.partition("@")[0]
    attrs: dict[str, str] = {}
    identifier = f"oci-layout://{store}@{found.digest}"
    if not local:
        folder, colon, tag = store.rpartition(":")
        attrs["oci.store"] = folder if colon and "/" not in tag else store
        if build.options.session_id:
            attrs["oci.session"] = build.options.session_id
        identifier = f"oci-layout://{read_reference(context.key.partition('::')[0], at).name}@{found.digest}"
    metadata = Metadata(name=f"[context {context.key}] OCI load from client", spans=(at,))
    draft = SourceDraft(identifier=identifier, attrs=lambda: attrs, platform=platform, metadata=metadata)
    return Loaded(draft, found.config)


def _local(build: Build, context: NamedContext, name: str, paths: set[str]) -> Loaded | None:
    ignore = build.file(name, ".dockerignore")
    if ignore is None:
        return None
    excludes = parse_ignore_file(ignore)
    hint = f"context:{context.key}-{build.options.shared_keys.get(context.key, '')}"
    draft = SourceDraft(
        identifier=f"local://{name}",
        attrs=lambda: local_attrs(build.options, name, hint, excludes, paths),
        platform=None,
        metadata=Metadata(name=f"[context {context.key}] load from client"),
    )
    return Loaded(draft)


def _remote(context: NamedContext, at: Span) -> SourceDraft:
    from .gitref import GitRefError

    try:
        draft = remote_context(context.source, f"[context {context.key}] {redacted(context.source)}")
    except GitRefError as error:
        raise DockerfileError(f"build context {context.key}: {error}", at=at) from None
    if draft is None:
        raise _wrong(context, at)
    return draft


def main_context(options: Options) -> SourceDraft:
    """The remote build context that option `context` names. Raises UsageError."""
    from .gitref import GitRefError

    url = options.context
    try:
        draft = remote_context(url, "[internal] load remote build context", main=options)
    except GitRefError as error:
        raise UsageError(f"option context: {error}") from None
    if draft is None:
        raise UsageError(f"option context: {url!r} is neither a git repository nor a URL")
    return draft


def remote_context(url: str, name: str, *, main: Options | None = None) -> SourceDraft | None:
    """A git repository or a file behind a URL; None when the text is neither. Raises GitRefError.

    main: the options of the build whose main context this is; some are about it.
    """
    from .gitref import parse_git_ref  # not cheap, and few builds need it

    git = parse_git_ref(url, as_context=True)
    if git is not None:
        if main is not None:
            git.keep_git_dir = main.keep_git_dir or git.keep_git_dir
            git.mtime = git.mtime or ("commit" if main.build_args.get("SOURCE_DATE_EPOCH") else "")
        name = f"[internal] load git source {redacted(url)}"
        return SourceDraft(identifier=git.identifier, attrs=git.attrs, platform=None, metadata=Metadata(name=name))
    if not url.startswith(("http://", "https://")):
        return None
    attrs = {"http.filename": "context"}
    return SourceDraft(identifier=url, attrs=lambda: attrs, platform=None, metadata=Metadata(name=name))


def local_attrs(
    options: Options, name: str, hint: str, excludes: Iterable[str], paths: Iterable[str]
) -> dict[str, str]:
    """A client folder's attributes; the keys are BuildKit's."""
    attrs = {"local.sharedkeyhint": hint}
    excludes = tuple(excludes)
    follow = followed(paths)
    if follow:
        attrs["local.followpaths"] = go_json(follow)
    if excludes:
        attrs["local.excludepatterns"] = go_json(excludes)
    session = options.sessions.get(name, options.session_id)
    if session:
        attrs["local.session"] = session
    return attrs


def followed(paths: Iterable[str]) -> list[str]:
    """The paths to ask for, sorted; none means everything."""
    wanted = set(paths)
    if "/" in wanted:
        return []
    return sorted((join(".", path) for path in wanted), key=lambda path: path.encode("utf-8", "surrogateescape"))


def image_attrs(resolve_mode: str) -> dict[str, str]:
    """The attributes of a base image's source."""
    return {"image.resolvemode": resolve_mode} if resolve_mode not in ("", "default") else {}
