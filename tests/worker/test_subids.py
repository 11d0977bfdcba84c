"""Ranges of ids in /etc/subuid, whatever is written there."""

from __future__ import annotations

import os

import pytest
from llbuild.worker.subids import NoSubIds, SubIds, find_sub_ids, parse_ranges


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        (["me:100000:65536"], ((100000, 65536),)),
        (["1000:100000:65536", "me:200000:10"], ((100000, 65536), (200000, 10))),
        (["you:100000:65536", "me2:1:1", "", "#me:1:1"], ()),
        (["me:100000", "me:a:b", "me:1:2:3", "me:-5:10", "me:٣:5"], ()),
        (["me:0:65536", "me:100000:0", "me:4294967290:10"], ()),  # root itself, nothing, too far
        (["me:100000:65536", "me:120000:65536"], ((100000, 65536),)),  # the kernel refuses overlapping ones
    ],
)
def test_ranges_are_those_of_the_name_or_the_number(lines: list[str], want: tuple[tuple[int, int], ...]) -> None:
    assert parse_ranges(lines, ["me", "1000"]) == want


def test_a_user_without_a_name_is_told_what_is_missing() -> None:
    found = find_sub_ids(4_000_000_001)
    assert isinstance(found, NoSubIds)
    assert "no name in /etc/passwd" in found.reason or "not installed" in found.reason


def test_what_is_found_suffices_for_the_users_of_an_image() -> None:
    found = find_sub_ids(os.geteuid())
    if isinstance(found, SubIds):
        assert sum(count for _, count in found.uids) >= 65535
        assert sum(count for _, count in found.gids) >= 65535
    else:
        assert found.hint
