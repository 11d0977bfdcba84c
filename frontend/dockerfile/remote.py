"""ADD from elsewhere: git repositories and URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...llb import Metadata
from .drafts import SourceDraft
from .gitref import GitRefError, parse_git_ref
from .gourl import split_url

if TYPE_CHECKING:
    from .instructions import Add
    from .source import Word

__all__ = ["file_name", "git_draft", "http_draft", "is_git"]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


def is_git(text: str) -> bool:
    try:
        return parse_git_ref(text) is not None
    except GitRefError:
        return True


def git_draft(command: Add, word: Word, text: str, checksum: str, label: str) -> tuple[SourceDraft, str]:
    """The repository's source, and the checksum that now holds."""
    try:
        git = parse_git_ref(text)
    except GitRefError as error:
        raise DockerfileError(str(error), at=word.at) from None
    assert git is not None
    keep = command.keep_git_dir
    if keep is not None and git.keep_git_dir is not None and keep != git.keep_git_dir:
        raise DockerfileError("--keep-git-dir and the git URL's query disagree", at=word.at)
    if checksum and git.checksum and checksum != git.checksum:
        raise DockerfileError(f"--checksum is {checksum}, the git URL says {git.checksum}", at=word.at)
    git.keep_git_dir = keep if git.keep_git_dir is None else git.keep_git_dir
    git.checksum = git.checksum or checksum
    git.mtime = ""  # only a build context has it
    metadata = Metadata(name=label, spans=(word.at,))
    draft = SourceDraft(identifier=git.identifier, attrs=git.attrs, platform=None, metadata=metadata)
    return draft, git.checksum


def file_name(text: str) -> str:
    """The last part of a URL's path; what the file is called that is had from there."""
    url = split_url(text)
    name = "" if url is None else url.path.rstrip("/").rpartition("/")[2]
    return "__unnamed__" if name in ("", ".") else name


def http_draft(command: Add, word: Word, text: str, checksum: str, label: str) -> tuple[SourceDraft, str]:
    """The file's source, and the name it has there: the last part of the URL's path."""
    name = file_name(text)
    attrs = {"http.filename": name}
    if checksum:
        if not _DIGEST.fullmatch(checksum):
            at = command.checksum.at if command.checksum is not None else word.at
            raise DockerfileError(
                f"--checksum is algorithm:hex, e.g. sha256: and 64 hex digits; not {checksum!r}", at=at
            )
        attrs["http.checksum"] = checksum
    metadata = Metadata(name=label, spans=(word.at,), description=(("com.docker.dockerfile.v1.command", ""),))
    return SourceDraft(identifier=text, attrs=lambda: attrs, platform=None, metadata=metadata), name
