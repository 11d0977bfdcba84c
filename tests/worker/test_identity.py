"""Users and groups of an image, by name and by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.errors import LlbuildError
from llbuild.worker.identity import Identity, find_group, find_user, resolve_user
from llbuild.worker.snapshot import MergedTree

if TYPE_CHECKING:
    from pathlib import Path

PASSWD = """root:x:0:0:root:/root:/bin/sh
# a comment: x
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin

bob:x:1000:1001:Bob,,,:/home/bob:/bin/bash
bob:x:5:5::/second:/bin/sh
1000:x:7:7::/named-like-a-number:/bin/sh
homeless:x:60:61::
short:x:70:71
broken:x:abc:5::/broken:/bin/sh
huge:x:99999999999:5::/huge:/bin/sh
\ttabbed:x:80:81::/tab:/bin/sh\t
caf\xe9:x:90:91::/caf\xe9:/bin/sh
"""
GROUP = """root:x:0:
staff:x:50:bob,daemon
docker:x:999:alice,bob
bobs:x:1001:
empty::60
bad:x:nan:bob
"""

IDENTITIES = [
    ("", Identity(0, 0, (), "/root")),
    ("root", Identity(0, 0, (), "/root")),
    ("0", Identity(0, 0, (), "/root")),
    ("bob", Identity(1000, 1001, (50, 999), "/home/bob")),
    ("1000", Identity(1000, 1001, (50, 999), "/home/bob")),
    ("bob:", Identity(1000, 1001, (50, 999), "/home/bob")),
    ("bob:staff", Identity(1000, 50, (), "/home/bob")),
    ("bob:5", Identity(1000, 5, (), "/home/bob")),
    ("1000:staff", Identity(1000, 50, (), "/home/bob")),
    ("4242", Identity(4242, 0, (), "/")),
    ("4242:4343", Identity(4242, 4343, (), "/")),
    (":staff", Identity(0, 50, (), "/root")),
    ("daemon", Identity(1, 1, (50,), "/usr/sbin")),
    ("homeless", Identity(60, 61, (), "/")),
    ("short", Identity(70, 71, (), "/")),
    ("tabbed", Identity(80, 81, (), "/tab")),
    ("4294967294", Identity(4294967294, 0, (), "/")),
]

UNKNOWN = [
    ("alice", "no user 'alice' in the image's /etc/passwd"),
    ("bob:nobody", "no group 'nobody' in the image's /etc/group"),
    ("broken", "no user 'broken'"),
    ("huge", "no user 'huge'"),
    ("-1", "no user '-1'"),
    ("4294967295", "user 4294967295 is out of range"),
    ("1:99999999999", "group 99999999999 is out of range"),
    ("#", "no user '#'"),
    ("bob:bad", "no group 'bad'"),
]


def image(folder: Path, passwd: str | None = PASSWD, group: str | None = GROUP) -> MergedTree:
    (folder / "etc").mkdir(parents=True)
    for name, text in (("passwd", passwd), ("group", group)):
        if text is not None:
            (folder / "etc" / name).write_text(text, encoding="latin-1")
    return MergedTree([str(folder)], userxattr=False)


@pytest.mark.parametrize(("text", "want"), IDENTITIES)
def test_a_user_is_found_as_user_writes_it(tmp_path: Path, text: str, want: Identity) -> None:
    assert resolve_user(image(tmp_path), text) == want


@pytest.mark.parametrize(("text", "message"), UNKNOWN)
def test_who_is_not_there_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LlbuildError) as caught:
        resolve_user(image(tmp_path), text)
    assert caught.value.message.startswith(message)


def test_an_image_without_user_files_knows_root_and_numbers(tmp_path: Path) -> None:
    tree = image(tmp_path, None, None)
    assert resolve_user(tree, "root:root") == Identity(0, 0, (), "/")
    assert resolve_user(tree, "12:13") == Identity(12, 13, (), "/")
    with pytest.raises(LlbuildError, match="no user 'bob'"):
        find_user(tree, "bob")
    with pytest.raises(LlbuildError, match="no group 'bob'"):
        find_group(tree, "bob")


def test_a_name_that_is_no_utf_8_is_found(tmp_path: Path) -> None:
    assert resolve_user(image(tmp_path), "caf\udce9") == Identity(90, 91, (), "/caf\udce9")


def test_links_are_followed_inside_the_image_only(tmp_path: Path) -> None:
    tree = image(tmp_path / "image", None, None)
    (tmp_path / "image/usr").mkdir()
    (tmp_path / "image/usr/passwd").write_text("in:x:3:4::/in:/bin/sh\n")
    (tmp_path / "image/etc/passwd").symlink_to("/usr/passwd")
    assert resolve_user(tree, "in").uid == 3
    (tmp_path / "image/etc/group").symlink_to("../../../../../../../../../../etc/group")
    tree = MergedTree([str(tmp_path / "image")], userxattr=False)  # a tree remembers: layers do not change
    with pytest.raises(LlbuildError, match="too many symbolic links"):
        find_group(tree, "daemon")


def test_a_user_file_that_is_no_file_or_too_large_does_no_harm(tmp_path: Path) -> None:
    tree = image(tmp_path, None, None)
    (tmp_path / "etc/passwd").mkdir()
    with pytest.raises(LlbuildError, match="no user 'x'"):
        find_user(tree, "x")
    with (tmp_path / "etc/group").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(LlbuildError, match="/etc/group of the image is larger than 10 MiB"):
        find_group(tree, "x")
