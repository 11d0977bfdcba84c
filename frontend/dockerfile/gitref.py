"""Git sources as Dockerfiles name them: `https://host/repo.git#ref:dir`, `git@host:path`, `?branch=…&subdir=…`."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from .paths import join

__all__ = ["GitRef", "GitRefError", "parse_git_ref"]

_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):([^?#]*)(?:\?([^#]*))?(?:#(.*))?")
_SWITCHES = frozenset({"submodules", "keep-git-dir", "fetch-by-commit"})
_KEYS = _SWITCHES | {"ref", "tag", "branch", "subdir", "checksum", "commit", "mtime"}
_TRUTHS = {"": True, "1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


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
        if self.mtime and self.mtime != "checkout":
            attrs["git.mtime"] = self.mtime
        if self.fetch_by_commit:
            attrs["git.fetchbycommit"] = "true"
        return attrs


def parse_git_ref(text: str) -> GitRef | None:
    """None when the text is no git source. Raises GitRefError when it is one with a wrong query."""
    if text.startswith(("./", "../", "github.com/")):
        return None
    scheme = _SCHEME.match(text)
    if scheme is None:
        match = _SCP.fullmatch(text)
        if match is None:
            return None
        user, host, path, query, fragment = match.groups("")
        found = GitRef(f"{user}@{host}:{path}", scheme="ssh", host=host, path=path)
    else:
        if scheme[1].lower() not in ("http", "https", "ssh", "git"):
            return None
        try:
            parts = urlsplit(text)
        except ValueError:
            return None
        if parts.scheme in ("http", "https") and not unquote(parts.path).endswith(".git"):
            return None
        host, query, fragment = parts.netloc.rpartition("@")[2], parts.query, parts.fragment
        bare = urlunsplit(parts._replace(query="", fragment=""))
        found = GitRef(bare, scheme=parts.scheme, host=host, path=unquote(parts.path))
    if fragment:
        found.ref, _, subdir = unquote(fragment).partition(":")
        found.subdir = join("/", subdir).removeprefix("/")
    if query:
        _read_query(found, query)
    return found


def _read_query(found: GitRef, query: str) -> None:
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
    found.checksum = values.get("commit", values.get("checksum", ""))
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
    truth = _TRUTHS.get(value.lower())
    if truth is None:
        raise GitRefError(f"{key} is true or false, not {value!r}")
    return truth
