from __future__ import annotations

import os
import stat
import subprocess
import time
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from llbuild.database import open_database
from llbuild.errors import SourceError
from llbuild.llb import SourceOp
from llbuild.tests.gitserver import GitServer, git_daemon, ssh_server
from llbuild.tests.worker.source.clients import client_with
from llbuild.worker import SCHEMA, USES_SCHEMA, LayerRecords, UseRecords
from llbuild.worker.client import NoClient
from llbuild.worker.snapshot import LayerStore
from llbuild.worker.source import Pins, pinned_key
from llbuild.worker.source.git_command import GitCommand
from llbuild.worker.source.git_source import GitSource
from llbuild.worker.source.newlayer import LayerMaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llbuild.tests.gitserver import Repository
    from llbuild.worker import Client

pytestmark = pytest.mark.anyio

WHEN = 1_000_000_000
BOTH = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])


@pytest.fixture
def anyio_backend() -> str:
    """One will do for what is git's doing; what is ours has BOTH."""
    return "asyncio"


@pytest.fixture(name="repo")
def _repo(server: GitServer) -> Repository:
    return server.make("repo")


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "state"
    root.mkdir()
    return root


@asynccontextmanager
async def a_build(root: Path, client: Client | None = None) -> AsyncIterator[GitSource]:
    """The source as one build has it; the next one shares the state folder."""
    with closing(open_database(root / "state.db", [SCHEMA, USES_SCHEMA])) as database:
        maker = LayerMaker(LayerStore(root, userxattr=os.geteuid() != 0), LayerRecords(database), UseRecords(database))
        yield GitSource(str(root), maker, client or NoClient(), Pins())


def a_git(remote: str, fragment: str = "", **attrs: str) -> SourceOp:
    """As the Dockerfile frontend writes it: the place is the same for every protocol, the URL is an attribute."""
    named = {f"git.{key}": value for key, value in attrs.items()}
    place = remote.partition("://")[2]
    identifier = f"git://{place}#{fragment}" if fragment else f"git://{place}"
    return SourceOp(identifier=identifier, attrs=tuple(sorted({"git.fullurl": remote, **named}.items())))


def silent(what: str, current: int, total: int) -> None: ...


async def fetched(root: Path, op: SourceOp, client: Client | None = None) -> Path:
    """Check it out in a build of its own; the layer's folder."""
    async with a_build(root, client) as source:
        return root / "snapshots" / await source.fetch(op, silent) / "fs"


async def resolved(root: Path, op: SourceOp) -> str:
    async with a_build(root) as source:
        return await source.resolve(op, silent)


def files(folder: Path) -> dict[str, str]:
    """Path and text of every file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_text()
    return found


@BOTH
async def test_the_default_branch_is_checked_out(repo: Repository, root: Path) -> None:
    repo.commit(sub__b="second\n")
    assert files(await fetched(root, a_git(repo.url))) == {"a": "first\n", "sub/b": "second\n"}


async def test_only_one_commit_is_fetched_and_only_once(server: GitServer, repo: Repository, root: Path) -> None:
    repo.commit(b="second\n")
    op = a_git(repo.url)
    await fetched(root, op)
    await fetched(root, op)
    (mirror,) = (root / "git").iterdir()
    assert git_in(mirror, "rev-list", "--all", "--count") == "1"
    assert (mirror / "shallow").read_text().split() == [repo.head]


async def test_head_is_the_default_branch(repo: Repository, root: Path) -> None:
    assert await resolved(root, a_git(repo.url, "HEAD")) == f"git@{repo.head}"


@pytest.mark.parametrize("ref", ["side", "heads/side", "refs/heads/side", "v1", "v2", "refs/tags/v2", "pull/7/head"])
async def test_branches_tags_and_other_refs_are_found(repo: Repository, root: Path, ref: str) -> None:
    wanted = repo.commit(b="wanted\n")
    repo.git("branch", "side")
    repo.git("tag", "v1")
    repo.git("tag", "-a", "-m", "annotated", "v2")
    repo.git("update-ref", "refs/pull/7/head", wanted)
    repo.commit(b="later\n")
    op = a_git(repo.url, ref)
    assert await resolved(root, op) == f"git@{wanted}"
    assert files(await fetched(root, op))["b"] == "wanted\n"


async def test_a_branch_comes_before_a_tag_of_its_name(repo: Repository, root: Path) -> None:
    repo.git("tag", "both")
    wanted = repo.commit(b="branch\n")
    repo.git("branch", "both")
    assert await resolved(root, a_git(repo.url, "both")) == f"git@{wanted}"


async def test_a_commit_is_known_without_asking(server: GitServer, repo: Repository, root: Path) -> None:
    wanted = repo.head
    repo.commit(b="later\n")
    op = a_git(repo.url, wanted)
    assert pinned_key(op, {}) == f"git@{wanted}" == await resolved(root, op)
    assert not server.requests
    assert files(await fetched(root, op)) == {"a": "first\n"}


async def test_a_commit_that_no_name_has_is_got_from_a_willing_server(repo: Repository, root: Path) -> None:
    lost = repo.commit(b="lost\n")
    repo.git("reset", "--quiet", "--hard", "HEAD~")
    assert files(await fetched(root, a_git(repo.url, lost)))["b"] == "lost\n"


async def test_a_server_that_gives_only_names_is_asked_for_all_of_them(
    server: GitServer, repo: Repository, root: Path
) -> None:
    old = repo.head
    repo.commit(b="later\n")
    server.old = True
    await fetched(root, a_git(repo.url))  # and the mirror is shallow already
    assert files(await fetched(root, a_git(repo.url, old))) == {"a": "first\n"}


async def test_a_branch_that_moved_is_seen_by_the_next_build(repo: Repository, root: Path) -> None:
    op = a_git(repo.url, "main")
    await fetched(root, op)
    repo.commit(a="second\n")
    repo.git("commit", "--quiet", "--amend", "-m", "rewritten")
    assert files(await fetched(root, op)) == {"a": "second\n"}


async def test_one_build_sees_one_commit(server: GitServer, repo: Repository, root: Path) -> None:
    async with a_build(root) as source:
        before = await source.resolve(a_git(repo.url, "main"), silent)
        repo.commit(a="second\n")
        assert await source.resolve(a_git(repo.url, "main", mtime="commit"), silent) == before + " as old as the commit"
        layer = await source.fetch(a_git(repo.url, "main"), silent)
    assert files(root / "snapshots" / layer / "fs") == {"a": "first\n"}


@BOTH
async def test_many_at_once_share_a_mirror(server: GitServer, repo: Repository, root: Path) -> None:
    repo.commit(one__x="1", two__x="2")
    async with a_build(root) as first, a_build(root) as second, anyio.create_task_group() as group:
        for source in (first, second):
            for folder in ("one", "two", ""):
                group.start_soon(source.fetch, a_git(repo.url, f"main:{folder}"), silent)
    assert server.packs == 2 + 2  # each build asks for the names once; one fetches the objects, in two questions


async def test_modes_are_those_of_a_checkout(repo: Repository, root: Path) -> None:
    (repo.folder / "run").write_text("#!")
    (repo.folder / "run").chmod(0o777)
    repo.commit(sub__b="x")
    os.umask(0o077)
    try:
        folder = await fetched(root, a_git(repo.url))
    finally:
        os.umask(0o022)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {"a": 0o644, "run": 0o755, "sub": 0o755, "b": 0o644}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


async def test_files_are_as_old_as_their_commit_when_asked_for(repo: Repository, root: Path) -> None:
    (repo.folder / "link").symlink_to("nowhere")
    repo.commit(sub__b="x", at=WHEN + 5)
    folder = await fetched(root, a_git(repo.url, mtime="commit"))
    assert {path.lstat().st_mtime for path in (folder, *folder.rglob("*"))} == {WHEN + 5}
    async with a_build(root) as source:
        assert await source.time(a_git(repo.url), silent) == WHEN + 5


@pytest.mark.parametrize("folder", ["sub", "sub/", "/sub/."])
async def test_a_folder_of_a_repository_is_its_root(repo: Repository, root: Path, folder: str) -> None:
    repo.commit(sub__b="x", sub__inner__c="y")
    op = a_git(repo.url, f"main:{folder}", keepgitdir="true")
    assert files(await fetched(root, op)) == {"b": "x", "inner/c": "y"}
    assert await resolved(root, op) == f"git@{repo.head} folder 'sub'"


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("nothing", "has no folder 'nothing'"),
        ("a", "leads through 'a', which is no folder"),
        ("link", "leads through 'link', which is no folder"),
        ("../..", "leads out of the repository"),
    ],
)
async def test_a_folder_that_is_none_is_an_error(repo: Repository, root: Path, folder: str, words: str) -> None:
    (repo.folder / "link").symlink_to("/etc")
    repo.commit()
    with pytest.raises(SourceError, match=words):
        await fetched(root, a_git(repo.url, f"main:{folder}"))
    assert not list((root / "snapshots").iterdir()) if (root / "snapshots").exists() else True


async def test_a_repository_that_keeps_its_git_folder_works(repo: Repository, root: Path) -> None:
    repo.commit(b="x")
    folder = await fetched(root, a_git(repo.url, "main", keepgitdir="true"))
    told = {
        words: git_in(folder, *words.split())
        for words in ("rev-parse HEAD main", "status --porcelain", "log --oneline")
    }
    assert told["rev-parse HEAD main"] == f"{repo.head}\n{repo.head}"
    assert told["status --porcelain"] == ""
    assert len(told["log --oneline"].splitlines()) == 1
    assert git_in(folder, "remote", "get-url", "origin") == repo.url


async def test_a_kept_git_folder_has_the_tag_it_was_asked_for(repo: Repository, root: Path) -> None:
    repo.git("tag", "-a", "-m", "annotated", "v1")
    tag = repo.git("rev-parse", "v1")
    op = a_git(repo.url, "v1", keepgitdir="true")
    assert await resolved(root, op) == f"git@{tag} with .git of {repo.url}#refs/tags/v1"
    assert git_in(await fetched(root, op), "describe") == "v1"


async def test_nothing_of_this_machine_is_in_a_kept_git_folder(repo: Repository, root: Path) -> None:
    folder = await fetched(root, a_git(repo.url, repo.head, keepgitdir="true"))
    told = b"".join(path.read_bytes() for path in (folder / ".git").rglob("*") if path.is_file())
    assert str(root).encode() not in told
    assert not (folder / ".git/hooks").exists()


async def test_submodules_come_along_all_the_way_down(server: GitServer, root: Path) -> None:
    lowest, middle, top = (server.make(name) for name in ("lowest", "group/middle", "top"))
    middle.git("submodule", "--quiet", "add", lowest.url, "low")
    middle.commit()
    top.git("remote", "add", "origin", top.url)
    top.git("submodule", "--quiet", "add", "../../group/middle/.git", "in/mid")  # relative to …/top/.git
    top.commit()
    lowest.commit(a="later\n")
    found = files(await fetched(root, a_git(top.url)))
    assert {path: text for path, text in found.items() if path.endswith("a")} == {
        "a": "first\n",
        "in/mid/a": "first\n",
        "in/mid/low/a": "first\n",
    }
    assert not [path for path in found if ".git/" in path or path.endswith(".git")]
    without = await fetched(root, a_git(top.url, skipsubmodules="true"))
    assert set(files(without)) == {".gitmodules", "a"}


async def test_submodules_of_a_kept_git_folder_are_repositories_too(server: GitServer, root: Path) -> None:
    inner, outer = server.make("inner"), server.make("outer")
    outer.git("submodule", "--quiet", "add", inner.url, "in")
    outer.commit()
    folder = await fetched(root, a_git(outer.url, keepgitdir="true"))
    assert git_in(folder, "submodule", "status").split()[:2] == [inner.head, "in"]
    assert git_in(folder, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "url", ["file:///etc", "/etc", "ext::sh -c touch% /tmp/pwned", "-u./evil", "ssh://-oProxyCommand=x/y", "../../.."]
)
async def test_a_submodule_of_an_odd_place_is_refused(
    server: GitServer, repo: Repository, root: Path, url: str
) -> None:
    modules = f'[submodule "x"]\n\tpath = x\n\turl = "{url}"\n'
    repo.commit_tree(("100644", "blob", modules, b".gitmodules"), ("160000", "commit", "1" * 40, b"x"))
    with pytest.raises(SourceError, match="the submodule 'x' of ") as caught:
        await fetched(root, a_git(repo.url, "odd"))
    assert "submodules=false" in caught.value.hint or "above its server" in caught.value.message
    assert files(await fetched(root, a_git(repo.url, "odd", skipsubmodules="true")))


async def test_a_submodule_without_a_url_is_an_error_and_one_that_says_none_is_not(
    repo: Repository, root: Path
) -> None:
    link = ("160000", "commit", "1" * 40, b"x")
    repo.commit_tree(link)
    with pytest.raises(SourceError, match="no URL for the submodule 'x'"):
        await fetched(root, a_git(repo.url, "odd"))
    modules = '[submodule "x"]\n\tpath = x\n\turl = ../y\n\tupdate = none\n'
    repo.commit_tree(("100644", "blob", modules, b".gitmodules"), link)
    assert set(files(await fetched(root, a_git(repo.url, "odd")))) == {".gitmodules"}


async def test_links_of_a_repository_lead_nowhere_while_it_is_checked_out(
    repo: Repository, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    repo.commit_tree(("120000", "blob", str(outside), b"link"), ("100644", "blob", "x", b"file"))
    folder = await fetched(root, a_git(repo.url, "odd"))
    assert files(folder) == {"file": "x", "link": f"-> {outside}"}
    inner = repo.git("mktree", data=f"100644 blob {repo.git('rev-parse', 'main:a')}\tevil".encode())
    repo.commit_tree(("120000", "blob", str(outside), b"link"), ("040000", "tree", inner, b"link"))
    with pytest.raises(SourceError):
        folder = await fetched(root, a_git(repo.url, "odd"))
        assert not (folder / "link").is_symlink()
        raise SourceError("git took the folder", ref="")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("name", [b".git", b".GIT", b"git~1", b"..", b"."])
async def test_names_that_git_forbids_are_refused(repo: Repository, root: Path, name: bytes) -> None:
    inner = repo.git("mktree", data=f"100644 blob {repo.git('rev-parse', 'main:a')}\tconfig".encode())
    repo.commit_tree(("040000", "tree", inner, name))
    with pytest.raises(SourceError, match=r"^http://127\.0\.0\.1:\d+/repo/\.git: git: ") as caught:
        await fetched(root, a_git(repo.url, "odd"))
    assert "\n" not in caught.value.message


async def test_names_that_are_no_text_are_kept(repo: Repository, root: Path) -> None:
    repo.commit_tree(("100644", "blob", "x", b"caf\xe9"), ("100644", "blob", "y", b"new\nline"))
    folder = await fetched(root, a_git(repo.url, "odd", mtime="commit"))
    assert sorted(os.listdir(os.fsencode(folder))) == [b"caf\xe9", b"new\nline"]


async def test_attributes_run_no_filters(repo: Repository, root: Path, tmp_path: Path) -> None:
    repo.commit(_dot_gitattributes="a filter=evil\nb eol=crlf\n", b="x\n")
    folder = await fetched(root, a_git(repo.url))
    assert (folder / "a").read_bytes() == b"first\n"
    assert (folder / "b").read_bytes() == b"x\r\n"


async def test_an_empty_commit_is_an_empty_folder(repo: Repository, root: Path) -> None:
    repo.commit_tree()
    assert files(await fetched(root, a_git(repo.url, "odd"))) == {}


async def test_repositories_of_longer_digests_work(server: GitServer, root: Path) -> None:
    repo = server.make("long", "--object-format=sha256")
    assert len(repo.head) == 64
    for kept in ("true", "false"):
        assert (await fetched(root, a_git(repo.url, keepgitdir=kept)) / "a").read_text() == "first\n"


async def test_the_checksum_is_how_the_commit_begins(repo: Repository, root: Path) -> None:
    repo.git("tag", "-a", "-m", "annotated", "v1")
    for begins in (repo.head[:7], repo.git("rev-parse", "v1")[:9]):
        await fetched(root, a_git(repo.url, "v1", checksum=begins))
    with pytest.raises(SourceError, match=f"is the commit {repo.head}, which does not begin with the checksum abc"):
        await fetched(root, a_git(repo.url, "main", checksum="abc"))
    with pytest.raises(SourceError, match="no beginning of a commit in hex"):
        await fetched(root, a_git(repo.url, "main", checksum="xyz"))
    with pytest.raises(SourceError, match="its checksum is abc"):
        await fetched(root, a_git(repo.url, repo.head, checksum="abc"))


async def test_fetching_by_commit_asks_for_no_name(server: GitServer, repo: Repository, root: Path) -> None:
    old = repo.head
    repo.commit(a="moved\n")
    op = a_git(repo.url, "main", checksum=old, fetchbycommit="true")
    assert pinned_key(op, {}) == f"git@{old}"
    assert files(await fetched(root, op)) == {"a": "first\n"}
    assert git_in(await fetched(root, a_git(repo.url, "main", checksum=old, fetchbycommit="true", keepgitdir="true")),
                  "rev-parse", "main") == old  # fmt: skip


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("nothing", "has no branch or tag called 'nothing'"),
        ("-x", "'-x' names no branch"),
        ("a..b", "names no branch"),
        ("a b", "names no branch"),
        ("@{0}", "names no branch"),
        ("1234567", "has no branch"),
        ("1" * 40, "has no commit 1+$"),
    ],
)
async def test_a_ref_that_is_not_there_is_one_error(repo: Repository, root: Path, fragment: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        await fetched(root, a_git(repo.url, fragment))
    assert not caught.value.transient
    assert "\n" not in caught.value.message
    assert ("40 digits" in caught.value.hint) == (fragment == "1234567")


async def test_a_repository_that_is_not_there_is_one_error(server: GitServer, root: Path) -> None:
    with pytest.raises(SourceError, match="there is no such repository"):
        await fetched(root, a_git(f"{server.address}/nothing.git"))
    with pytest.raises(SourceError, match="Failed to connect") as caught:
        await fetched(root, a_git("http://127.0.0.1:1/x.git"))
    assert not caught.value.transient


@pytest.mark.parametrize("remote", ["file:///etc", "ext::sh", "--upload-pack=x", "ssh://-oProxyCommand=x/y", "/etc"])
async def test_remotes_of_odd_protocols_are_refused(root: Path, remote: str) -> None:
    op = SourceOp(identifier="git://h/x", attrs=(("git.fullurl", remote),))
    with pytest.raises(SourceError, match=r"no git repository that may be fetched|illegal"):
        await fetched(root, op)


@BOTH
@pytest.mark.parametrize(
    ("login", "known"),
    [
        ("basic eC1hY2Nlc3MtdG9rZW46czNjcmV0", {"GIT_AUTH_TOKEN": "s3cret\n"}),
        ("basic eC1hY2Nlc3MtdG9rZW46czNjcmV0", {"GIT_AUTH_TOKEN.127.0.0.1": "s3cret", "GIT_AUTH_TOKEN": "wrong"}),
        ("Bearer s3cret", {"GIT_AUTH_HEADER": "Bearer s3cret"}),
    ],
)
async def test_secrets_log_in(
    server: GitServer, repo: Repository, root: Path, tmp_path: Path, login: str, known: dict[str, str]
) -> None:
    port = server.address.rpartition(":")[2]
    lent = {name + f":{port}" if name.endswith("127.0.0.1") else name: value for name, value in known.items()}
    server.login = login
    names = {"authtokensecret": "GIT_AUTH_TOKEN", "authheadersecret": "GIT_AUTH_HEADER"}
    assert files(await fetched(root, a_git(repo.url, **names), client_with(tmp_path, lent))) == {"a": "first\n"}
    with pytest.raises(SourceError, match="access denied") as caught:
        await fetched(root, a_git(repo.url, "main", **names))
    assert "GIT_AUTH_TOKEN" in caught.value.hint
    assert not files_with(root, b"s3cret")


async def test_a_token_is_for_its_repository_only(server: GitServer, root: Path, tmp_path: Path) -> None:
    inner, outer = server.make("inner"), server.make("outer")
    outer.git("submodule", "--quiet", "add", inner.url, "in")
    outer.commit()
    server.login = "Bearer s3cret"
    lent = {"GIT_AUTH_HEADER": "Bearer s3cret"}
    with pytest.raises(SourceError, match=f"^{inner.url}: access denied"):
        await fetched(root, a_git(outer.url, authheadersecret="GIT_AUTH_HEADER"), client_with(tmp_path, lent))


async def test_a_password_in_a_url_is_neither_shown_nor_written(
    server: GitServer, repo: Repository, root: Path
) -> None:
    server.login = "Basic bWU6czNjcmV0"
    url = repo.url.replace("//", "//me:s3cret@")
    folder = await fetched(root, a_git(url, keepgitdir="true"))
    assert git_in(folder, "remote", "get-url", "origin") == repo.url.replace("//", "//xxxxx:xxxxx@")
    assert not files_with(root, b"s3cret")
    with pytest.raises(SourceError) as caught:
        await fetched(root, a_git(url, "nothing"))
    assert "s3cret" not in f"{caught.value} {caught.value.ref}"


async def test_ssh_needs_an_agent_that_was_given(root: Path) -> None:
    with pytest.raises(SourceError, match="no agent 'default' was given") as caught:
        await fetched(root, a_git("ssh://git@127.0.0.1/x.git", mountsshsock="default"))
    assert "--ssh default" in caught.value.hint


@pytest.mark.needs_root
async def test_ssh_logs_in_with_the_agent_that_was_given(
    server: GitServer, repo: Repository, root: Path, tmp_path: Path
) -> None:
    with ssh_server(tmp_path) as ssh:
        remote = ssh.url + str(repo.folder)
        lent = client_with(tmp_path, {}, {"mine": ssh.agent})
        op = a_git(remote, mountsshsock="mine")
        assert files(await fetched(root, op, lent)) == {"a": "first\n"}
        wrong = ssh.known_hosts.rpartition(" ")[0] + " AAAAC3NzaC1lZDI1NTE5AAAAIJ" + "a" * 42
        for known, words in ((ssh.known_hosts, ""), (wrong, "the host's ssh key is not the known one")):
            op = a_git(remote, "main", mountsshsock="mine", knownsshhosts=known)
            if words:
                with pytest.raises(SourceError, match=words):
                    await fetched(root, op, lent)
            else:
                await fetched(root, op, lent)
        with pytest.raises(SourceError, match="access denied by ssh") as caught:
            await fetched(root, a_git(remote, "main"), lent)  # no agent is asked for
        assert "ssh-add" in caught.value.hint


@BOTH
async def test_without_git_the_package_is_named(
    repo: Repository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="no git on this machine") as caught:
        await fetched(root, a_git(repo.url))
    assert "install the package git" in caught.value.hint


async def test_the_users_configuration_does_not_count(
    repo: Repository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "file:///etc/"]\n\tinsteadOf = {repo.url}\n[core]\n\tautocrlf = true\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert (await fetched(root, a_git(repo.url)) / "a").read_bytes() == b"first\n"


@BOTH
async def test_a_git_that_is_cancelled_leaves_nothing(repo: Repository, root: Path, tmp_path: Path) -> None:
    started = _slow_git(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        async with anyio.create_task_group() as group:
            group.start_soon(fetched, root, a_git(repo.url))
            while not _groups(started):  # noqa: ASYNC110  a process says it
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
    await _wait_for_end(started)


@BOTH
async def test_a_git_that_is_cancelled_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    started = _slow_git(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        for turns in range(12):  # of the event loop
            async with anyio.create_task_group() as group:
                group.start_soon(GitCommand(shown="here").run, "fetch")
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                time.sleep(0.05)  # noqa: ASYNC251  git has started processes of its own when the event loop goes on
                group.cancel_scope.cancel()
    assert _groups(started)
    await _wait_for_end(started)


async def test_a_fetch_from_a_daemon_works(server: GitServer, repo: Repository, root: Path) -> None:
    with git_daemon(server.folder) as address:
        assert files(await fetched(root, a_git(f"{address}/repo/.git"))) == {"a": "first\n"}


def files_with(root: Path, text: bytes) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and text in path.read_bytes()]


def _slow_git(folder: Path) -> Path:
    """Puts a `git` into `bin` that starts a process and ends after a minute; the file that says who was started."""
    (folder / "bin").mkdir()
    started = folder / "started"
    program = folder / "bin/git"
    program.write_text(f"#!/bin/sh\necho $$ >> {started}\nsleep 60 & sleep 60\n")
    program.chmod(0o755)
    return started


def _groups(started: Path) -> list[int]:
    return [int(line) for line in started.read_text().splitlines()] if started.exists() else []


async def _wait_for_end(started: Path) -> None:
    """Killed they are; when they are gone is the kernel's to say."""
    with anyio.fail_after(30):
        while any(map(_running, _groups(started))):  # noqa: ASYNC110  the kernel says it
            await anyio.sleep(0.01)


def _running(group: int) -> list[str]:
    """The processes of a group, those that only wait to be buried excepted: proc(5), stat."""
    found = []
    for process in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = process.read_text().rpartition(")")
            if int(rest.split()[2]) == group and rest.split()[0] != "Z":
                found.append(name)
    return found


def git_in(folder: Path, *words: str) -> str:
    command = ["git", "-c", "safe.directory=*", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
