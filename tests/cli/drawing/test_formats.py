"""SVG, DOT, Mermaid and JSON: valid whatever the names are, and saying what they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.cli.drawing import RENDERERS, make_picture
from llbuild.cli.text import cell_width
from llbuild.llb import Definition, Metadata, image, scratch
from llbuild.tests.cli.drawing.samples import half_cached, odd_chain, two_stages

if TYPE_CHECKING:
    from llbuild.cli.drawing import Picture

SVG = "{http://www.w3.org/2000/svg}"
_DOT_STRING = r'"(?:[^"\\\n]|\\.)*"'
_DOT_LINE = re.compile(
    rf"\s*(?:digraph build {{|rankdir=TB;|(?:node|edge) \[.*\];|subgraph cluster_\d+ {{|label={_DOT_STRING};"
    rf"|style=rounded;|}}|n\d+ \[\w+={_DOT_STRING}(?:, \w+={_DOT_STRING})*\];"
    r"|n\d+ -> n\d+(?: \[(?:style=dashed|penwidth=3|, )+\])?;)"
)
_MERMAID_TEXT = r'"[^"\n]*"'
_MERMAID_LINE = re.compile(
    rf"flowchart TB|\s*(?:subgraph s\d+\[{_MERMAID_TEXT}\]|end|n\d+\[{_MERMAID_TEXT}\](?::::\w+)?"
    r"|n\d+ (?:-->|-\.->) n\d+|linkStyle [\d,]+ stroke-width:4px|classDef \w+ [\w:#,]+)"
)


def picture_of_build() -> Picture:
    record = half_cached()
    return make_picture(record.definitions, record)


def svg(picture: Picture) -> ET.Element:
    return ET.fromstring(RENDERERS["svg"](picture).encode())


def texts(element: ET.Element) -> list[str]:
    return ["".join(found.itertext()) for found in element.iter(f"{SVG}text")]


def check_valid(definition: Definition) -> None:
    picture = make_picture([definition])
    assert len(list(svg(picture).iter(f"{SVG}text"))) > len(picture.nodes)
    for line in RENDERERS["dot"](picture).splitlines():
        assert _DOT_LINE.fullmatch(line), line
    for line in RENDERERS["mermaid"](picture).splitlines():
        assert _MERMAID_LINE.fullmatch(line), line
    assert len(json.loads(RENDERERS["json"](picture))["vertices"]) == len(picture.nodes)


@pytest.mark.parametrize("definition", [two_stages(), odd_chain(), scratch().marshal()], ids=["stages", "odd", "empty"])
def test_every_format_is_valid(definition: Definition) -> None:
    check_valid(definition)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5), st.text())
def test_every_format_is_valid_whatever_the_names(names: list[str], stage: str) -> None:
    state = image(names[0])
    for number, name in enumerate(names):
        shown = f"[{stage} {number}/5] {name}" if number % 2 else name
        state = state.run(f"{number}", metadata=Metadata(name=shown)).root
    check_valid(state.marshal())


def test_graphviz_reads_the_dot() -> None:
    if shutil.which("dot") is None:
        pytest.skip("needs Graphviz")
    for definition in (two_stages(), odd_chain(), scratch().marshal()):
        text = RENDERERS["dot"](make_picture([definition]))
        done = subprocess.run(
            ["dot", "-Tcanon"], input=text.encode(errors="replace"), capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr


def test_the_svg_says_what_ran_and_for_how_long() -> None:
    drawing = svg(picture_of_build())
    found = texts(drawing)
    assert found[0] == "Build 7: completed, 4.0s, 6 steps (1 cached, 4 executed, 1 not needed)"
    assert "2/3 · line 6 · cached" in found
    assert "3/3 · line 4 · executed 2.5s" in found
    assert 'RUN make "all" && <check>' in found
    assert {"cached", "executed", "not needed", "is built on", "reads from", "critical path"} <= set(found)
    titles = ["".join(title.itertext()) for title in drawing.iter(f"{SVG}title")]
    tooltip = next(title for title in titles if title.startswith("[build 3/3]"))
    digest = next(node.digest for node in picture_of_build().nodes if node.text.startswith("RUN make"))
    assert tooltip.splitlines() == [
        '[build 3/3] RUN make "all" && <check>',
        "from Dockerfile:4",
        "executed 2.5s",
        "on the critical path",
        digest,
    ]


def test_the_svg_brings_no_scripts_and_asks_nobody() -> None:
    text = RENDERERS["svg"](make_picture([odd_chain()]))
    drawing = ET.fromstring(text.encode(errors="replace"))
    assert {element.tag.removeprefix(SVG) for element in drawing.iter()} <= {
        *("svg", "title", "style", "defs", "marker", "path", "rect", "text", "tspan", "g"),
    }
    assert "prefers-color-scheme:dark" in text
    names = {name for element in drawing.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in names)


def test_texts_fit_into_their_boxes() -> None:
    drawing = svg(make_picture([odd_chain()]))
    for group in drawing.iter(f"{SVG}g"):
        box = next((child for child in group if (child.get("class") or "").startswith("box")), None)
        if box is None:
            continue
        for text in (child for child in group if child.tag == f"{SVG}text"):
            assert cell_width("".join(text.itertext())) * 6 <= float(box.get("width", "0"))
            assert float(text.get("y", "0")) < float(box.get("y", "0")) + float(box.get("height", "0"))


def test_pins_and_indentation_are_not_shown() -> None:
    found = texts(svg(make_picture([two_stages()])))
    assert "FROM busybox:latest" in found
    long = image("a").run("x", metadata=Metadata(name="RUN one &&     two")).root.marshal()
    assert "RUN one && two" in texts(svg(make_picture([long])))


def test_dot_draws_stages_as_clusters_and_colours_outcomes() -> None:
    text = RENDERERS["dot"](picture_of_build())
    assert text.count("subgraph cluster_") == 2
    assert 'label="RUN adduser app\\n2/3 · cached"' in text
    assert 'fillcolor="#d8f0dd"' in text
    assert text.count("penwidth=3") == 3


def test_mermaid_draws_stages_as_subgraphs() -> None:
    lines = RENDERERS["mermaid"](picture_of_build()).splitlines()
    assert lines[:3] == [
        "flowchart TB",
        '  subgraph s0["stage-1"]',
        '    n1["RUN adduser app<br/>2/3 · cached"]:::cached',
    ]
    assert "  n0 --> n1" in lines
    assert any("-.->" in line for line in lines)


def test_json_has_everything() -> None:
    found = json.loads(RENDERERS["json"](picture_of_build()))
    assert found["stages"] == ["stage-1", "build"]
    assert found["build"] == {"id": 7, "status": "completed", "duration_s": 4.0}
    make = next(vertex for vertex in found["vertices"] if vertex["text"].startswith("RUN make"))
    assert make["outcome"] == "executed"
    assert make["duration_s"] == 2.5
    assert make["started"] == "2023-11-14T22:13:20.2Z"
    assert make["source"] == [{"file": "Dockerfile", "line": 4}]
    assert make["command"] == ["/bin/sh", "-c", "make"]
    assert make["digest"] in found["critical_path"]
    assert {"source", "target", "output", "base"} <= found["edges"][0].keys()
    assert [vertex["text"] for vertex in found["vertices"] if vertex.get("target")] == ["COPY --from=build /app /"]
