"""The same program for somebody who is not root. (Where the tests are run by an ordinary user, they all show this.)"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild, as_user, overlap, processes_of
from llbuild.tests.gitserver import serve_git
from llbuild.tests.ordinary import NOBODY, folder_of, python_for
from llbuild.tests.tools import ROOT
from llbuild.tests.webserver import serve_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs_root  # to become somebody else


@pytest.fixture
def home(busybox_rootfs: Path) -> Iterator[Path]:
    """A folder that nobody owns and can reach, with a copy of the base image's files in it."""
    folder = Path(tempfile.mkdtemp(prefix="llbuild-nobody-"))
    shutil.copytree(busybox_rootfs, folder / "rootfs", symlinks=True)
    yield folder_of(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["one", "ranges"])
def ids(request: pytest.FixtureRequest) -> str:
    """Which ids nobody has: see RANGES."""
    kind: str = request.param
    return kind


@pytest.fixture
def nobodys(home: Path, ids: str) -> Iterator[Llbuild]:
    llbuild = as_user(NOBODY, home, ids)
    llbuild("import", home / "rootfs", "busybox")
    yield llbuild
    assert not processes_of(llbuild.root)


def test_an_ordinary_user_builds_and_runs_the_hello_example(nobodys: Llbuild) -> None:
    outcome = nobodys.build("-t", "hello", ROOT / "examples/hello")
    assert overlap(outcome.named("RUN sleep 1")) == 3
    assert "Hello from llbuild" in nobodys("run", "hello").stdout
    assert nobodys.build("-t", "hello", ROOT / "examples/hello").ran() == []


def test_an_ordinary_user_is_root_inside_and_whiteouts_work(nobodys: Llbuild, home: Path) -> None:
    context = home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN id -u > /id && rm -r /home && mkdir /home && echo new > /home/file && rm /bin/vi\n"
        "RUN cat /id /home/file && ! test -e /bin/vi && rm /id\n"
    )
    nobodys.build("-o", f"type=local,dest={home / 'out'}", context)
    assert (home / "out/home/file").read_text() == "new\n"
    assert not (home / "out/id").exists()
    assert not (home / "out/bin/vi").is_symlink()
    assert (home / "out/home/file").stat().st_uid == NOBODY


def test_a_folder_that_an_ordinary_user_imports_is_roots(nobodys: Llbuild, home: Path) -> None:
    context = home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN stat -c %u:%g / /bin /bin/busybox /bin/sh\n")
    assert nobodys.build(context).step("RUN").output.split() == [b"0:0"] * 4


def test_an_ordinary_user_has_every_kind_of_mount(nobodys: Llbuild, home: Path, ids: str) -> None:
    context = home / "context"
    context.mkdir()
    (context / "file").write_text("of the context\n")
    (home / "token").write_text("of nobody")
    os.chown(home / "token", NOBODY, NOBODY)
    (home / "token").chmod(0o600)
    (context / "Dockerfile").write_text(
        "FROM busybox AS seed\n"
        "RUN mkdir -m 0700 /s && echo one > /s/a\n"
        "FROM busybox\n"
        "RUN --mount=type=secret,id=tok,uid=5 --mount=type=secret,id=tok,env=TOK "
        'test "$(cat /run/secrets/tok)" = "$TOK" && stat -c %a:%u /run/secrets/tok\n'
        "RUN --mount=type=cache,target=/c,from=seed,source=/s,sharing=locked "
        "cat /c/a && stat -c %a /c && echo two > /c/a\n"
        "RUN --mount=type=cache,target=/c,from=seed,source=/s,sharing=private cat /c/a\n"
        "RUN --mount=type=bind,target=/in,rw cat /in/file && touch /in/new && rm /in/file\n"
        "RUN --mount=type=tmpfs,target=/mem,size=1m ! dd if=/dev/zero of=/mem/x bs=1M count=2 2>/dev/null\n"
        "RUN --network=none ip link | grep -c mtu\n"
        "RUN --security=insecure test $(grep CapEff /proc/self/status | cut -f2) != 00000000a80425fb\n"
        "RUN test ! -e /run/secrets && test ! -e /c && test ! -e /in && test ! -e /mem\n"
    )
    given = ("--secret", f"id=tok,src={home / 'token'}", "--allow", "security.insecure")
    outcome = nobodys.build(*given, context)
    owner, *said = b"".join(step.output for step in outcome.named("RUN")).split(b"\n")
    # Remembered in an attribute, which files in memory have since Linux 6.6.
    assert owner == b"400:5" or (ids == "one" and owner == b"400:0")
    assert said == [b"one", b"700", b"two", b"of the context", b"1", b""]
    assert len(outcome.ran()) == 9


def test_a_limit_that_an_ordinary_user_cannot_set_is_refused(nobodys: Llbuild, home: Path) -> None:
    context = home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN true\n")
    outcome = nobodys.build("--resource", "memory=64m", "--cgroup-parent", "/llbuild-tests", context, exit_code=1)
    assert "cannot limit a step's memory" in outcome.stderr
    assert "hint: run as root, or in a cgroup that is yours" in outcome.stderr


def test_an_ordinary_users_cache_travels_with_its_mounts(nobodys: Llbuild, home: Path) -> None:
    context = home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\n")
    nobodys.build("-o", f"type=oci,tar=false,dest={home / 'base'}", context)
    (context / "Dockerfile").write_text(
        "FROM base\nARG WORD=made\nRUN rm /bin/vi && echo $WORD > /made\n"
        "RUN --mount=type=cache,id=pip,target=/pip cat /pip/* > /seen; echo one > /pip/wheel\n"
    )
    base, cache = f"--build-context=base=oci-layout://{home / 'base'}", home / "cache"
    nobodys.build(base, "--cache-to", f"type=local,dest={cache},mode=max,mounts=true", context)
    second = replace(nobodys, root=home / "second")
    assert second.build(base, "--cache-from", f"type=local,src={cache}", "-t", "x", context).ran() == []
    again = second.build(base, "--build-arg=WORD=again", "--cache-from", f"type=local,src={cache}", "-t", "x", context)
    assert len(again.ran()) == 2
    assert second("run", "x", "cat", "/made", "/seen").stdout == "again\none\n"


def test_ranges_of_ids_are_used_where_there_are_some(nobodys: Llbuild, home: Path, ids: str) -> None:
    if ids == "one":
        pytest.skip("has no ranges")
    context = home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM busybox\n"
        "RUN echo app:x:1000:1001::/home/app:/bin/sh >> /etc/passwd && echo team:x:1002:app >> /etc/group\n"
        "RUN mkdir /home/app && chown 1000:1001 /home/app && ln -s x /link && chown -h 5:6 /link\n"
        "USER app\n"
        "RUN id -u && id -g && id -G && echo $HOME\n"
        "RUN umask 077 && mkdir /home/app/own && touch /home/app/own/file && ! touch /home/file 2>/dev/null\n"
        "RUN --mount=type=cache,target=/c,uid=1000,mode=0700 touch /c/x\n"
        "COPY --chown=33:65535 Dockerfile /copied\n"
    )
    outcome = nobodys.build("-t", "x", "-o", f"type=tar,dest={home / 'out.tar'}", context)
    assert outcome.step("RUN id").output.decode().splitlines() == ["1000", "1001", "1001 1002", "/home/app"]
    with tarfile.open(home / "out.tar") as tar:
        owners = {name: (tar.getmember(name).uid, tar.getmember(name).gid) for name in tar.getnames()}
    assert {name: owners[name] for name in ("home/app", "home/app/own", "home/app/own/file", "link", "copied")} == {
        "home/app": (1000, 1001),
        "home/app/own": (1000, 1001),
        "home/app/own/file": (1000, 1001),
        "link": (5, 6),
        "copied": (33, 65535),
    }
    assert (nobodys.root / "user-ids").read_text() == "uids 300000+65536 gids 300000+65536\n"
    one = replace(nobodys, prefix=(*python_for()[:-1], f"HOME={home}"))
    refused = one.build(context, "--no-cache", exit_code=1)
    assert "belong to ids that are not to be had any more" in refused.stderr
    assert "is not in /etc/subuid" in refused.stderr
    assert "--root" in refused.stderr
    assert "is not in /etc/subuid" in one("info", exit_code=1).stdout
    nobodys("prune", "--all", "--force")
    assert [*(nobodys.root / "snapshots").iterdir(), *(nobodys.root / "cache-mounts").iterdir()] == []
    one("import", home / "rootfs", "busybox")
    (context / "Dockerfile").write_text("FROM busybox\nRUN true\n")
    one.build(context)
    assert (nobodys.root / "user-ids").read_text() == "one\n"


def test_a_folder_that_was_begun_with_one_id_stays_with_it(home: Path) -> None:
    prefix = (*python_for()[:-1], f"HOME={home}")
    one = Llbuild(root=home / "state", prefix=prefix, python=python_for()[-1])
    one("import", home / "rootfs", "busybox")
    context = home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN cat /proc/self/uid_map\n")
    one.build(context)
    ranged = replace(one, prefix=(*python_for(ids="ranges")[:-1], f"HOME={home}"))
    outcome = ranged.build("--no-cache", context)
    assert outcome.step("RUN").output.split() == [b"0", b"65534", b"1"]
    info = ranged("info").stdout
    assert "was begun without further ids" in info
    assert "prune --all" in info
    ranged("prune", "--all", "--force")
    ranged("import", home / "rootfs", "busybox")
    assert ranged.build(context).step("RUN").output.split() == [b"0", b"65534", b"1", b"1", b"300000", b"65536"]


def test_an_ordinary_user_cleans_up_and_checks_what_containers_made(nobodys: Llbuild, home: Path) -> None:
    context = home / "context"
    context.mkdir()
    locked = "mkdir -p /locked/inner && echo x > /locked/inner/file && chmod 000 /locked/inner /locked"
    (context / "Dockerfile").write_text(
        f"FROM busybox\nRUN {locked}\nRUN --mount=type=cache,target=/c echo c > /c/f && chmod 500 /c && rm /bin/vi\n"
    )
    nobodys.build("-t", "x", context)
    assert nobodys("verify").stdout == "everything is as it should be\n"
    (locked_layer,) = nobodys.json("du", "--format=json", "--filter", "description~=locked")["entries"][:1]
    place = nobodys.root / "snapshots" / locked_layer["id"]
    assert (place / "fs/locked/inner/file").exists()  # root sees it
    assert locked_layer["size_bytes"] == 512 * sum(path.lstat().st_blocks for path in (place, *place.rglob("*")))
    pruned = nobodys.json("prune", "--all", "--force", "--format=json")
    assert {entry["type"] for entry in pruned["removed"]} >= {"regular", "image.layer", "blob", "exec.cachemount"}
    assert list((nobodys.root / "snapshots").iterdir()) == []
    assert list((nobodys.root / "cache-mounts").iterdir()) == []


def test_an_ordinary_user_adds_what_is_elsewhere(nobodys: Llbuild, home: Path, tmp_path: Path) -> None:
    with serve_git(tmp_path) as server, serve_pages() as web:
        repo = server.make("repo.git")
        repo.commit(
            Dockerfile=f"FROM busybox\nADD {repo.url.removesuffix('/.git')} /src\nADD {web.put('/p', b'page')} /\n"
        )
        for _ in range(2):
            nobodys.build("-o", f"type=local,dest={home / 'out'}", repo.url.removesuffix("/.git"))
    assert (home / "out/src/a").read_text() == "first\n"
    assert (home / "out/p").read_text() == "page"


def test_an_ordinary_user_says_what_is_in_an_image(nobodys: Llbuild, home: Path) -> None:
    (home / "context").mkdir()
    (home / "context/status").write_text("Package: tool\nStatus: install ok installed\nVersion: 1\n")
    (home / "context/Dockerfile").write_text(
        "FROM busybox\nCOPY status /var/lib/dpkg/status\nRUN mkdir -m 700 /closed && chmod 600 /var/lib/dpkg/status\n"
    )
    for _ in range(2):  # the second time everything is cached, and nobody is root in a namespace
        outcome = nobodys.build("--sbom=true", "--provenance=true", "-t", "listed", home / "context")
        assert "pkg:deb/debian/tool@1" in nobodys("inspect", "--attestations", "listed").stdout
    assert not outcome.named("generating sbom")
