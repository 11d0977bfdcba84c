"""One page about one build: self-contained HTML, for a browser without a network, or for paper. No scripts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...solver import BuildStatus, Outcome
from ...values import frozen
from ..builds.listing import build_title
from ..drawing import inline_svg, make_picture
from ..report import excerpt
from ..text import single_line
from ..units import human_duration, human_size
from .cache import cache_section
from .chart import parallelism_chart
from .critical import path_table
from .gantt import LogShelf, gantt
from .layers import layer_table
from .markup import block, clipped, line
from .style import STYLE
from .timeline import make_timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...errors import BuildWarning
    from ...solver import BuildRecord, StepLog
    from ..drawing import Picture
    from ..explain import ExplainedStep
    from .layers import LayerSize
    from .timeline import Timeline

__all__ = ["Subject", "render_page"]

_LARGEST_GRAPH = 300  # vertices; a larger one is a picture to look at for itself
_MOST_WARNINGS = 100
_OPENED_WARNINGS = 3
_WORTH_TELLING = 0.05  # of the build's time
_MARKS = {BuildStatus.COMPLETED: "✓", BuildStatus.FAILED: "✗", BuildStatus.CANCELED: "■"}


@frozen
class Subject:
    """What a page is about. `layers` is None where the image is not in the store (any more)."""

    record: BuildRecord
    steps: tuple[ExplainedStep, ...]  # everything the build did, numbered
    logs: tuple[StepLog, ...] = ()
    layers: tuple[LayerSize, ...] | None = None


def render_page(subject: Subject) -> str:
    """The whole document."""
    record = subject.record
    build = record.summary
    picture = make_picture(record.definitions, record)
    timeline = make_timeline(record, subject.steps, picture)
    title = f"Build {build.id}: {single_line(build_title(build))}"
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n',
            f"<title>{line(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
            _header(record),
            _tiles(subject, timeline),
            _facts(record),
            *_sections(subject, timeline, picture),
            f"<footer>Made by llbuild from its build history: <code>llbuild builds report {build.id}</code></footer>\n",
            "</body>\n</html>\n",
        ]
    )


def _header(record: BuildRecord) -> str:
    build, details = record.summary, record.details
    status = f'<span class="badge {build.status.value}">{_MARKS[build.status]} {build.status.value}</span>'
    when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(build.started))
    told = [f"Build {build.id}", when]
    if details.version:
        told.append(f"llbuild {details.version}" + (f" on {details.cpus} CPUs" if details.cpus else ""))
    heading = f"<h1>{clipped(build_title(build), 200)} {status}</h1>"
    return f"<header>{heading}<p class=faint>{line(' · '.join(told))}</p></header>\n"


def _tiles(subject: Subject, timeline: Timeline) -> str:
    vertices = [bar for bar in timeline.bars if bar.node is not None]
    hits = sum(bar.outcome in {Outcome.CACHED, Outcome.UNNEEDED} for bar in vertices)
    tiles = [(human_duration(timeline.duration_s), "took"), (f"{len(vertices):,}", "steps in the graph")]
    if vertices:
        tiles.append((f"{hits:,} ({100 * hits / len(vertices):.0f}%)", "did not have to run"))
    tiles.append((f"{sum(bar.started is not None for bar in vertices):,}", "ran"))
    if timeline.path:
        tiles.append((f"{timeline.average:.1f}", f"ran at once on average, {timeline.maximum} at most"))
    if subject.layers is not None:
        count = len(subject.layers)
        size = human_size(sum(layer.size_bytes for layer in subject.layers))
        tiles.append((size, f"in {count} layer{'' if count == 1 else 's'}, compressed"))
    cells = "".join(f"<div class=tile><b>{line(value)}</b><span>{line(what)}</span></div>" for value, what in tiles)
    return f"<div class=tiles>{cells}</div>\n"


def _facts(record: BuildRecord) -> str:
    build, details = record.summary, record.details
    facts = [
        ("names", ", ".join(build.names)),
        ("context", build.context),
        ("frontend", details.frontend),
        ("target", build.target),
        ("platform", build.platform),
        ("result", build.result or ""),
        ("at most at once", str(details.limit or "")),
        *((f"option {name}", value or "(set)") for name, value in details.options if name != "target"),
    ]
    rows = "".join(
        f"<dt>{clipped(name, 60)}</dt><dd class=mono>{clipped(value, 400)}</dd>" for name, value in facts if value
    )
    return f"<dl class=facts>{rows}</dl>\n"


def _sections(subject: Subject, timeline: Timeline, picture: Picture) -> Iterator[str]:
    record = subject.record
    if record.summary.error or record.details.report:
        yield _section("error", "What went wrong", _error(record))
    if timeline.bars:
        shelf = LogShelf(subject.logs, record.summary.started, build=record.summary.id)
        yield _section("timeline", "Timeline", _hint(timeline) + gantt(timeline, shelf))
    if timeline.path:
        yield _section("critical-path", "Critical path", path_table(timeline))
    if timeline.path:
        yield _section("parallelism", "Steps running at once", parallelism_chart(timeline, record.details.cpus))
    if picture.nodes:
        yield _section("cache", "Cache", cache_section(timeline))
    if subject.layers is not None:
        yield _section("layers", "Size by layer", layer_table(subject.layers))
    elif record.summary.result is not None:
        gone = "<p class=faint>The image is not in the local store any more.</p>\n"
        yield _section("layers", "Size by layer", gone)
    if record.details.warnings:
        yield _section("warnings", "Warnings", _warnings(record))
    if picture.nodes:
        yield _section("graph", "Graph", _graph(record, picture))


def _hint(timeline: Timeline) -> str:
    told = ["A row opens to tell more, and to show what the step printed."]
    if not timeline.path:
        told.insert(0, "Nothing had to run.")
    if timeline.duration_s and timeline.first_s / timeline.duration_s > _WORTH_TELLING:
        told.append(
            f"The first {human_duration(timeline.first_s)} went by before any step:"
            " starting, compiling, looking into the cache."
        )
    return f"<p class=faint>{' '.join(told)}</p>\n"


def _section(name: str, heading: str, body: str) -> str:
    return f'<section id="{name}">\n<h2>{heading}</h2>\n{body}</section>\n'


def _error(record: BuildRecord) -> str:
    return f"<pre class=wrap>{block(record.details.report or record.summary.error)}</pre>\n"


def _warnings(record: BuildRecord) -> str:
    sources = {path: source.data.decode(errors="replace") for path, source in record.sources().items()}
    warnings = record.details.warnings
    opened = len(warnings) <= _OPENED_WARNINGS
    parts = [_warning(warning, sources, opened=opened) for warning in warnings[:_MOST_WARNINGS]]
    if len(warnings) > _MOST_WARNINGS:
        parts.append(f"<p class=faint>and {len(warnings) - _MOST_WARNINGS} more</p>\n")
    return "".join(parts)


def _warning(warning: BuildWarning, sources: dict[str, str], *, opened: bool) -> str:
    head = f"<b>{line(warning.rule)}</b>: {line(warning.message)}"
    at = warning.at
    if at is None or at.path not in sources:
        return f"<p>{head}</p>\n"
    shown = excerpt(sources[at.path], at, caret=warning.focus)
    place = f"<span class=faint>{line(f'{at.path}:{at.line}')}</span>"
    return (
        f"<details class=more{' open' if opened else ''}><summary>{head} {place}</summary>"
        f"<pre>{block(shown)}</pre></details>\n"
    )


def _graph(record: BuildRecord, picture: Picture) -> str:
    if len(picture.nodes) > _LARGEST_GRAPH:
        command = f"llbuild graph --build {record.summary.id} -o graph.svg"
        many = f"{len(picture.nodes):,} steps are too many for this page"
        return f"<p class=faint>{many}: <code>{command}</code> draws them.</p>\n"
    return f'<div class="scroll">{inline_svg(picture)}</div>\n'
