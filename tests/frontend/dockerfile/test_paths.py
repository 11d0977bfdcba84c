"""Paths of Linux and Windows images."""

from __future__ import annotations

import pytest
from llbuild.frontend.dockerfile.paths import clean, join, normalize


@pytest.mark.parametrize(
    ("path", "want"),
    [("", "."), ("/", "/"), ("//a", "/a"), ("a//b/./c/..", "a/b"), ("/../a", "/a"), ("../a", "../a"), ("a/", "a")],
)
def test_a_path_is_cleaned(path: str, want: str) -> None:
    assert clean(path) == want


def test_empty_parts_do_not_count_in_a_join() -> None:
    assert (join("", "a", "", "b"), join("/", "a"), join(".", "/a"), join("", "")) == ("a/b", "/a", "a", "")


@pytest.mark.parametrize(
    ("parent", "path", "system", "keep", "want"),
    [
        ("/w", "a", "linux", False, "/w/a"),
        ("/w", "", "linux", False, "/w"),
        ("w", "a", "linux", False, "/w/a"),
        ("/w", "/a/../b", "linux", False, "/a/../b"),
        ("/w", "a/", "linux", True, "/w/a/"),
        ("/", ".", "linux", True, "/"),
        ("/w", "./", "linux", True, "/w/"),
        ("/w", "a/.", "linux", True, "/w/a/."),
        ("/", "C:\\a\\b", "windows", False, "/a/b"),
        ("/w", "a\\b\\", "windows", True, "/w/a/b/"),
        ("", "c:/x/", "windows", True, "/x/"),
    ],
)
def test_a_path_is_seen_from_its_parent(parent: str, path: str, system: str, keep: bool, want: str) -> None:
    assert normalize(parent, path, system, keep_slash=keep) == want


@pytest.mark.parametrize("path", ["D:\\a", "C:", "\\\\server\\share"])
def test_a_windows_path_off_the_system_drive_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="drive|UNC"):
        normalize("/", path, "windows", keep_slash=False)
