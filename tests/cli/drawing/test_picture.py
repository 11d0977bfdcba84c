"""What a drawing shows, whatever the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.cli.drawing import make_picture
from llbuild.llb import Definition, Metadata, State, image, local, scratch
from llbuild.solver import Outcome
from llbuild.tests.cli.drawing.samples import half_cached, ran, record_of, two_stages
from llbuild.values import replace

if TYPE_CHECKING:
    from llbuild.cli.drawing import Picture
    from llbuild.solver import Step


def links(picture: Picture) -> dict[tuple[str, str], str]:
    """By the texts of both ends: how a link is drawn."""
    text = {node.digest: node.text for node in picture.nodes}
    return {
        (text[link.source], text[link.target]): ("base" if link.base else "reads") + "!" * link.critical
        for link in picture.links
    }


def states(picture: Picture) -> dict[str, str]:
    return {node.text.partition("@")[0]: node.state for node in picture.nodes}


def test_stages_come_from_the_names_and_what_several_stages_read_is_in_none() -> None:
    picture = make_picture([two_stages()])
    assert picture.stages == ("stage-1", "build")
    where = {node.text.partition("@")[0]: (node.stage, node.step) for node in picture.nodes}
    assert where == {
        "FROM docker.io/library/busybox:latest": ("", ""),
        "RUN adduser app": ("stage-1", "2/3"),
        "load build context": ("", ""),
        "COPY src /src": ("build", "2/3"),
        'RUN make "all" && <check>': ("build", "3/3"),
        "COPY --from=build /app /": ("stage-1", "3/3"),
    }
    assert [node.text for node in picture.nodes if node.wanted] == ["COPY --from=build /app /"]


def test_a_link_is_a_base_or_something_read() -> None:
    found = links(make_picture([two_stages()]))
    assert found["RUN adduser app", "COPY --from=build /app /"] == "base"
    assert found['RUN make "all" && <check>', "COPY --from=build /app /"] == "reads"
    assert found["load build context", "COPY src /src"] == "reads"
    assert len(found) == 6


def test_without_a_build_nothing_has_an_outcome() -> None:
    picture = make_picture([two_stages()])
    assert set(states(picture).values()) == {""}
    assert picture.build is None


def test_a_build_gives_outcomes_durations_and_the_critical_path() -> None:
    record = half_cached()
    picture = make_picture(record.definitions, record)
    assert states(picture) == {
        "FROM docker.io/library/busybox:latest": "not needed",
        "RUN adduser app": "cached",
        "load build context": "executed 100ms",
        "COPY src /src": "executed 100ms",
        'RUN make "all" && <check>': "executed 2.5s",
        "COPY --from=build /app /": "executed 50ms",
    }
    assert [node.text for node in picture.nodes if node.critical] == [
        "load build context",
        "COPY src /src",
        'RUN make "all" && <check>',
        "COPY --from=build /app /",
    ]
    assert sorted(kind for kind in links(picture).values() if "!" in kind) == ["base!", "reads!", "reads!"]


def test_what_was_never_reached_is_no_cancelled_work() -> None:
    record = record_of(
        two_stages(),
        {"<check>": ran(Outcome.FAILED, 0, 1, "exit code 2"), "/app /": _never(), "adduser app": _stopped()},
    )
    found = states(make_picture(record.definitions, record))
    assert found['RUN make "all" && <check>'] == "failed 1.0s"
    assert found["COPY --from=build /app /"] == "not reached"
    assert found["RUN adduser app"] == "canceled 500ms"


def _never() -> Step:
    return replace(ran(Outcome.CANCELED, 0, 0), started=None, completed=None)


def _stopped() -> Step:
    return ran(Outcome.CANCELED, 0, 0.5)


def test_links_that_only_repeat_are_left_out_unless_all_are_wanted() -> None:
    state = image("docker.io/library/busybox:latest")
    context = local("context")
    definition = state.copy(context, "/a", "/a").copy(context, "/b", "/b").marshal()
    assert len(make_picture([definition]).links) == 3
    assert len(make_picture([definition], whole=True).links) == 4


def test_a_base_is_shown_even_when_a_longer_way_leads_there() -> None:
    base = image("docker.io/library/busybox:latest")
    tool = base.run("tool", metadata=Metadata(name="tool")).root
    definition = base.copy(tool, "/t", "/t").marshal()
    assert "base" in links(make_picture([definition])).values()
    assert len(make_picture([definition]).links) == 3


def test_several_definitions_are_one_picture() -> None:
    one, two = _ending("one"), _ending("two")
    picture = make_picture([one.marshal(), two.marshal()])
    assert [node.name for node in picture.nodes if node.wanted] == ["one", "two"]
    assert len(picture.nodes) == 3


def _ending(name: str) -> State:
    return image("docker.io/library/busybox:latest").run(name, metadata=Metadata(name=name)).root


def test_an_empty_filesystem_is_a_picture_without_nodes() -> None:
    assert make_picture([scratch().marshal()]).nodes == ()
    assert make_picture([Definition()]).links == ()
