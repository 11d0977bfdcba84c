"""What git says when it fails, told in one line with what to do about it."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...errors import SourceError

__all__ = ["GitError", "failure_of"]

_CONTROL = re.compile(r"[^\x20-\x7e\x80-\uffff]")
_ACCESS = re.compile(r"^unable to access '[^']*': ")  # which repository it is is said anyway
_USER = re.compile(r"://[^/\s'@]*@")
_LOG_IN = "a private repository needs the secret GIT_AUTH_TOKEN or GIT_AUTH_HEADER"
_PERHAPS_PRIVATE = f"check the URL; {_LOG_IN}"
_NETWORK = "check the URL, the network and its proxies"
_DISK = "free some space, or keep the state elsewhere with --root DIR"


class _Failure(NamedTuple):
    """pattern: in what git prints (LC_ALL=C). words: what is said instead of git's own line."""

    pattern: str
    words: str = ""
    hint: str = ""
    passing: bool = False


_KNOWN = (
    _Failure(r"could not read (Username|Password)|Authentication failed|error: 40[13]\b", "access denied", _LOG_IN),
    _Failure(r"Host key verification failed|IDENTIFICATION HAS CHANGED", "the host's ssh key is not the known one"),
    _Failure(r"Permission denied \(", "access denied by ssh", "add a key to the ssh agent: ssh-add"),
    _Failure(r"cannot run ssh|ssh: not found", "there is no ssh here", "install the package openssh-client"),
    _Failure(
        r"[Rr]epository .*not found|does not appear to be a git repository|not exported|[Nn]ot valid: is this a git",
        "there is no such repository",
        _PERHAPS_PRIVATE,
    ),
    _Failure(r"couldn't find remote ref|not our ref|unadvertised object"),
    _Failure(r"No space left on device|Disk quota exceeded", hint=_DISK),
    _Failure(
        r"Could not resolve|unable to look up|Connection refused|No route to host|Failed to connect", hint=_NETWORK
    ),
    _Failure(r"error: (408|429|50[0234])\b|timed out|Operation too slow|[Cc]onnection reset", passing=True),
    _Failure(r"early EOF|unexpected disconnect|hung up unexpectedly|RPC failed|transfer closed", passing=True),
    _Failure(r"invalid index-pack output|bad pack header", passing=True),
)


class GitError(SourceError):
    """git failed; `said` is all that it printed."""

    def __init__(self, message: str, *, ref: str, hint: str, transient: bool, said: str) -> None:
        super().__init__(message, ref=ref, hint=hint, transient=transient)
        self.said = said

    def matches(self, pattern: str) -> bool:
        return re.search(pattern, self.said) is not None


def failure_of(shown: str, said: str, exit_code: int) -> GitError:
    """shown: the repository. said: git's standard error."""
    known = next((known for known in _KNOWN if re.search(known.pattern, said)), _Failure(""))
    words = known.words or _telling_line(said, exit_code, known.pattern)
    return GitError(f"{shown}: {words}", ref=shown, hint=known.hint, transient=known.passing, said=said)


def _telling_line(said: str, exit_code: int, pattern: str) -> str:
    """The line that matches, else the first that says `fatal:` or `error:`, else the last one."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", said) if line.strip()]
    for wanted in filter(None, (pattern, r"^fatal:", r"^error:")):
        for line in lines:
            if re.search(wanted, line):
                return _clean(line)
    return _clean(lines[-1]) if lines else f"git exited with code {exit_code}"


def _clean(line: str) -> str:
    """A server's words are not to move anybody's cursor."""
    for prefix in ("fatal: ", "error: ", "remote: "):
        line = line.removeprefix(prefix)
    line = _USER.sub("://xxxxx@", _ACCESS.sub("", line))
    return "git: " + _CONTROL.sub("?", line)[:300]
