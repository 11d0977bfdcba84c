"""Who is who, by the /etc/passwd and /etc/group of a tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from llbuild.errors import LlbuildError
from llbuild.tests.worker.snapshot.trees import Bench
from llbuild.worker.identity import Identity, find_group, find_user, resolve_user
from llbuild.worker.snapshot import MergedTree, Snapshot

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
# comment:x:1:1::/:
daemon:x:1:1::/usr/sbin:
bob:x:1000:1001:Bob,,,:/home/bob:/bin/sh
1234:x:77:78:a name of digits:/home/digits:
short:x:5
huge:x:99999999999:1::/:
homeless:x:30:31:::
bob:x:2000:2000:the second counts for nothing:/:
"""
GROUP = """\
root:x:0:
staff:x:50:bob,daemon
wheel:x:10:bob
daemon:x:1:
999:x:42:
broken
"""

USERS = [
    ("", Identity(uid=0, gid=0, groups=(), home="/root")),
    ("root", Identity(uid=0, gid=0, groups=(), home="/root")),
    ("0", Identity(uid=0, gid=0, groups=(), home="/root")),
    ("bob", Identity(uid=1000, gid=1001, groups=(50, 10), home="/home/bob")),
    ("1000", Identity(uid=1000, gid=1001, groups=(50, 10), home="/home/bob")),
    ("bob:staff", Identity(uid=1000, gid=50, groups=(), home="/home/bob")),
    ("bob:7", Identity(uid=1000, gid=7, groups=(), home="/home/bob")),
    ("12:13", Identity(uid=12, gid=13, groups=(), home="/")),
    ("12", Identity(uid=12, gid=0, groups=(), home="/")),
    ("1234", Identity(uid=77, gid=78, groups=(), home="/home/digits")),
    ("homeless", Identity(uid=30, gid=31, groups=(), home="/")),
    ("daemon:daemon", Identity(uid=1, gid=1, groups=(), home="/usr/sbin")),
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def _tree(bench: Bench, **files: str) -> MergedTree:
    return bench.tree(Snapshot((bench.layer({f"etc/{name}": text for name, text in files.items()}),)))


@pytest.mark.parametrize(("text", "want"), USERS)
def test_a_user_is_found_as_docker_finds_it(bench: Bench, text: str, want: Identity) -> None:
    assert resolve_user(_tree(bench, passwd=PASSWD, group=GROUP), text) == want


@pytest.mark.parametrize("text", ["alice", "short", "huge", "comment", "99999999999", "-1", "bob:alice", "bob:broken"])
def test_a_name_nobody_has_is_refused_with_the_name(bench: Bench, text: str) -> None:
    with pytest.raises(LlbuildError) as caught:
        resolve_user(_tree(bench, passwd=PASSWD, group=GROUP), text)
    assert repr(text.rpartition(":")[2]) in caught.value.message


def test_root_and_numbers_are_known_to_an_image_without_either_file(bench: Bench) -> None:
    empty = MergedTree([], userxattr=False)
    assert resolve_user(empty, "root:root") == Identity(uid=0, gid=0, home="/root")
    assert resolve_user(empty, "5:6") == Identity(uid=5, gid=6, home="/")
    assert find_user(empty, "root")[1:3] == (0, 0)
    assert find_group(empty, "root") == 0
    with pytest.raises(LlbuildError, match="'bob'"):
        resolve_user(empty, "bob")


def test_the_files_may_be_links_inside_the_image_and_never_lead_out(bench: Bench) -> None:
    inside = bench.tree(Snapshot((bench.layer({"etc/passwd": "-> ../../../usr/passwd", "usr/passwd": PASSWD}),)))
    assert resolve_user(inside, "bob").uid == 1000
    outside = bench.folder / "outside"
    outside.write_text(PASSWD)
    planted = bench.tree(Snapshot((bench.layer({"etc/passwd": f"-> {outside}"}),)))
    with pytest.raises(LlbuildError, match="'bob'"):
        resolve_user(planted, "bob")


@pytest.mark.parametrize("planted", ["etc/passwd/", "etc"])
def test_what_is_no_file_is_not_read(bench: Bench, planted: str) -> None:
    tree = bench.tree(Snapshot((bench.layer({planted: ""}),)))
    with pytest.raises(LlbuildError, match="'bob'"):
        resolve_user(tree, "bob")


def test_a_file_of_absurd_size_is_refused(bench: Bench) -> None:
    layer = bench.layer({"etc/passwd": ""})
    with (Path(bench.store.folder(layer)) / "etc/passwd").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(LlbuildError, match="/etc/passwd of the image is larger than"):
        resolve_user(bench.tree(Snapshot((layer,))), "bob")


def test_lines_that_are_not_text_do_no_harm(bench: Bench) -> None:
    tree = _tree(bench, passwd="\udcff\udcfe:x:9:9::/:\nbob:x:1:2::/b:\n")
    assert resolve_user(tree, "bob") == Identity(uid=1, gid=2, home="/b")
    assert resolve_user(tree, "\udcff\udcfe").uid == 9
