"""Build contexts from elsewhere: git repositories, URLs, stdin; and named contexts of these kinds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.gitserver import GitServer, ssh_server
from llbuild.tests.webserver import WebServer, serve_pages

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.gitserver import Repository

WHEN = 1_000_000_000
DOCKERFILE = "FROM busybox\nCOPY . /src\nRUN cat /src/a > /told\n"


@pytest.fixture(name="repo")
def _repo(repo: Repository) -> Repository:
    repo.commit(Dockerfile=DOCKERFILE, sub__Dockerfile="FROM busybox\nCOPY a /b\n", sub__a="in sub\n")
    return repo


@pytest.fixture(name="web")
def _web() -> Iterator[WebServer]:
    with serve_pages() as web:
        yield web


def a_tar(mtime: int = WHEN, **files: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_dot_", "."))
            member.size, member.mtime = len(text), mtime
            tar.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": _zstd,
}


def told(llbuild: Llbuild) -> str:
    return llbuild("run", "x", "cat", "/told").stdout


# git


def test_a_repository_is_built(llbuild: Llbuild, server: GitServer, repo: Repository) -> None:
    llbuild.build("-t", "x", repo.url)
    assert told(llbuild) == "first\n"
    requests = len(server.requests)
    assert llbuild.build("-t", "x", repo.url).ran() == []
    assert len(server.requests) == requests + 2  # the names, once
    repo.commit(a="second\n")
    llbuild.build("-t", "x", repo.url)
    assert told(llbuild) == "second\n"


def test_a_ref_and_a_folder_of_a_repository_are_built(llbuild: Llbuild, repo: Repository) -> None:
    repo.git("branch", "old")
    repo.commit(a="second\n", sub__a="changed\n")
    for url in (f"{repo.url}#old:sub", f"{repo.url}?branch=old&subdir=sub"):
        llbuild.build("-t", "x", url)
        assert llbuild("run", "x", "cat", "/b").stdout == "in sub\n"
    llbuild.build("-t", "x", f"{repo.url}#old")
    assert told(llbuild) == "first\n"


def test_a_pinned_repository_asks_nobody_the_second_time(llbuild: Llbuild, server: GitServer, repo: Repository) -> None:
    url = f"{repo.url}#{repo.head}"
    llbuild.build("-t", "x", url)
    server.requests.clear()
    assert not llbuild.modules_after("build", "-t", "x", url) & {"asyncio", "httpx"}
    assert not server.requests


def test_the_build_file_is_looked_for_in_the_context(llbuild: Llbuild, repo: Repository, tmp_path: Path) -> None:
    repo.commit(other__file="FROM busybox\nCOPY a /told\n")
    llbuild.build("-t", "x", "-f", "other/file", repo.url)
    assert told(llbuild) == "first\n"
    own = tmp_path / "own"
    own.write_text("FROM busybox\nCOPY sub/a /told\n")
    llbuild.build("-t", "x", "-f", own, repo.url)
    assert told(llbuild) == "in sub\n"
    outcome = llbuild("build", "-f", "nowhere", repo.url, exit_code=1)
    assert "error: there is no nowhere to build from" in outcome.stderr


def test_ignore_files_of_a_repository_do_not_count(llbuild: Llbuild, repo: Repository) -> None:
    repo.commit(_dot_dockerignore="a\n")
    llbuild.build("-t", "x", repo.url)
    assert told(llbuild) == "first\n"


def test_an_error_in_the_build_file_of_a_repository_is_shown_with_its_line(llbuild: Llbuild, repo: Repository) -> None:
    repo.commit(Dockerfile="FROM busybox\nRUM x\n")
    outcome = llbuild("build", repo.url, exit_code=1)
    assert "Dockerfile:2:1" in outcome.stderr
    assert "RUM x" in outcome.stderr


@pytest.mark.parametrize(
    ("fragment", "words"),
    [("#nothing", "has no branch or tag called 'nothing'"), ("#main:nothing", "has no folder 'nothing'")],
)
def test_what_a_repository_has_not_is_one_error(llbuild: Llbuild, repo: Repository, fragment: str, words: str) -> None:
    outcome = llbuild("build", repo.url + fragment, exit_code=1)
    assert f"{repo.url} {words}" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "bug" not in outcome.stderr


def test_links_in_a_repository_lead_to_no_file_of_this_machine(llbuild: Llbuild, repo: Repository) -> None:
    (repo.folder / "Dockerfile").unlink()
    (repo.folder / "Dockerfile").symlink_to("/etc/passwd")
    repo.commit()
    outcome = llbuild("build", repo.url, exit_code=1)
    assert "there is no Dockerfile to build from" in outcome.stderr
    (repo.folder / "Dockerfile").unlink()
    (repo.folder / "Dockerfile").symlink_to("/../../sub/Dockerfile")  # of the repository's root
    repo.commit()
    llbuild.build("-t", "x", repo.url)


def test_a_repository_can_be_asked_about(llbuild: Llbuild, repo: Repository) -> None:
    assert '"git://' in llbuild("compile", repo.url).stdout
    assert llbuild("check", repo.url).stdout == "no findings\n"
    assert "load git source" in llbuild("graph", "--format", "json", repo.url).stdout
    assert llbuild("build", "--call", "targets", repo.url).stdout


def test_another_language_in_a_repository_is_not_taken_for_a_dockerfile(llbuild: Llbuild, repo: Repository) -> None:
    repo.commit(Dockerfile="# syntax=recipe\nFROM busybox\n")
    outcome = llbuild("build", repo.url, exit_code=1)
    assert "Dockerfile asks for the frontend 'recipe'" in outcome.stderr


def test_history_knows_where_the_context_was(llbuild: Llbuild, repo: Repository) -> None:
    url = repo.url.replace("//", "//me:s3cret@")
    llbuild.build("-t", "x", url)
    shown = llbuild("builds", "show", "1").stdout + llbuild("builds").stdout
    assert "xxxxx:xxxxx@127.0.0.1" in shown
    assert "s3cret" not in shown


# URLs


@pytest.mark.parametrize("form", PACKED)
def test_an_archive_behind_a_url_is_built(llbuild: Llbuild, web: WebServer, form: str) -> None:
    data = PACKED[form](a_tar(Dockerfile=DOCKERFILE, a="text\n"))
    url = web.put("/context.tar", data, etag="1")
    llbuild.build("-t", "x", url)
    assert told(llbuild) == "text\n"
    assert llbuild.build("-t", "x", url).ran() == []
    assert web.statuses == [200, 304]


def test_a_build_file_behind_a_url_is_built(llbuild: Llbuild, web: WebServer) -> None:
    llbuild.build("-t", "x", web.put("/Dockerfile", b"FROM busybox\nRUN echo url > /told\n"))
    assert told(llbuild) == "url\n"


def test_a_folder_of_an_archive_can_be_the_context(llbuild: Llbuild, web: WebServer) -> None:
    url = web.put("/context.tar", a_tar(in__Dockerfile=DOCKERFILE, in__a="inner\n"))
    llbuild.build("-t", "x", "--opt", "contextsubdir=in", url)
    assert told(llbuild) == "inner\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8b\x08broken", "there is no Dockerfile to build from"),
        (a_tar(other="x"), "there is no Dockerfile to build from"),
        (a_tar(Dockerfile="FROM busybox\nCOPY a b\n"), "a"),
        (gzip.compress(a_tar(Dockerfile="x" * 5000))[:-20], "cannot unpack"),
        (b"\xff\xfe\x00binary", "context:1:1: unknown instruction"),
        (b"", "context"),
    ],
)
def test_what_is_no_context_is_one_error(llbuild: Llbuild, web: WebServer, data: bytes, words: str) -> None:
    outcome = llbuild("build", web.put("/context.tar", data), exit_code=1)
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "bug" not in outcome.stderr


def test_an_archive_writes_nothing_outside(llbuild: Llbuild, web: WebServer, tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        for name in ("out/evil", "../../evil", "/evil"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    llbuild("build", web.put("/context.tar", made.getvalue()), exit_code=1)
    assert not list(tmp_path.rglob("evil")) or all(llbuild.root in path.parents for path in tmp_path.rglob("evil"))


def test_the_time_of_a_context_is_taken_where_it_is_asked_for(
    llbuild: Llbuild, web: WebServer, repo: Repository
) -> None:
    text = "FROM busybox\nCOPY a /a\n"
    repo.commit(Dockerfile=text, at=WHEN + 1)
    dated = web.put("/dated.tar", a_tar(Dockerfile=text, a=""), modified="Mon, 02 Jan 2006 15:04:05 GMT")
    plain = web.put("/plain.tar", a_tar(Dockerfile=text, a="", mtime=WHEN + 2))
    for url, when in (
        (repo.url, "2001-09-09T01:46:41Z"),
        (dated, "2006-01-02T15:04:05Z"),
        (plain, "2001-09-09T01:46:42Z"),
    ):
        llbuild.build("-t", "x", "--build-arg", "SOURCE_DATE_EPOCH=context", url)
        assert llbuild.json("inspect", "x")["history"][-1]["created"] == when


# stdin


def given(llbuild: Llbuild, data: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    return llbuild.given(data, "build", "-t", "x", *words)


@pytest.mark.parametrize("form", PACKED)
def test_an_archive_on_stdin_is_built(llbuild: Llbuild, form: str) -> None:
    data = PACKED[form](a_tar(Dockerfile=DOCKERFILE, a="text\n", other="FROM busybox\nCOPY a /told\nENV X=y\n"))
    for words in ((), ("-f", "other")):
        done = given(llbuild, data, *words, "-")
        assert done.returncode == 0, done.stderr
        assert told(llbuild) == "text\n"
    again = given(llbuild, data, "--progress=rawjson", "-")
    assert b'"cached":true' in again.stderr.replace(b'": true', b'":true')
    assert "context:    -\n" in llbuild("builds", "show").stdout


def test_a_build_file_on_stdin_has_an_empty_context(llbuild: Llbuild) -> None:
    done = given(llbuild, b"FROM busybox\nRUN echo stdin > /told\nCOPY . /empty/\n", "-")
    assert done.returncode == 0, done.stderr
    assert told(llbuild) == "stdin\n"
    done = given(llbuild, b"FROM busybox\nCOPY a /\n", "-")
    assert done.returncode == 1
    assert b"a" in done.stderr


def test_a_build_file_on_stdin_goes_with_any_context(llbuild: Llbuild, repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a").write_text("here\n")
    text = b"FROM busybox\nCOPY a /told\n"
    for context, want in ((str(tmp_path / "folder"), "here\n"), (repo.url, "first\n")):
        done = given(llbuild, text, "-f", "-", context)
        assert done.returncode == 0, done.stderr
        assert told(llbuild) == want


@pytest.mark.parametrize(
    ("data", "words", "message"),
    [
        (b"", ("-",), b"stdin is empty"),
        (b"FROM x\n", ("-f", "other", "-"), b"another is named with --file"),
        (b"", ("-f", "-", "-"), b"cannot both come from stdin"),
    ],
)
def test_what_stdin_cannot_be_is_one_error(
    llbuild: Llbuild, data: bytes, words: tuple[str, ...], message: bytes
) -> None:
    done = given(llbuild, data, *words)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


# named contexts


def test_named_contexts_may_be_elsewhere(
    llbuild: Llbuild, context: Callable[..., Path], repo: Repository, web: WebServer
) -> None:
    folder = context("FROM busybox\nCOPY --from=repo a /a\nCOPY --from=page context /page\nCOPY --from=sub a /sub\n")
    arguments = [
        *("--build-context", f"repo={repo.url}"),
        *("--build-context", f"page={web.put('/x', b'page')}"),
        *("--build-context", f"sub={repo.url}#main:sub"),
    ]
    llbuild.build("-t", "x", *arguments, folder)
    assert llbuild("run", "x", "cat", "/a", "/page", "/sub").stdout == "first\npagein sub\n"
    assert llbuild.build("-t", "x", *arguments, folder).ran() == []


def test_a_named_context_of_no_known_kind_is_one_error(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild("build", "--build-context", "x=ftp://h/x", context("FROM busybox\n"), exit_code=1)
    assert "build context x=ftp://h/x is of no known kind" in outcome.stderr


def test_a_folder_that_is_called_like_a_url_is_a_folder(llbuild: Llbuild, tmp_path: Path) -> None:
    folder = tmp_path / "github.com/me/it"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM busybox\n")
    llbuild("build", "github.com/me/it", cwd=tmp_path)


# logging in


def test_secrets_of_the_command_line_log_in(
    llbuild: Llbuild, server: GitServer, repo: Repository, web: WebServer, context: Callable[..., Path], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    server.login = "basic eC1hY2Nlc3MtdG9rZW46czNjcmV0"
    url = web.put("/a", b"page", login="Bearer s3cret")
    repo.commit(Dockerfile=f"FROM busybox\nADD {url} /page\nCOPY a /told\n")
    lent = [
        *("--secret", f"id=GIT_AUTH_TOKEN,src={token}"),
        *("--secret", f"id=HTTP_AUTH_TOKEN_127.0.0.1,src={token}"),
    ]
    llbuild.build("-t", "x", *lent, repo.url)
    assert llbuild("run", "x", "cat", "/told", "/page").stdout == "first\npage"
    outcome = llbuild("build", repo.url, exit_code=1)
    assert "access denied" in outcome.stderr
    assert "hint: a private repository needs the secret GIT_AUTH_TOKEN" in outcome.stderr
    assert not [path for path in llbuild.root.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


@pytest.mark.needs_root
def test_a_context_behind_ssh_is_reached_with_the_agent_at_hand(
    llbuild: Llbuild, repo: Repository, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    with ssh_server(keys) as ssh:
        url = f"{ssh.url}{repo.folder}"
        llbuild.build("-t", "x", url, env={"SSH_AUTH_SOCK": ssh.agent})
        assert told(llbuild) == "first\n"
        repo.commit(Dockerfile=f"FROM busybox\nADD {url}#main:sub /src\n")
        llbuild.build("--ssh", f"default={ssh.agent}", repo.url)
        outcome = llbuild("build", repo.url, exit_code=1, env={"SSH_AUTH_SOCK": ssh.agent})
        assert "no agent 'default' was given for it" in outcome.stderr


# cleaning up


def test_what_was_cleaned_up_is_fetched_again(
    llbuild: Llbuild, server: GitServer, repo: Repository, web: WebServer
) -> None:
    url = web.put("/a", b"page", etag="1")
    repo.commit(Dockerfile=f"FROM busybox\nADD {url} /page\nCOPY a /told\n")
    llbuild.build("-t", "x", repo.url)
    llbuild("rmi", "x")
    llbuild("prune", "--force")
    llbuild.build("-t", "x", repo.url)
    assert llbuild("run", "x", "cat", "/told", "/page").stdout == "first\npage"
    assert web.statuses == [200, 200]
    llbuild("verify")
