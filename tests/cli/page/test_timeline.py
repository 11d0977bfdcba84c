"""The model behind a report: who waited for what, what ran beside what, and in which lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.cli.builds.steps import every_step
from llbuild.cli.drawing import make_picture
from llbuild.cli.page.lanes import assign_lanes, slices_of
from llbuild.cli.page.timeline import Bar, make_timeline, running_over_time
from llbuild.digest import blake3_digest
from llbuild.solver import BuildRecord, Outcome
from llbuild.tests.cli.builds.recorded import completed, failed

if TYPE_CHECKING:
    from llbuild.cli.page.timeline import Timeline


def timeline_of(record: BuildRecord) -> Timeline:
    return make_timeline(record, every_step(record), make_picture(record.definitions, record))


def bar(number: int, started: float, completed: float, *inputs: int, group: str = "") -> Bar:
    return Bar(
        number=number,
        vertex=blake3_digest(b"%d" % number),
        name=str(number),
        text=str(number),
        group=group,
        outcome=Outcome.EXECUTED,
        inputs=tuple(blake3_digest(b"%d" % one) for one in inputs),
        started=started,
        completed=completed,
    )


def test_groups_are_stages_by_their_start_and_rows_by_theirs() -> None:
    groups = [(group.name, [bar.text for bar in group.bars]) for group in timeline_of(completed()).groups]
    assert groups == [
        ("sources", ["FROM busybox:latest", "load build context"]),
        ("build", ["COPY src /src", 'RUN make "all" && <check>']),
        ("stage-1", ["COPY --from=build /app /", "RUN adduser app"]),
        ("around the graph", ["exporting image"]),
    ]


def test_a_step_is_ready_when_the_last_of_its_inputs_ends() -> None:
    bars = {bar.text: bar for bar in timeline_of(failed()).bars}
    make = bars['RUN make "all" && <check>']
    assert make.ready == pytest.approx(0.7)
    assert make.waited_s == pytest.approx(0.3)
    assert bars["COPY src /src"].waited_s == 0
    # What has no input that ran was ready when the first thing was known.
    assert bars["RUN adduser app"].ready == pytest.approx(0.5)
    assert bars["COPY --from=build /app /"].ready is None


def test_the_critical_path_is_in_order_and_a_failed_builds_ends_where_it_failed() -> None:
    assert [bar.text for bar in timeline_of(completed()).path] == [
        "load build context",
        "COPY src /src",
        'RUN make "all" && <check>',
        "COPY --from=build /app /",
    ]
    assert timeline_of(failed()).path[-1].outcome is Outcome.FAILED


def test_a_build_without_a_graph_has_no_path() -> None:
    record = BuildRecord(summary=failed().summary)
    found = timeline_of(record)
    assert (found.bars, found.path, found.groups, found.maximum, found.average) == ((), (), (), 0, 0.0)


def test_parallelism_is_counted_from_change_to_change() -> None:
    bars = [bar(1, 0, 2), bar(2, 1, 3), bar(3, 2, 2), bar(4, 3, 4), bar(5, 6, 8)]
    assert running_over_time(bars) == ((0, 1), (1, 2), (2, 1), (4, 0), (6, 1), (8, 0))


def test_average_and_maximum_are_of_the_time_in_which_anything_ran() -> None:
    found = timeline_of(failed())
    # 0.5-0.7 one after the other, then adduser for 1 s with make beside it for the last 0.7
    assert found.maximum == 2
    assert found.average == pytest.approx(1.9 / 1.2)
    assert found.first_s == pytest.approx(0.5)


def test_a_step_takes_over_the_lane_of_its_input_or_of_its_stage() -> None:
    bars = [
        *(bar(1, 0, 1, group="a"), bar(2, 0, 1, group="b"), bar(3, 1, 2, 2, group="c")),
        *(bar(4, 1, 2, group="a"), bar(5, 3, 4, group="c"), bar(6, 5, 6, group="new")),
    ]
    lanes = assign_lanes(slices_of(bars))
    assert [lanes[one.vertex] for one in bars] == [0, 1, 1, 0, 1, 0]


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), max_size=40))
def test_lanes_hold_one_step_at_a_time_and_are_as_few_as_can_be(
    spans: list[tuple[float, float]],
) -> None:
    bars = [bar(number, start, start + length) for number, (start, length) in enumerate(spans)]
    slices = slices_of(bars)
    lanes = assign_lanes(slices)
    ends: dict[int, int] = {}
    most = 0
    for one, start, end in slices:
        lane = lanes[one.vertex]
        assert start >= ends.get(lane, 0)
        assert end > start
        ends[lane] = end
        most = max(most, sum(begin <= start < until for _, begin, until in slices))
    assert len(ends) == most
