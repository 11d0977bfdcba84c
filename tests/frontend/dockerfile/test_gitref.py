"""Git sources in ADD and in contexts."""

from __future__ import annotations

import pytest
from llbuild.frontend.dockerfile.gitref import GitRefError, parse_git_ref


@pytest.mark.parametrize(
    ("text", "identifier", "remote"),
    [
        ("https://h/a/b.git", "git://h/a/b.git", "https://h/a/b.git"),
        ("https://h/b.git#v1", "git://h/b.git#v1", "https://h/b.git"),
        ("https://h/b.git#v1:sub/dir", "git://h/b.git#v1:sub/dir", "https://h/b.git"),
        ("https://h/b.git#:/../sub", "git://h/b.git#:sub", "https://h/b.git"),
        ("https://me:pw@h:8443/b.git", "git://h:8443/b.git", "https://me:pw@h:8443/b.git"),
        ("git@h:a/b.git", "git://h/a/b.git", "git@h:a/b.git"),
        ("git@h:a/b#main", "git://h/a/b#main", "git@h:a/b"),
        ("git://h/b", "git://h/b", "git://h/b"),
        ("ssh://git@h/b", "git://h/b", "ssh://git@h/b"),
        ("https://h/b.git?tag=v1&subdir=x", "git://h/b.git#refs/tags/v1:x", "https://h/b.git"),
        ("https://h/b.git?branch=main", "git://h/b.git#refs/heads/main", "https://h/b.git"),
        ("HTTPS://h/b.git?ref=v1&%zz", "git://h/b.git#v1", "https://h/b.git"),  # what is no pair is passed over
        ("https://h/b.git?", "git://h/b.git", "https://h/b.git?"),
        ("https://h/é.git", "git://h/é.git", "https://h/%C3%A9.git"),
        ("https://h/a%20b.git", "git://h/a b.git", "https://h/a%20b.git"),
    ],
)
def test_a_git_source_is_recognised(text: str, identifier: str, remote: str) -> None:
    git = parse_git_ref(text)
    assert git is not None
    assert (git.identifier, git.remote) == (identifier, remote)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "./a.git",
        "https://h/a",
        "ftp://h/a.git",
        "github.com/a/b",
        "a@b",
        "https://[/b.git",
        "C:\\a.git",
        "ssh://h:2;2/b.git",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_git_ref(text) is None


def test_a_name_at_github_is_a_repository_only_as_a_context() -> None:
    git = parse_git_ref("github.com/a/b#v1:sub", as_context=True)
    assert git is not None
    assert (git.identifier, git.remote) == ("git://github.com/a/b#v1:sub", "https://github.com/a/b")
    with pytest.raises(GitRefError, match="unknown"):  # elsewhere it is a path, but not with such a query
        parse_git_ref("github.com/a/b?x=1")


def test_the_query_sets_attributes() -> None:
    git = parse_git_ref("https://h/b.git?keep-git-dir=1&submodules=false&commit=abc&fetch-by-commit&mtime=commit")
    assert git is not None
    assert git.attrs() == {
        "git.fullurl": "https://h/b.git",
        "git.authtokensecret": "GIT_AUTH_TOKEN",
        "git.authheadersecret": "GIT_AUTH_HEADER",
        "git.keepgitdir": "true",
        "git.checksum": "abc",
        "git.skipsubmodules": "true",
        "git.mtime": "commit",
        "git.fetchbycommit": "true",
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tag=a&branch=b", "the git URL names both a tag and a branch"),
        ("ref=a&ref=b", "ref is given twice in the git URL's query"),
        ("ref=", "ref has no value in the git URL's query"),
        ("nope=1", "'nope' is unknown in a git URL's query"),
        ("ref=a&tag=b", "the git URL names two refs, a and refs/tags/b"),
        ("mtime=x", "mtime is checkout or commit, not 'x'"),
        ("submodules=x", "submodules is true or false, not 'x'"),
    ],
)
def test_a_wrong_query_is_explained(query: str, message: str) -> None:
    with pytest.raises(GitRefError) as caught:
        parse_git_ref("https://h/b.git?" + query)
    assert str(caught.value) == message
