"""`llbuild compile --format json`: a graph for people to read, and for `jq`.

Ops stand inputs first and are numbered from 1. An input is written as its op's number and name, and the output
where it is not the first: `3 [build 2/4] WORKDIR /src`, `5 [2/2] RUN make: output 1`. What an op does stands under its
kind (`exec`, `file`, `source`, …), in the words of BuildKit's schema.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..image import encode_config
from ..llb import Metadata
from ..proto import plain_definition
from .bundle import described_warning
from .listing import render_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..digest import Digest
    from ..frontend import Compiled, PlatformResult
    from ..llb import Definition, Edge
    from ..span import Span

__all__ = ["readable"]

_NOTHING = Metadata()


def readable(compiled: Compiled) -> str:
    """The document, indented."""
    return render_json(
        {
            "results": [_result(result) for result in compiled.results],
            "warnings": [described_warning(warning) for warning in compiled.warnings],
        }
    )


def _result(result: PlatformResult) -> dict[str, Any]:
    definition = result.definition
    names = _references(definition)
    return {
        "platform": result.platform.with_version,
        "root": None if definition.root is None else _reference(definition.root, names),
        "ops": _ops(definition, names),
        "image": json.loads(encode_config(result.image)),
    }


def _references(definition: Definition) -> Mapping[Digest, str]:
    said = definition.metadata_of()
    return {
        vertex.digest: f"{number} {said.get(vertex.digest, _NOTHING).name}".rstrip()
        for number, vertex in enumerate(definition.vertices, start=1)
    }


def _reference(edge: Edge, names: Mapping[Digest, str]) -> str:
    return names[edge.vertex] + (f": output {edge.output}" if edge.output else "")


def _ops(definition: Definition, names: Mapping[Digest, str]) -> list[dict[str, Any]]:
    said = definition.metadata_of()
    plain = plain_definition(definition)["ops"]
    ops = []
    for number, (vertex, wire) in enumerate(zip(definition.vertices, plain, strict=True), start=1):
        meta = said.get(vertex.digest, _NOTHING)
        ops.append(
            {
                "number": number,
                "name": meta.name,
                "lines": [_place(span) for span in meta.spans],
                "digest": vertex.digest,
                "buildkit_digest": wire["digest"],
                "platform": vertex.platform.with_version if vertex.platform is not None else None,
                "inputs": [_reference(edge, names) for edge in vertex.inputs],
                "ignore_cache": meta.ignore_cache,
                wire["type"]: wire[wire["type"]],
            }
        )
    return ops


def _place(span: Span) -> str:
    """`Dockerfile:7`, `Dockerfile:7-9`."""
    return f"{span.path}:{span.line}" + (f"-{span.last_line}" if span.last_line != span.line else "")
