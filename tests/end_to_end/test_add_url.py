"""ADD of URLs, with a real web server on loopback."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import sha256_digest
from llbuild.tests.webserver import WebServer, serve_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild


@pytest.fixture(name="web")
def _web() -> Iterator[WebServer]:
    with serve_pages() as web:
        yield web


def a_tar(**files: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def test_a_url_is_added_as_docker_does_it(llbuild: Llbuild, context: Callable[..., Path], web: WebServer) -> None:
    url = web.put("/some/tool.txt", b"hello\n", modified="Mon, 02 Jan 2006 15:04:05 GMT")
    folder = context(f"FROM busybox\nADD {url} /in/\nADD --chown=7:8 --chmod=755 {url} /as/b\n")
    llbuild.build("-t", "x", folder)
    shown = llbuild("run", "x", "stat", "-c", "%n %a %u:%g %Y", "/in/tool.txt", "/as/b").stdout
    owner = "7:8" if os.geteuid() == 0 else "0:0"
    assert shown.splitlines() == ["/in/tool.txt 600 0:0 1136214245", f"/as/b 755 {owner} 1136214245"]


def test_what_the_server_has_not_changed_stays_cached(
    llbuild: Llbuild, context: Callable[..., Path], web: WebServer
) -> None:
    url = web.put("/a", b"one", etag='"1"')
    folder = context(f"FROM busybox\nADD {url} /a\nRUN cat /a > /b\n")
    llbuild.build("-t", "x", folder)
    assert llbuild.build("-t", "x", folder).ran() == []
    assert web.statuses == [200, 304]
    web.put("/a", b"two", etag='"2"')
    assert [name[:5] for name in llbuild.build("-t", "x", folder).ran()] == [
        "[2/3]",
        "[2/3]",
        "[3/3]",
    ]  # with its source
    assert llbuild("run", "x", "cat", "/b").stdout == "two"
    assert web.statuses == [200, 304, 200]


def test_the_same_bytes_under_a_new_tag_run_nothing(
    llbuild: Llbuild, context: Callable[..., Path], web: WebServer
) -> None:
    folder = context(f"FROM busybox\nADD {web.put('/a', b'one', etag='1')} /a\nRUN cat /a > /b\n")
    llbuild.build("-t", "x", folder)
    web.put("/a", b"one", etag="2")
    assert llbuild.build("-t", "x", folder).ran() == []


def test_with_a_checksum_the_server_is_asked_once(
    llbuild: Llbuild, context: Callable[..., Path], web: WebServer
) -> None:
    url = web.put("/a", b"one")
    folder = context(f"FROM busybox\nADD --checksum={sha256_digest(b'one')} {url} /a\n")
    llbuild.build("-t", "x", folder)
    assert llbuild.build("-t", "x", folder).ran() == []
    assert not llbuild.modules_after("build", "-t", "x", folder) & {"httpx", "asyncio"}
    assert web.statuses == [200]


def test_a_wrong_checksum_fails_at_its_line(llbuild: Llbuild, context: Callable[..., Path], web: WebServer) -> None:
    folder = context(f"FROM busybox\nADD --checksum=sha256:{'0' * 64} {web.put('/a', b'one')} /a\n")
    outcome = llbuild("build", folder, exit_code=1)
    assert "Dockerfile:2" in outcome.stderr
    assert f"found {sha256_digest(b'one')}" in outcome.stderr


def test_an_archive_is_unpacked_when_asked_for(llbuild: Llbuild, context: Callable[..., Path], web: WebServer) -> None:
    url = web.put("/files.tgz", a_tar(inner="text"))
    llbuild.build("-t", "x", context(f"FROM busybox\nADD {url} /kept/\nADD --unpack {url} /files/\n"))
    assert llbuild("run", "x", "ls", "/kept", "/files").stdout.split() == [
        *("/files:", "inner"),
        *("/kept:", "files.tgz"),
    ]


def test_a_server_that_is_busy_is_asked_again(llbuild: Llbuild, context: Callable[..., Path], web: WebServer) -> None:
    outcome = llbuild.build(context(f"FROM busybox\nADD {web.put('/a', b'one', failures=1)} /a\n"))
    assert web.statuses == [503, 200]
    assert b"answered 503 Service Unavailable; trying again" in outcome.step("[internal] resolve").output


def test_a_failed_download_is_one_error_and_leaves_nothing(
    llbuild: Llbuild, context: Callable[..., Path], web: WebServer
) -> None:
    outcome = llbuild("build", context(f"FROM busybox\nADD {web.url('/nothing')} /a\n"), exit_code=1)
    assert f"{web.url('/nothing')}: there is no such file (404)\nhint: check the URL" in outcome.stderr
    assert "Dockerfile:2" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    snapshots = llbuild.root / "snapshots"
    assert not snapshots.exists() or not list(snapshots.iterdir())


def test_why_a_download_was_built_on_again_is_told(
    llbuild: Llbuild, context: Callable[..., Path], web: WebServer
) -> None:
    folder = context(f"FROM busybox\nADD {web.put('/a', b'one')} /a\n")
    llbuild.build(folder)
    web.put("/a", b"two")
    llbuild.build(folder)
    assert "/a: 1 of 1 file changed: a (content)" in llbuild("explain").stdout


def test_a_definition_from_elsewhere_may_have_such_sources(
    llbuild: Llbuild, context: Callable[..., Path], web: WebServer, tmp_path: Path
) -> None:
    folder = context(f"FROM busybox\nADD {web.put('/a', b'one')} /a\n")
    for form in ("msgpack", "buildkit"):
        llbuild("compile", "--format", form, "-o", tmp_path / form, folder)
        llbuild("solve", "-t", "x", tmp_path / form)
        assert llbuild("run", "x", "cat", "/a").stdout == "one"
