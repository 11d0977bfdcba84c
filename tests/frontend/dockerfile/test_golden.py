"""Small Dockerfiles and what they compile to, whole: a change of a graph or a config shows as a reviewed diff.

Each folder of `golden/` holds a Dockerfile, `want.json` and perhaps `options.json` (options of the build,
`everything` for features that cannot be run yet). A `want.json` that is not there is written, and the test fails once.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.llb import FileStep
from llbuild.tests.frontend.dockerfile.kit import MemoryLookup, compile_all
from llbuild.values import value_fields

if TYPE_CHECKING:
    from llbuild.frontend import PlatformResult

GOLDEN = Path(__file__).parent / "golden"
_EMPTY: tuple[object, ...] = (None, "", (), [], {})
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/Dockerfile"))


def plain(value: Any) -> Any:
    """JSON of a value; what is empty or off is left out. A file action stands under its type's name."""
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, FileStep):
        step = {"action": {type(value.action).__name__: plain(value.action)}}
        return step | {key: getattr(value, key) for key in ("input", "secondary_input", "output")}
    if hasattr(value, "__value_fields__"):
        value = {field.name: getattr(value, field.name) for field in value_fields(type(value))}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not False and item not in _EMPTY}
    return value


def described(result: PlatformResult) -> dict[str, Any]:
    said = result.definition.metadata_of()
    number = {vertex.digest: index for index, vertex in enumerate(result.definition.vertices)}
    vertices = []
    for vertex in result.definition.vertices:
        meta = said[vertex.digest]
        entry = {
            "name": meta.name,
            "lines": [f"{span.line}-{span.last_line}" for span in meta.spans],
            "op": type(vertex.op).__name__,
            "inputs": [f"{number[edge.vertex]}.{edge.output}" for edge in vertex.inputs],
            "platform": str(vertex.platform or ""),
            "no_cache": meta.ignore_cache,
        }
        vertices.append(plain(entry | plain(vertex.op)))
    return {"vertices": vertices, "image": plain(result.image)}


@pytest.mark.parametrize("case", CASES)
def test_a_dockerfile_compiles_to_its_golden_graph(case: str) -> None:
    folder = GOLDEN / case
    options_file = folder / "options.json"
    options: dict[str, str] = json.loads(options_file.read_text()) if options_file.exists() else {}
    ignore = folder / "dockerignore"
    files = {("context", ".dockerignore"): ignore.read_bytes()} if ignore.exists() else {}
    everything = bool(options.pop("everything", ""))
    lookup = MemoryLookup(files=files)
    compiled = compile_all((folder / "Dockerfile").read_bytes(), options, lookup, everything=everything)
    found = json.dumps([described(result) for result in compiled.results], indent=1, ensure_ascii=False) + "\n"
    want = folder / "want.json"
    if not want.exists():
        want.write_text(found)
        pytest.fail(f"{want} was missing and has been written: review it")
    assert json.loads(found) == json.loads(want.read_text())
