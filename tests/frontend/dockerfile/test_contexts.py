"""The main context from elsewhere."""

from __future__ import annotations

import pytest
from llbuild.errors import UsageError
from llbuild.tests.frontend.dockerfile.kit import compile_one, file_ops, sources

GIT = "git://h/b.git"
FILE = "FROM scratch\nCOPY a b\n"


def attrs(options: dict[str, str]) -> dict[str, str]:
    return sources(compile_one(FILE, options, everything=True).definition)[GIT]


def test_a_build_argument_keeps_the_git_folder_of_the_context() -> None:
    options = {"context": "https://h/b.git?keep-git-dir=false"}
    assert "git.keepgitdir" not in attrs(options)
    assert attrs({**options, "build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1"})["git.keepgitdir"] == "true"


def test_with_a_source_date_files_of_a_git_context_are_as_old_as_their_commit() -> None:
    options = {"build-arg:SOURCE_DATE_EPOCH": "1"}
    assert attrs({**options, "context": "https://h/b.git"})["git.mtime"] == "commit"
    assert attrs({**options, "context": "https://h/b.git?mtime=checkout"})["git.mtime"] == "checkout"


def test_a_folder_of_a_remote_context_is_copied_out_of_it() -> None:
    result = compile_one(FILE, {"context": "github.com/a/b", "contextsubdir": "sub"}, everything=True)
    assert list(sources(result.definition)) == ["git://github.com/a/b"]
    copied = [step.action for op in file_ops(result.definition) for step in op.steps]
    assert [getattr(action, "src", "") for action in copied] == ["/sub", "/a"]


@pytest.mark.parametrize("url", ["https://h/b.git?ref=a&ref=b", "nowhere"])
def test_a_wrong_context_is_explained(url: str) -> None:
    with pytest.raises(UsageError, match="option context: "):
        compile_one(FILE, {"context": url}, everything=True)
