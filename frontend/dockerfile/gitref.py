"""Git sources as Dockerfiles name them: `https://host/repo.git#ref:dir`, `git@host:path`, `?branch=…&subdir=…`."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from .gourl import split_url
from .integer import read_bool
from .paths import join

__all__ = ["GitRef", "GitRefError", "parse_git_ref"]

_BAD = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCP = re.compile(r"([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):([^?#]*)(?:\?([^#]*))?(?:#(.*))?")
_SWITCHES = frozenset({"submodules", "keep-git-dir", "fetch-by-commit"})
_KEYS = _SWITCHES | {"ref", "tag", "branch", "subdir", "checksum", "commit", "mtime"}


class GitRefError(ValueError):
    """It is a git source, and a wrong one."""


class GitRef:
    """What to check out of where. `scheme` is http, https, git or ssh; `remote` the URL less fragment and query."""

    def __init__(self, remote: str, *, scheme: str, host: str, path: str) -> None:
        self.remote = remote
        self.scheme = scheme
        self.host = host
        self.path = path
        self.ref = ""
        self.subdir = ""
        self.checksum = ""
        self.keep_git_dir: bool | None = None
        self.submodules: bool | None = None
        self.mtime = ""
        self.fetch_by_commit = False

    @property
    def identifier(self) -> str:
        """`git://host/path#ref:dir`: the same for every protocol."""
        name = "git://" + self.host + join("/", self.path)
        if self.ref or self.subdir:
            name += "#" + self.ref
            if self.subdir:
                name += ":" + self.subdir
        return name

    def attrs(self) -> dict[str, str]:
        """The source's attributes, as BuildKit names them."""
        attrs = {
            "git.fullurl": self.remote,
            "git.authtokensecret": "GIT_AUTH_TOKEN",
            "git.authheadersecret": "GIT_AUTH_HEADER",
        }
        if self.scheme == "ssh":
            attrs["git.mountsshsock"] = "default"
        if self.keep_git_dir:
            attrs["git.keepgitdir"] = "true"
        if self.checksum:
            attrs["git.checksum"] = self.checksum
        if self.submodules is False:
            attrs["git.skipsubmodules"] = "true"
        if self.mtime:
            attrs["git.mtime"] = self.mtime
        if self.fetch_by_commit:
            attrs["git.fetchbycommit"] = "true"
        return attrs


def parse_git_ref(text: str, *, as_context: bool = False) -> GitRef | None:
    """None when the text is no git source. Raises GitRefError when it is one with a wrong query.

    as_context: `github.com/owner/name`, which elsewhere is a path, names a repository, too.
    """
    if text.startswith(("./", "../")):
        return None
    short = text.startswith("github.com/")
    if not short and "://" not in text:
        return _from_scp(text)
    url = split_url("https://" + text if short else text)
    if url is None or url.scheme not in ("http", "https", "ssh", "git"):
        return None
    if url.scheme in ("http", "https") and not url.path.endswith(".git") and not short:
        return None
    found = GitRef(url.bare, scheme=url.scheme, host=url.host, path=url.path)
    _read_fragment(found, url.fragment)
    # Go leaves out what it cannot read of a URL's query.
    _read_query(found, "&".join(pair for pair in url.query.split("&") if ";" not in pair and not _BAD.search(pair)))
    return None if short and not as_context else found


def _from_scp(text: str) -> GitRef | None:
    """`user@host:path`."""
    match = _SCP.fullmatch(text)
    if match is None:
        return None
    user, host, path, query, fragment = match.groups("")
    if _BAD.search(query) or ";" in query:
        return None
    found = GitRef(f"{user}@{host}:{path}", scheme="ssh", host=host, path=path)
    _read_fragment(found, fragment)
    _read_query(found, query)
    return found


def _read_fragment(found: GitRef, fragment: str) -> None:
    found.ref, _, subdir = fragment.partition(":")
    found.subdir = join("/", subdir).removeprefix("/") if subdir else ""


def _read_query(found: GitRef, query: str) -> None:
    if not query:
        return
    values = {}
    for key, (value, *more) in parse_qs(query, keep_blank_values=True, max_num_fields=100).items():
        if more:
            raise GitRefError(f"{key} is given twice in the git URL's query")
        if key not in _KEYS:
            raise GitRefError(f"{key!r} is unknown in a git URL's query")
        if not value and key not in _SWITCHES:
            raise GitRefError(f"{key} has no value in the git URL's query")
        values[key] = value
    _set_ref(found, values.get("ref", ""))
    if "tag" in values and "branch" in values:
        raise GitRefError("the git URL names both a tag and a branch")
    if "tag" in values:
        _set_ref(found, "refs/tags/" + values["tag"].removeprefix("refs/tags/"))
    if "branch" in values:
        _set_ref(found, "refs/heads/" + values["branch"].removeprefix("refs/heads/"))
    subdir = values.get("subdir", found.subdir)
    if found.subdir not in ("", subdir):
        raise GitRefError(f"the git URL names two folders, {found.subdir} and {subdir}")
    found.subdir = subdir
    found.checksum = values.get("checksum", values.get("commit", ""))
    found.mtime = values.get("mtime", "")
    if found.mtime not in ("", "checkout", "commit"):
        raise GitRefError(f"mtime is checkout or commit, not {found.mtime!r}")
    found.keep_git_dir = _truth(values, "keep-git-dir")
    found.submodules = _truth(values, "submodules")
    found.fetch_by_commit = bool(_truth(values, "fetch-by-commit"))


def _set_ref(found: GitRef, ref: str) -> None:
    if not ref:
        return
    if found.ref not in ("", ref):
        raise GitRefError(f"the git URL names two refs, {found.ref} and {ref}")
    found.ref = ref


def _truth(values: dict[str, str], key: str) -> bool | None:
    value = values.get(key)
    if value is None:
        return None
    truth = read_bool(value) if value else True
    if truth is None:
        raise GitRefError(f"{key} is true or false, not {value!r}")
    return truth
