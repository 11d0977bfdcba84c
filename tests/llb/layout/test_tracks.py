"""Who runs beside whom in a gap."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.llb.layout.tracks import Lane, assign_tracks

STRETCHES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(STRETCHES, st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=8))
def test_what_meets_runs_on_different_tracks_and_who_comes_first_stays_first(
    stretches: list[tuple[int, int]], order: list[tuple[int, int]]
) -> None:
    lane = Lane()
    for number, (one, other) in enumerate(stretches):
        lane.need((number, True), one, other)
    before = [(a, b) for a, b in order if a < b < len(stretches)]  # never in a circle
    for first, second in before:
        lane.put_after((second, True), (first, True))
    tracks, count = assign_tracks(lane)
    assert count == 1 + max(tracks.values(), default=-1)
    for (one, a), (other, b) in combinations(enumerate(stretches), 2):
        if min(a) <= max(b) and min(b) <= max(a):
            assert tracks[one, True] != tracks[other, True]
    assert all(tracks[first, True] < tracks[second, True] for first, second in before)


def test_wishes_that_go_round_in_a_circle_still_give_a_track_each() -> None:
    lane = Lane()
    lane.need((0, True), 0, 5)
    lane.need((1, True), 1, 6)
    lane.put_after((0, True), (1, True))
    lane.put_after((1, True), (0, True))
    assert sorted(assign_tracks(lane)[0].values()) == [0, 1]


def test_a_net_needs_one_track_for_all_its_wires() -> None:
    lane = Lane()
    lane.need((0, True), 4, 1)
    lane.need((0, True), 9, 8)
    lane.need((1, True), 5, 6)
    tracks, count = assign_tracks(lane)
    assert count == 2
    assert tracks[0, True] != tracks[1, True]
