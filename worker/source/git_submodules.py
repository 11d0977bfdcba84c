"""The submodules of a commit: where their files go, and where they are to be had. gitmodules(5)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...errors import SourceError
from ...values import frozen
from .git_errors import GitError
from .git_target import check_remote

if TYPE_CHECKING:
    from .git_mirror import GitMirror

__all__ = ["Submodule", "place_for", "read_submodules", "resolve_url"]

_LINK = "160000"  # the mode of a submodule among the entries of a tree


@frozen
class Submodule:
    """`path` is in the repository, text as os.fsdecode makes it."""

    name: str
    path: str
    remote: str
    commit: str


async def read_submodules(mirror: GitMirror, commit: str, remote: str) -> list[Submodule]:
    """Those that the commit has; remote: where it is from, which relative URLs are relative to.

    Raises SourceError for one that cannot be had.
    """
    links = _links(await mirror.git.run("ls-tree", "-r", "-z", "--full-tree", commit))
    if not links:
        return []
    try:
        text = await mirror.git.run("config", "--null", "--blob", f"{commit}:.gitmodules", "--list")
    except GitError:
        text = b""
    told = _sections(text)
    found = []
    for path, linked in links.items():
        name, settings = next(((key, value) for key, value in told.items() if value.get("path") == path), ("", {}))
        if settings.get("update") == "none":
            continue
        url = settings.get("url", "")
        if not url:
            raise SourceError(
                f"{mirror.git.shown}: .gitmodules has no URL for the submodule {path!r}",
                ref=mirror.git.shown,
                hint="leave submodules out with ?submodules=false in the URL",
            )
        where = f"the submodule {path!r} of {mirror.git.shown}"
        found.append(Submodule(name=name, path=path, remote=resolve_url(remote, url, where), commit=linked))
    return found


def _links(listing: bytes) -> dict[str, str]:
    """Commits by path, of `MODE TYPE OBJECT<tab>PATH` with NULs between."""
    found = {}
    for entry in listing.split(b"\0"):
        head, _, path = entry.partition(b"\t")
        if head.startswith(_LINK.encode()):
            found[os.fsdecode(path)] = head.split()[2].decode()
    return found


def _sections(text: bytes) -> dict[str, dict[str, str]]:
    """Settings by submodule, of `submodule.NAME.KEY<newline>VALUE` with NULs between."""
    found: dict[str, dict[str, str]] = {}
    for entry in text.split(b"\0"):
        key, _, value = entry.partition(b"\n")
        section, _, rest = os.fsdecode(key).partition(".")
        name, _, setting = rest.rpartition(".")
        if section == "submodule" and name:
            found.setdefault(name, {})[setting] = os.fsdecode(value).rstrip("/" if setting == "path" else "")
    return found


def resolve_url(remote: str, url: str, where: str) -> str:
    """A submodule's URL: absolute, or relative to its parent's. Raises SourceError for one that leads elsewhere.

    where: what to blame.
    """
    if not url.startswith(("./", "../")) and url not in (".", ".."):
        return _checked(url, where)
    scheme, mark, rest = remote.partition("://")
    if mark:
        host, slash, path = rest.partition("/")
    else:
        host, slash, path = remote.partition(":")
    parts = [part for part in path.rstrip("/").split("/") if part]
    for part in url.split("/"):
        if part == ".." and not parts:
            raise SourceError(f"{where} has the URL {url!r}, which leads above its server", ref=url)
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    path = "/".join(parts)
    return _checked(f"{scheme}://{host}/{path}" if mark else f"{host}{slash}{path}", where)


def _checked(url: str, where: str) -> str:
    try:
        return check_remote(url)
    except SourceError as error:
        hint = "leave submodules out with ?submodules=false in the URL"
        raise SourceError(f"{where}: {error.message}", ref=url, hint=hint) from None


def place_for(folder: str, submodule: Submodule, shown: str) -> str:
    """The empty folder that git left for a submodule. Raises SourceError when there is none."""
    path = folder
    for part in submodule.path.split("/"):
        path = f"{path}/{part}"
        try:
            is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
        except OSError:
            is_folder = False
        if not is_folder or part in ("", ".", ".."):
            raise SourceError(f"{shown}: there is no place for the submodule {submodule.path!r}", ref=shown)
    if os.listdir(path):
        raise SourceError(f"{shown}: the place of the submodule {submodule.path!r} is taken", ref=shown)
    return path
