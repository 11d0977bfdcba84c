"""What rules remove, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from llbuild.solver.gc import Disk, EntryType, Rule, Space, choose, default_rules, parse_filter
from llbuild.tests.solver.gc.samples import NOW, entry

if TYPE_CHECKING:
    from llbuild.solver.gc import Entry

DISK = Disk(total_bytes=1000, free_bytes=500)
DAY = 86400.0


def chosen(entries: list[Entry], *rules: Rule, disk: Disk = DISK) -> list[str]:
    return [one.id for one in choose(entries, rules, disk, NOW)]


def test_without_a_limit_all_that_nobody_needs_goes_oldest_first() -> None:
    entries = [
        entry("new", age_s=1),
        entry("old", age_s=9),
        entry("used", in_use=True),
        entry("kept", images=frozenset("x")),
    ]
    assert chosen(entries, Rule()) == ["old", "new"]


def test_of_equal_age_upper_layers_go_first() -> None:
    assert chosen([entry("a"), entry("c", depth=2), entry("b", depth=1)], Rule()) == ["c", "b", "a"]


def test_the_stores_own_goes_only_when_all_is_asked_for_and_what_is_permanent_never() -> None:
    entries = [entry("memo", type=EntryType.INTERNAL), entry("db", type=EntryType.INTERNAL, permanent=True)]
    assert chosen(entries, Rule()) == []
    assert chosen(entries, Rule(all_types=True)) == ["memo"]


def test_a_limit_removes_no_more_than_it_must() -> None:
    entries = [entry(str(number), 10, age_s=number) for number in range(5)]
    assert chosen(entries, Rule(max_used_space=Space(30))) == ["4", "3"]
    assert chosen(entries, Rule(max_used_space=Space(50))) == []
    assert chosen(entries, Rule(reserved_space=Space(45))) == ["4"]


def test_free_space_is_made_but_never_from_what_is_reserved() -> None:
    entries = [entry(str(number), 100, age_s=number) for number in range(4)]
    assert chosen(entries, Rule(min_free_space=Space(600))) == ["3"]
    assert chosen(entries, Rule(min_free_space=Space(percent=90), reserved_space=Space(250))) == ["3", "2"]
    assert chosen(entries, Rule(min_free_space=Space(500))) == []


def test_what_images_need_does_not_count() -> None:
    entries = [entry("image", 1000, images=frozenset("x")), entry("a", 10)]
    assert chosen(entries, Rule(max_used_space=Space(50))) == []


def test_what_has_another_name_outside_frees_nothing_and_so_spares_nothing() -> None:
    entries = [entry("linked", 50, age_s=2, linked=True, shared=True), entry("own", 50, age_s=1)]
    assert chosen(entries, Rule(max_used_space=Space(10))) == ["linked", "own"]


def test_a_duration_keeps_what_was_used_within_it() -> None:
    entries = [entry("young", age_s=DAY), entry("old", age_s=3 * DAY)]
    assert chosen(entries, Rule(keep_duration_s=2 * DAY)) == ["old"]


def test_a_time_in_the_future_is_no_age() -> None:
    assert chosen([entry("tomorrow", age_s=-DAY)], Rule(keep_duration_s=2 * DAY)) == []


def test_filters_are_alternatives() -> None:
    entries = [entry("m", type=EntryType.CACHE_MOUNT), entry("s", type=EntryType.LOCAL_SOURCE), entry("r")]
    rule = Rule(filters=(parse_filter("type=exec.cachemount"), parse_filter("type=source.local,id=s")))
    assert sorted(chosen(entries, rule)) == ["m", "s"]


def test_images_go_with_what_only_they_need() -> None:
    entries = [
        entry("x", 0, type=EntryType.IMAGE, age_s=5),
        entry("y", 0, type=EntryType.IMAGE, age_s=1),
        entry("of-x", images=frozenset({"x"}), age_s=5),
        entry("of-both", images=frozenset({"x", "y"}), age_s=1),
    ]
    everything = Rule(all_types=True, images=True)
    assert chosen(entries, everything) == ["x", "of-x", "y", "of-both"]
    old = Rule(all_types=True, images=True, keep_duration_s=3)
    assert chosen(entries, old) == ["x", "of-x"]
    only_blobs = Rule(images=True, filters=(parse_filter("id~=of-"),))
    assert chosen(entries, only_blobs) == []


def test_rules_follow_one_another_and_count_what_was_freed() -> None:
    entries = [entry("mount", 100, type=EntryType.CACHE_MOUNT, age_s=9), entry("layer", 100, age_s=99)]
    first = Rule(filters=(parse_filter("type=exec.cachemount"),))
    second = Rule(min_free_space=Space(600))
    assert chosen(entries, first, second) == ["mount"]


def test_the_default_policy() -> None:
    big = Disk(total_bytes=10**12, free_bytes=5 * 10**11)
    entries = [
        entry("mount", 10**9, type=EntryType.CACHE_MOUNT, age_s=3 * DAY),
        entry("fresh-mount", 10**9, type=EntryType.CACHE_MOUNT, age_s=DAY),
        entry("ancient", 10**9, age_s=61 * DAY),
        entry("layer", 10**9, age_s=30 * DAY),
    ]
    # Below the reserved 10 GB only what is made most easily goes.
    assert chosen(entries, *default_rules(big), disk=big) == ["mount"]
    entries.append(entry("huge", 120 * 10**9, age_s=2 * DAY))
    assert chosen(entries, *default_rules(big), disk=big) == ["mount", "ancient", "layer", "huge"]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50), st.booleans(), st.booleans()), max_size=30),
    st.integers(0, 2000),
)
def test_a_limit_is_kept_or_nothing_removable_is_left(shapes: list[tuple[int, int, bool, bool]], most: int) -> None:
    entries = [
        entry(str(number), size, age_s=age, in_use=in_use, images=frozenset({"x"} if kept else ()))
        for number, (size, age, in_use, kept) in enumerate(shapes)
    ]
    rule = Rule(max_used_space=Space(most + 1))
    gone = set(chosen(entries, rule))
    left = sum(one.size_bytes for one in entries if one.id not in gone and not one.images)
    removable = [one for one in entries if rule.covers(one, NOW) and one.id not in gone]
    assert left <= most + 1 or not removable
    assert all(not one.in_use and not one.images for one in entries if one.id in gone)
    assert not gone or max(one.last_used for one in entries if one.id in gone) <= min(
        (one.last_used for one in removable), default=NOW
    )
