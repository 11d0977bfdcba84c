"""`git://` sources: which repository, what of it, and what that stands for. BuildKit's identifiers and attributes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import SourceError
from ...llb import redacted
from ...values import frozen
from .pins import SourceName

if TYPE_CHECKING:
    from ...llb import SourceOp
    from .pins import Pin

__all__ = ["GitTarget", "check_remote", "host_of", "is_commit", "parse_git"]

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TRANSPORT = re.compile(r"(?:https?|git|ssh)://[^/\s-][^\s]*", re.IGNORECASE)
_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*@([A-Za-z0-9][A-Za-z0-9.-]*):[^\s]+")
# git-check-ref-format(1), as far as it keeps a name from being read as something else
_BAD_REF = re.compile(r"^-|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock$|/$|^/")


@frozen
class GitTarget:
    """What to check out of where. Names of secrets are "" where none is to be used."""

    remote: str
    ref: str = ""  # a branch, a tag, a full name or a commit; "" is the remote's default branch
    subdir: str = ""  # without slashes at its ends
    checksum: str = ""  # how the commit must begin, in hex
    keep_git_dir: bool = False
    submodules: bool = True
    commit_times: bool = False  # files are as old as the commit, instead of as old as the checkout
    by_commit: bool = False  # fetch the commit of `checksum`, whatever `ref` is by now
    token_secret: str = ""
    header_secret: str = ""
    known_hosts: str = ""  # the contents of such a file
    agent: str = ""  # id of the ssh agent
    parent: str = ""  # of a submodule: the remote that the secrets are for

    @property
    def shown(self) -> str:
        """The repository for people."""
        return redacted(self.remote)

    @property
    def commit(self) -> str:
        """The commit, where the target itself says which one; else ""."""
        if is_commit(self.ref):
            return self.ref
        return self.checksum if self.by_commit else ""

    @property
    def source_name(self) -> SourceName:
        """What may be another commit tomorrow."""
        return SourceName("git", self.shown, self.ref)

    def object_of(self, pin: Pin) -> str:
        """What counts of it: a tag stays in a .git that is kept."""
        return (self.keeps_git_dir and pin.tag) or pin.digest

    @property
    def pinned(self) -> str | None:
        """What it stands for, where that takes no asking."""
        if not self.commit:
            return None
        return self.resolved(self.commit, self.full_ref)

    @property
    def full_ref(self) -> str:
        """As a pinned one is called: a name without a namespace is a branch."""
        if self.ref and not is_commit(self.ref) and not self.ref.startswith("refs/"):
            return "refs/heads/" + self.ref
        return self.ref or self.commit

    def resolved(self, commit: str, ref: str) -> str:
        """What the source stands for: the commit decides, whatever repository or name it was found under.

        ref: its full name, or the commit again. It counts only where it stays in the files.
        """
        words = [f"git@{commit}"]
        if self.keeps_git_dir:
            words.append(f"with .git of {self.shown}#{ref}")
        if self.subdir:
            words.append(f"folder {self.subdir!r}")
        if not self.submodules:
            words.append("without submodules")
        if self.commit_times:
            words.append("as old as the commit")
        return " ".join(words)

    @property
    def keeps_git_dir(self) -> bool:
        """A folder of a repository has no .git, as in BuildKit."""
        return self.keep_git_dir and not self.subdir


def is_commit(text: str) -> bool:
    """Whether it is a commit's whole name, SHA-1 or SHA-256."""
    return _COMMIT.fullmatch(text) is not None


def check_remote(remote: str, ref: str = "") -> str:
    """The URL again, if git may be sent there. Raises SourceError; `ref` is what to blame."""
    if _TRANSPORT.fullmatch(remote) or _SCP.fullmatch(remote):
        return remote
    shown = redacted(remote)
    raise SourceError(
        f"{shown!r} is no git repository that may be fetched",
        ref=ref or shown,
        hint="expected https://…, http://…, git://…, ssh://… or user@host:path",
    )


def host_of(remote: str) -> str:
    """The host, with its port where the URL has one."""
    scp = _SCP.fullmatch(remote)
    if scp is not None:
        return scp[1]
    return remote.partition("://")[2].partition("/")[0].rpartition("@")[2]


def parse_git(op: SourceOp) -> GitTarget:
    """Raises SourceError for what is malformed."""
    place, _, fragment = op.ref.partition("#")
    remote = op.attr("git.fullurl") or place
    if "://" not in remote and not _SCP.fullmatch(remote):
        remote = "https://" + remote
    ref, _, subdir = fragment.partition(":")
    target = GitTarget(
        remote=check_remote(remote, op.identifier),
        ref=ref,
        subdir="/".join(part for part in subdir.split("/") if part not in ("", ".")),
        checksum=(op.attr("git.checksum") or "").lower(),
        keep_git_dir=op.attr("git.keepgitdir") == "true",
        submodules=op.attr("git.skipsubmodules") != "true",
        commit_times=op.attr("git.mtime") == "commit",
        by_commit=op.attr("git.fetchbycommit") == "true",
        token_secret=op.attr("git.authtokensecret") or "",
        header_secret=op.attr("git.authheadersecret") or "",
        known_hosts=op.attr("git.knownsshhosts") or "",
        agent=op.attr("git.mountsshsock") or "",
    )
    _check(op, target)
    return target


def _check(op: SourceOp, target: GitTarget) -> None:
    if _BAD_REF.search(target.ref):
        raise _wrong(target, f"{target.ref!r} names no branch, tag or commit")
    if ".." in target.subdir.split("/") or "\0" in target.subdir:
        raise _wrong(target, f"{target.subdir!r} leads out of the repository")
    if target.checksum.strip("0123456789abcdef"):
        raise _wrong(target, f"the checksum {target.checksum!r} is no beginning of a commit in hex")
    if target.by_commit and not is_commit(target.ref) and not is_commit(target.checksum):
        raise _wrong(target, "to fetch by commit, the checksum must be a whole commit")
    if is_commit(target.ref) and not target.ref.startswith(target.checksum):
        raise _wrong(target, f"its checksum is {target.checksum}, its commit {target.ref}")
    mtime = op.attr("git.mtime") or "checkout"
    if mtime not in ("checkout", "commit"):
        raise _wrong(target, f"git.mtime is checkout or commit, not {mtime!r}")


def _wrong(target: GitTarget, why: str) -> SourceError:
    return SourceError(f"{target.shown}: {why}", ref=target.shown)
