"""The generated code is the schema's."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path

GENERATED = ("ops_pb2.py", "ops_pb2.pyi")


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    if find_spec("grpc_tools") is None:
        pytest.skip("needs grpcio-tools, which scripts/venv dev installs")
    source = ".typing/llbuild/proto/ops.proto"
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "-I.typing"),
            *(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", source),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    for name in GENERATED:
        wanted = (tmp_path / "llbuild/proto" / name).read_text()
        assert (ROOT / "proto" / name).read_text() == wanted, "run scripts/proto"


def test_the_package_allows_the_protobuf_that_the_generated_code_is_for() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.search(r"Protobuf Python Version: (\S+)", (ROOT / "proto/ops_pb2.py").read_text())
    allowed = re.search(r'"protobuf>=(\S+),<(\d+)"', project)
    assert wanted
    assert allowed
    assert allowed[1] == wanted[1]
    assert int(allowed[2]) == int(wanted[1].split(".")[0]) + 2, "code of one major release runs with the next as well"
