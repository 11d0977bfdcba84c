from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.database import open_database
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.llb import SourceOp
from llbuild.tests.webserver import WebServer, serve_pages
from llbuild.tests.worker.source.clients import client_with
from llbuild.worker import SCHEMA, USES_SCHEMA, HandedFile, LayerRecords, UseRecords
from llbuild.worker.client import NoClient
from llbuild.worker.snapshot import LayerStore
from llbuild.worker.source import DOWNLOADS_SCHEMA, Pins, pinned_key
from llbuild.worker.source.git_target import parse_git
from llbuild.worker.source.http_file import parse_http
from llbuild.worker.source.http_records import DownloadRecords
from llbuild.worker.source.http_source import HttpSource
from llbuild.worker.source.newlayer import LayerMaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from llbuild.worker import Client

pytestmark = pytest.mark.anyio

OLD, NEW = "Mon, 02 Jan 2006 15:04:05 GMT", "Tue, 03 Jan 2006 15:04:05 GMT"
OLD_S = 1136214245


@pytest.fixture(name="web")
def _web() -> Iterator[WebServer]:
    with serve_pages() as web:
        yield web


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "state"
    root.mkdir()
    return root


@asynccontextmanager
async def a_build(
    root: Path,
    client: Client | None = None,
    *,
    handed: Mapping[str, HandedFile] | None = None,
    silence_s: float = 30,
) -> AsyncIterator[HttpSource]:
    """The source as one build has it; the next one shares the state folder."""
    database = open_database(root / "state.db", [SCHEMA, DOWNLOADS_SCHEMA, USES_SCHEMA])
    maker = LayerMaker(LayerStore(root, userxattr=os.geteuid() != 0), LayerRecords(database), UseRecords(database))
    records = DownloadRecords(database)
    async with HttpSource(
        maker, records, client or NoClient(), handed=handed or {}, pins=Pins(), silence_s=silence_s
    ) as source:
        yield source
    database.close()


def a_file(url: str, **attrs: str) -> SourceOp:
    named = {f"http.{key}": value for key, value in attrs.items()}
    return SourceOp(identifier=url, attrs=tuple(sorted({"http.filename": "file", **named}.items())))


def silent(what: str, current: int, total: int) -> None: ...


async def fetched(root: Path, op: SourceOp, client: Client | None = None, *, silence_s: float = 30) -> Path:
    """Download in a build of its own; the file."""
    async with a_build(root, client, silence_s=silence_s) as source:
        found = await source.download(op, silent)
        (path,) = (root / "snapshots" / found.layer / "fs").iterdir()
        return path


async def test_a_file_lies_alone_in_its_layer(web: WebServer, root: Path) -> None:
    path = await fetched(root, a_file(web.put("/a.txt", b"hello", modified=OLD)))
    assert path.name == "file"
    assert path.read_bytes() == b"hello"
    found = path.stat()
    assert (found.st_mode & 0o7777, found.st_mtime) == (0o600, OLD_S)


async def test_without_a_date_it_is_as_old_as_the_epoch(web: WebServer, root: Path) -> None:
    path = await fetched(root, a_file(web.put("/a", b"hello"), perm="0644"))
    assert (path.stat().st_mode & 0o7777, path.stat().st_mtime) == (0o644, 0)


@pytest.mark.needs_root
async def test_it_belongs_to_whom_the_op_says(web: WebServer, root: Path) -> None:
    path = await fetched(root, a_file(web.put("/a", b"hello"), uid="7", gid="0x8"))
    assert (path.stat().st_uid, path.stat().st_gid) == (7, 8)


async def test_one_build_asks_once(web: WebServer, root: Path) -> None:
    op = a_file(web.put("/a", b"hello"))
    async with a_build(root) as source, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(source.resolve, op, silent)
            group.start_soon(source.download, op, silent)
    assert web.statuses == [200]


@pytest.mark.parametrize(
    "tags", [{"etag": '"1"'}, {"etag": 'W/"1"'}, {"modified": OLD}, {"etag": "1", "modified": OLD}]
)
async def test_what_has_not_changed_is_not_downloaded_again(web: WebServer, root: Path, tags: dict[str, str]) -> None:
    op = a_file(web.put("/a", b"hello", **tags))
    first = await fetched(root, op)
    assert await fetched(root, op) == first
    assert web.statuses == [200, 304]


async def test_a_server_that_ignores_its_own_tags_is_not_listened_to_for_long(web: WebServer, root: Path) -> None:
    op = a_file(web.put("/a", b"x" * (64 << 20), etag='"1"', ignores_tags=True))
    first = await fetched(root, op)
    assert await fetched(root, op) == first
    assert web.statuses == [200, 200]


async def test_what_has_changed_is_another_file(web: WebServer, root: Path) -> None:
    op = a_file(web.put("/a", b"old", etag='"1"', modified=OLD))
    async with a_build(root) as source:
        old = await source.resolve(op, silent)
    web.put("/a", b"new", etag='"2"', modified=NEW)
    async with a_build(root) as source:
        assert await source.resolve(op, silent) != old
    assert (await fetched(root, op)).read_bytes() == b"new"
    assert web.statuses == [200, 200, 304]


async def test_equal_files_from_two_urls_stand_for_the_same(web: WebServer, root: Path) -> None:
    urls = [web.put(path, b"hello", modified=OLD) for path in ("/a", "/b")]
    async with a_build(root) as source:
        assert len({await source.resolve(a_file(url), silent) for url in urls}) == 1
        assert len({await source.resolve(a_file(urls[0], perm=mode), silent) for mode in ("0600", "0644")}) == 2


async def test_with_a_checksum_nobody_is_asked_what_it_stands_for(web: WebServer, root: Path) -> None:
    op = a_file(web.put("/a", b"hello"), checksum=sha256_digest(b"hello"))
    assert pinned_key(op, {}) is not None
    assert pinned_key(a_file(web.url("/a")), {}) is None
    first = await fetched(root, op)
    assert await fetched(root, op) == first
    assert web.statuses == [200]


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_a_wrong_checksum_keeps_nothing(web: WebServer, root: Path, algorithm: str) -> None:
    checksum = f"{algorithm}:{'0' * (int(algorithm[3:]) // 4)}"
    op = a_file(web.put("/a", b"hello"), checksum=checksum)
    with pytest.raises(SourceError, match=f"expected {checksum}, found {algorithm}:[0-9a-f]") as caught:
        await fetched(root, op)
    assert not caught.value.transient
    assert not list((root / "snapshots").iterdir())


@pytest.mark.parametrize(
    ("disposition", "url", "name"),
    [
        ('attachment; filename="tool.tgz"', "/x", "tool.tgz"),
        ("attachment; filename*=UTF-8''%e2%82%ac.txt", "/x", "€.txt"),
        ('attachment; filename="../../etc/passwd"', "/x", "passwd"),
        ('attachment; filename="/etc/"', "/x.txt", "x.txt"),
        ('attachment; filename=".."', "/x", "download"),
        ('attachment; filename="a\x01b"', "/x", "download"),
        ("nonsense; ;;", "/x", "x"),
        ("", "/a/b%2Fc", "c"),
        ("", "/%2e%2e", "download"),
        ("", "/", "download"),
        ("", "/a/b/?name=c", "b"),
    ],
)
async def test_a_file_is_called_as_the_server_says_else_as_its_url(
    web: WebServer, root: Path, disposition: str, url: str, name: str
) -> None:
    web.put(url, b"hello", headers={"Content-Disposition": disposition} if disposition else {})
    assert (await fetched(root, SourceOp(identifier=web.url(url)))).name == name


async def test_redirects_are_followed_but_not_for_ever(web: WebServer, root: Path) -> None:
    web.put("/file", b"hello")
    web.put("/a", status=302, headers={"Location": "/file"})
    web.put("/loop", status=302, headers={"Location": "/loop"})
    assert (await fetched(root, a_file(web.url("/a")))).read_bytes() == b"hello"
    with pytest.raises(SourceError, match="more than 10 redirects"):
        await fetched(root, a_file(web.url("/loop")))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "//"])
async def test_a_redirect_out_of_http_is_an_error(web: WebServer, root: Path, target: str) -> None:
    web.put("/a", status=302, headers={"Location": target})
    with pytest.raises(SourceError, match=r"^http://127\.0\.0\.1:\d+/a: "):
        await fetched(root, a_file(web.url("/a")))


@pytest.mark.parametrize("settings", [{"sent": 3}, {"sent": 3, "chunked": True}, {"sent": 0}])
async def test_a_body_that_breaks_off_keeps_nothing_and_may_be_tried_again(
    web: WebServer, root: Path, settings: dict[str, object]
) -> None:
    with pytest.raises(SourceError) as caught:
        await fetched(root, a_file(web.put("/a", b"hello", **settings)))
    assert caught.value.transient
    assert not list((root / "snapshots").iterdir())


async def test_a_server_that_falls_silent_is_given_up(web: WebServer, root: Path) -> None:
    with pytest.raises(SourceError, match="no answer in time") as caught:
        await fetched(root, a_file(web.put("/a", b"hello", sent=3, hangs=True)), silence_s=0.2)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("status", "words", "transient"),
    [
        (404, "there is no such file", False),
        (403, "access denied", False),
        (418, "answered 418", False),
        (429, "answered 429", True),
        (503, "answered 503", True),
        (304, "unasked", False),
    ],
)
async def test_refusals_are_one_line(web: WebServer, root: Path, status: int, words: str, transient: bool) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        await fetched(root, a_file(web.put("/a", status=status)))
    assert (caught.value.transient, "\n" in caught.value.message) == (transient, False)


async def test_nobody_listening_is_no_passing_trouble(root: Path) -> None:
    with pytest.raises(SourceError, match="Connection refused") as caught:
        await fetched(root, a_file("http://127.0.0.1:1/a"))
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("login", "attrs", "known"),
    [
        ("Bearer t0ken", {}, {"HTTP_AUTH_TOKEN_127.0.0.1": "t0ken\n"}),
        ("Basic eDp5", {}, {"HTTP_AUTH_HEADER_127.0.0.1": "Basic eDp5"}),
        ("Basic eDp5", {"authheadersecret": "mine"}, {"mine": "Basic eDp5"}),
    ],
)
async def test_secrets_log_in(
    web: WebServer, root: Path, tmp_path: Path, login: str, attrs: dict[str, str], known: dict[str, str]
) -> None:
    op = a_file(web.put("/a", b"hello", login=login), **attrs)
    assert (await fetched(root, op, client_with(tmp_path, known))).read_bytes() == b"hello"
    with pytest.raises(SourceError, match=r"access denied|was not given") as caught:
        await fetched(root, a_file(web.url("/a"), perm="0640", **attrs))
    assert "t0ken" not in caught.value.message + caught.value.hint


async def test_a_password_in_a_url_is_not_shown(web: WebServer, root: Path) -> None:
    url = web.put("/a", status=404).replace("//", "//me:s3cret@")
    with pytest.raises(SourceError) as caught:
        await fetched(root, a_file(url))
    assert "s3cret" not in f"{caught.value} {caught.value.ref} {caught.value.hint}"
    assert "authorization" in web.headers[0]


async def test_chosen_headers_are_sent(web: WebServer, root: Path) -> None:
    await fetched(root, a_file(web.put("/a", b"x"), **{"header.accept": "text/x", "header.user-agent": "me/1"}))
    assert (web.headers[0]["accept"], web.headers[0]["user-agent"]) == ("text/x", "me/1")


async def test_proxies_stand_between_others_only(web: WebServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.address)
    web.put("http://elsewhere.example/a", b"through the proxy")
    web.put("/a", b"straight")
    assert (await fetched(root, a_file("http://elsewhere.example/a"))).read_bytes() == b"through the proxy"
    assert (await fetched(root, a_file(web.url("/a")))).read_bytes() == b"straight"


async def test_a_file_that_the_client_holds_needs_no_server(root: Path, tmp_path: Path) -> None:
    url = "http://nowhere.invalid/context"
    with (tmp_path / "given").open("w+b") as file:
        file.write(b"given")
        file.flush()
        handed = {url: HandedFile(digest=sha256_digest(b"given"), file=file)}
        async with a_build(root, handed=handed) as source:
            found = await source.download(a_file(url), silent)
            assert pinned_key(a_file(url), handed) == await source.resolve(a_file(url), silent)
    assert (root / "snapshots" / found.layer / "fs/file").read_bytes() == b"given"


@pytest.mark.parametrize(
    ("key", "value"), [("checksum", "md5:0"), ("perm", "rwx"), ("perm", "010000"), ("uid", "-1"), ("gid", "089")]
)
def test_malformed_attributes_are_refused(key: str, value: str) -> None:
    with pytest.raises(SourceError, match=f"http.{key} of https://h/x is "):
        parse_http(a_file("https://h/x", **{key: value}))


@pytest.mark.parametrize("url", ["http://[/x", "https:///x", "http://", "http://h\n/x", "https://@/x"])
def test_urls_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(SourceError, match="is no URL of a file"):
        parse_http(SourceOp(identifier=url))


TEXTS = st.text(st.sampled_from("ab/.:@#?%[]~^{}-\\ \n\0é\udc80"), max_size=12) | st.text(max_size=8)


@given(
    scheme=st.sampled_from(["http", "https", "git"]),
    place=TEXTS,
    attrs=st.dictionaries(
        st.sampled_from(
            [
                *("http.checksum", "http.filename", "http.perm", "http.uid", "http.header.accept"),
                *("git.fullurl", "git.checksum", "git.mtime", "git.fetchbycommit", "git.keepgitdir"),
            ]
        ),
        TEXTS,
    ),
)
def test_whatever_is_asked_for_is_understood_or_refused(scheme: str, place: str, attrs: dict[str, str]) -> None:
    op = SourceOp(identifier=f"{scheme}://{place}", attrs=tuple(sorted(attrs.items())))
    with suppress(SourceError):
        pinned_key(op, {})
    with suppress(SourceError):
        if scheme != "git":
            name = parse_http(op).name(attrs.get("http.filename", ""))
            assert "/" not in name
            assert name not in ("", ".", "..")
        else:
            target = parse_git(op)
            assert not target.remote.startswith("-")
            assert not target.ref.startswith("-")
            assert ".." not in target.subdir.split("/")


async def test_a_name_that_no_file_can_have_is_an_error(web: WebServer, root: Path) -> None:
    web.put("/a", b"x")
    with pytest.raises(SourceError, match="no file can be called"):
        await fetched(root, a_file(web.url("/a"), filename="x" * 300))
