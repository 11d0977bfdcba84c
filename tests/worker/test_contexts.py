"""Client folders by name: what of them is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.errors import SourceError
from llbuild.llb import SourceOp
from llbuild.worker import Contexts

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = SourceOp(identifier="local://context")


def seen(contexts: Contexts, op: SourceOp = CONTEXT) -> list[str]:
    with contexts.tree(op).directory("") as folder:
        return [entry.name for entry in folder.entries()]


@pytest.mark.parametrize("name", ["state", "[odd]*", "a\\b"])
def test_the_state_folder_is_no_part_of_a_context_it_lies_in(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert seen(Contexts({"context": tmp_path}, hidden=tmp_path / name)) == ["file"]
    assert seen(Contexts({"context": tmp_path / name}, hidden=tmp_path)) == []
    assert sorted(seen(Contexts({"context": tmp_path}))) == sorted(["file", name])


def test_excludes_come_from_the_op(tmp_path: Path) -> None:
    (tmp_path / "a.o").touch()
    (tmp_path / "a.c").touch()
    op = SourceOp(identifier="local://context", attrs=(("local.excludepatterns", '["*.o"]'),))
    assert seen(Contexts({"context": tmp_path}), op) == ["a.c"]


def test_a_name_nobody_gave_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no build context named 'other' was given; there are: context, dockerfile"):
        Contexts({"dockerfile": tmp_path, "context": tmp_path}).tree(SourceOp(identifier="local://other"))
