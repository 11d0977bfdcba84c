"""What BuildKit itself wrote comes back byte for byte, where a conformance corpus is at hand."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from pathlib import Path

import pytest
from llbuild.llb import decode_definition, encode_definition
from llbuild.proto import decode_buildkit, encode_buildkit, op_digests, plain_definition
from llbuild.tests.tools import ROOT

VARIABLE = "LLBUILD_CONFORMANCE"


@pytest.mark.slow
def test_definitions_of_buildkit_survive_values_and_both_forms() -> None:
    folder = Path(os.environ.get(VARIABLE) or ROOT.parent / "shared" / "conformance")
    cases = sorted(folder.glob("llb/*/expected.pb"))
    if not cases:
        pytest.skip(f"needs a conformance corpus: {folder} has none (${VARIABLE} names another folder)")
    differing = [path.parent.name for path in cases if not survives(path)]
    assert not differing, f"{len(differing)} of {len(cases)}: {', '.join(differing)}"


def survives(path: Path) -> bool:
    data = b64decode(path.read_bytes())
    wanted = json.loads(path.with_suffix(".json").read_text())
    definition = decode_buildkit(data)
    plain = plain_definition(definition)
    return (
        decode_definition(encode_definition(definition)) == definition
        and encode_buildkit(definition) == data
        and list(op_digests(definition).values()) == [item["digest"] for item in wanted["ops"]]
        and plain == {"ops": wanted["ops"], "root": wanted["root"]}
    )
