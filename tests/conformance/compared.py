"""One case compiled, and its bundle compared with what BuildKit made of it."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from llbuild.cli.compile import run
from llbuild.proto.ops_pb2 import Definition, Op

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from llbuild.tests.conformance.corpus import Case, Corpus
    from llbuild.tests.conformance.score import Scoreboard

__all__ = ["command_line", "compare", "compiled_here"]

_WIDEST = 400


def command_line(case: Case, corpus: Corpus, folder: Path) -> list[str]:
    """The flags and the context, made in `folder`, for `llbuild compile`."""
    context = folder / "context"
    case.write_context(context)
    stub = case.write_stub(folder / "stub.json", corpus)
    return [*case.arguments(), "--format=bundle", f"--stub-images={stub}", str(context)]


def compiled_here(case: Case, corpus: Corpus, folder: Path) -> dict[str, Any]:
    """The bundle, without a process of its own."""
    words = command_line(case, corpus, folder)
    printed = folder / "bundle.json"
    assert run([f"--output={printed}", *words]) == 0
    bundle: dict[str, Any] = json.loads(printed.read_bytes())
    printed.unlink()
    shutil.rmtree(folder / "context")
    return bundle


def compare(case: Case, bundle: dict[str, Any], board: Scoreboard) -> None:
    """Note everything that can be compared."""
    expected = case.expected
    board.note("warnings", case.kind, case.name, _differing(_warned(expected["warnings"]), _warned(bundle["warnings"])))
    if case.rejected:
        _compare_rejection(case, bundle, board)
        return
    if bundle["error"] is not None:
        for what in ("ops", "root", "image"):
            board.note(what, case.kind, case.name, f"rejected: {bundle['error']} at lines {bundle['error_lines']}")
        return
    ops, root = _digests(b64decode(bundle["definition"]))
    wanted_root = expected["root"]
    board.note("ops", case.kind, case.name, _op_difference(expected["ops"], ops))
    wanted = None if wanted_root is None else (expected["ops"][wanted_root["op"]]["digest"], wanted_root["output"])
    board.note("root", case.kind, case.name, _differing(wanted, root))
    board.note("image", case.kind, case.name, _differing(expected["image"], bundle["image"]))


def _compare_rejection(case: Case, bundle: dict[str, Any], board: Scoreboard) -> None:
    """An error where one is expected; and at one of the lines, where BuildKit names any."""
    accepted = "" if bundle["error"] is not None else f"compiled; expected: {case.expected['error']}"
    board.note("rejected", case.kind, case.name, accepted)
    ranges = case.expected["error_lines"]
    if not ranges:
        return
    there = any(first <= line <= last for line in bundle["error_lines"] for first, last in ranges)
    said = f"{bundle['error']} at lines {bundle['error_lines']}; expected lines {ranges}: {case.expected['error']}"
    board.note("rejected there", case.kind, case.name, "" if there else said)


def _digests(data: bytes) -> tuple[list[str], tuple[str, int] | None]:
    """The digests of the ops in order, and the edge that the definition is for; the terminal op is none of them."""
    ops = list(Definition.FromString(data).__getattribute__("def"))
    if not ops:
        return [], None
    (root,) = Op.FromString(ops[-1]).inputs
    return [f"sha256:{sha256(op).hexdigest()}" for op in ops[:-1]], (root.digest, root.index)


def _op_difference(expected: Sequence[dict[str, Any]], digests: Sequence[str]) -> str:
    for number, (op, digest) in enumerate(zip(expected, digests, strict=False)):
        if op["digest"] != digest:
            told = {key: value for key, value in op.items() if key not in {"metadata", "digest"}}
            return f"op {number}: expected {json.dumps(told)[:_WIDEST]}"
    if len(expected) != len(digests):
        return f"expected {len(expected)} ops, found {len(digests)}"
    return ""


def _warned(warnings: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    return sorted((warning["rule"], warning["line"]) for warning in warnings)


def _differing(expected: Any, found: Any) -> str:
    """The first place where two JSON values differ."""
    if expected == found:
        return ""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({*expected, *found}):
            if expected.get(key) != found.get(key):
                return f"{key}: {_differing(expected.get(key), found.get(key))}"
    return f"expected {json.dumps(expected)[:_WIDEST]}, found {json.dumps(found)[:_WIDEST]}"
