"""Attestations for reading in a terminal: what matters of each, a line a fact. `--format json` has all of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..text import clip, single_line
from ..units import human_duration, human_size, seconds_since_1970

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...image import Descriptor
    from .attached import AttestedImage, FoundStatement

__all__ = ["render_attestations"]

_PROVENANCE = "https://slsa.dev/provenance/"
_SPDX = "https://spdx.dev/Document"
_WIDEST = 160
_MOST = 40  # lines of one kind; a stranger may have written thousands


def render_attestations(name: str, target: Descriptor, images: list[AttestedImage]) -> str:
    """Every line ends with a newline."""
    lines = [f"{name} {target.digest}"]
    for image in images:
        lines += ["", f"{image.platform or 'image'} {image.digest}"]
        if not image.statements:
            lines.append("  nothing is said of it")
        for statement in image.statements:
            lines.append(f"  {statement.type or 'unreadable'} ({human_size(statement.size_bytes)})")
            lines += [f"    {key:<13} {value}" if key else f"    {'':<13} {value}" for key, value in _facts(statement)]
    return "".join(f"{clip(_shown(line), _WIDEST)}\n" for line in lines)


def _shown(line: str) -> str:
    """Harmless, with its indentation."""
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + single_line(line)


def _facts(found: FoundStatement) -> Iterator[tuple[str, str]]:
    if found.error:
        yield "error", found.error
        return
    if not found.about_it:
        yield "warning", "this image is not among what it says it is about"
    if found.type.startswith(_PROVENANCE):
        yield from _provenance(found.predicate)
    elif found.type == _SPDX:
        yield from _packages(found.predicate)


def _provenance(predicate: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """v1, and v0.2 under its names."""
    old = "invocation" in predicate
    details, definition = _at(predicate, "runDetails"), _at(predicate, "buildDefinition")
    times = _at(predicate, "metadata") if old else _at(details, "metadata")
    request = _at(predicate, "invocation", "parameters") if old else _at(definition, "externalParameters", "request")
    source = (
        _at(predicate, "invocation", "configSource") if old else _at(definition, "externalParameters", "configSource")
    )
    config = _at(predicate, "buildConfig") if old else _at(definition, "internalParameters", "buildConfig")
    dependencies = _list(predicate, "materials") if old else _list(definition, "resolvedDependencies")
    builder = _at(predicate, "builder") if old else _at(details, "builder")
    versions = " ".join(f"{key} {value}" for key, value in _at(builder, "version").items())
    yield "builder", ", ".join(filter(None, (_text(builder, "id"), versions))) or "not named"
    yield from _when(times, old)
    yield "frontend", _text(request, "frontend") or "none"
    file = _text(source, "entryPoint" if old else "path")
    yield "build file", " of ".join(filter(None, (file, _text(source, "uri")))) or "not told"
    yield from _many("argument", [f"{key}={value}" for key, value in _at(request, "args").items()])
    for kind, word in (("secrets", "secret"), ("ssh", "ssh agent"), ("locals", "folder")):
        names = [_text(item, "name") or _text(item, "id") for item in _list(request, kind) if isinstance(item, dict)]
        yield from _many(word, names)
    yield from _many("made of", [f"{_text(one, 'uri')} {_digests(one)}" for one in dependencies])
    steps = _list(config, "llbDefinition")
    if steps:
        yield "steps", str(len(steps))


def _when(times: dict[str, Any], old: bool) -> Iterator[tuple[str, str]]:
    started, finished = (
        _text(times, key) for key in (("buildStartedOn", "buildFinishedOn") if old else ("startedOn", "finishedOn"))
    )
    begin, end = seconds_since_1970(started), seconds_since_1970(finished)
    if begin is not None and end is not None:
        yield "built", f"{started}, in {human_duration(max(0.0, end - begin))}"


def _packages(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    creation = _at(document, "creationInfo")
    makers = ", ".join(str(one) for one in _list(creation, "creators"))
    yield "made", f"{_text(creation, 'created')} by {makers or 'nobody'}"
    packages = [one for one in _list(document, "packages") if isinstance(one, dict)]
    purls = [_purl(one) for one in packages]
    kinds = Counter(purl.removeprefix("pkg:").partition("/")[0] for purl in purls if purl.startswith("pkg:"))
    yield "packages", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    yield from _many("", [purl for purl in purls if purl])
    if _text(creation, "comment"):
        yield "comment", _text(creation, "comment")


def _purl(package: dict[str, Any]) -> str:
    refs = [one for one in _list(package, "externalRefs") if isinstance(one, dict)]
    return next((_text(one, "referenceLocator") for one in refs if one.get("referenceType") == "purl"), "")


def _many(word: str, values: list[str]) -> Iterator[tuple[str, str]]:
    for number, value in enumerate(values[:_MOST]):
        yield ("" if number else word), value
    if len(values) > _MOST:
        yield "", f"… {len(values) - _MOST} more"


def _digests(item: object) -> str:
    return " ".join(f"{key}:{value}" for key, value in _at(item, "digest").items())


def _at(value: object, *keys: str) -> dict[str, Any]:
    """The object under a path of keys; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _list(value: object, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _text(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
