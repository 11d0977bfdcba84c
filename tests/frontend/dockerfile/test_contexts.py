"""The main context from elsewhere."""

from __future__ import annotations

import io
import tarfile

import pytest
from llbuild.errors import UsageError
from llbuild.frontend import MoreNeeded
from llbuild.tests.frontend.dockerfile.kit import MemoryLookup, compile_one, file_ops, names, sources

GIT = "git://h/b.git"
FILE = "FROM scratch\nCOPY a b\n"


def _tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    return made.getvalue()[:1024]


TAR = _tar()


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


def test_an_archive_behind_a_url_is_unpacked() -> None:
    lookup = MemoryLookup({("dockerfile", "context"): TAR})
    result = compile_one(FILE, {"context": "https://h/x", "contextsubdir": "sub"}, lookup, everything=True)
    assert sources(result.definition)["https://h/x"] == {"http.filename": "context"}
    copied = [step.action for op in file_ops(result.definition) for step in op.steps]
    assert [(getattr(action, "src", ""), getattr(action, "attempt_unpack", "")) for action in copied] == [
        *(("/context", True), ("/sub", False), ("/a", False))
    ]


def test_anything_else_behind_a_url_is_a_dockerfile_and_the_whole_context() -> None:
    lookup = MemoryLookup({("dockerfile", "context"): b"FROM scratch\nCOPY other b\n"})
    result = compile_one(FILE, {"context": "https://h/x"}, lookup, everything=True)
    assert [getattr(step.action, "src", "") for op in file_ops(result.definition) for step in op.steps] == ["/other"]


def test_the_dockerfile_of_a_remote_context_can_be_the_clients_own() -> None:
    lookup = MemoryLookup({("mine", "Dockerfile"): b"FROM scratch\nCOPY mine b\n"})
    options = {"context": "https://h/b.git", "dockerfilekey": "mine"}
    result = compile_one(FILE, options, lookup, everything=True)
    assert [getattr(step.action, "src", "") for op in file_ops(result.definition) for step in op.steps] == ["/mine"]


def test_everything_is_asked_for_once() -> None:
    lookup = MemoryLookup({("dockerfile", "context"): TAR}, slow=True)
    for _ in range(2):
        with pytest.raises(MoreNeeded):
            compile_one(FILE, {"context": "https://h/x"}, lookup, everything=True)
    compile_one(FILE, {"context": "https://h/x"}, lookup, everything=True)
    assert sorted(set(lookup.asked)) == ["dockerfile:Dockerfile", "dockerfile:context"]


def test_a_password_of_a_context_is_not_in_the_names_of_steps() -> None:
    options = {"context": "https://me:s3cret@h/b.git", "context:x": "https://me:s3cret@h/y"}
    result = compile_one(FILE + "COPY --from=x c d\n", options, everything=True)
    assert not [name for name in names(result.definition) if "s3cret" in name]
