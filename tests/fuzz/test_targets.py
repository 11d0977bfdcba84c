"""Every target holds what it promises: on any input that comes up here, and on all that ever broke it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.tests.fuzz.strategies import INPUTS
from llbuild.tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).resolve().parent / "corpus"
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_target_keeps_its_promise(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(INPUTS[name]))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_broke_a_target_once_does_not_any_more(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_folder_of_kept_cases_is_a_target_s() -> None:
    assert {path.parent.name for path in KEPT} <= TARGETS.keys() == INPUTS.keys()
