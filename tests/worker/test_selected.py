"""What of a client's folder a source shows: include patterns, exclude patterns, followed paths."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from llbuild.llb import FileCopy, SourceOp
from llbuild.worker import Contexts
from llbuild.worker.selected import takes_all, with_links
from llbuild.worker.snapshot import walk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b/c", "b/d", "b/e/f", "g/h", "x.txt", "b/y.txt", "odd[1]"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    os.symlink("b/e", tmp_path / "to-e")
    os.symlink("/b/c", tmp_path / "g/to-c")
    os.symlink("../../../../etc/passwd", tmp_path / "out")
    os.symlink("loop", tmp_path / "loop")
    return tmp_path


def shown(folder: Path, *, whole: bool = True, **patterns: list[str]) -> set[str]:
    names = {"include": "local.includepattern", "exclude": "local.excludepatterns", "follow": "local.followpaths"}
    attrs = tuple((names[kind], json.dumps(lines)) for kind, lines in patterns.items())
    tree = Contexts({"context": folder}).tree(SourceOp(identifier="local://context", attrs=attrs), whole=whole)
    return {visit.path for visit in walk(tree, "") if visit.path}


def test_only_what_is_included_is_there(folder: Path) -> None:
    assert shown(folder, include=["a", "b/e"]) == {"a", "b", "b/e", "b/e/f"}
    assert shown(folder, include=["*.txt"]) == {"x.txt"}
    assert shown(folder, include=["**/*.txt"]) == {"x.txt", "b", "b/y.txt"}
    assert shown(folder, include=["b"], exclude=["b/e", "**/*.txt"]) == {"b", "b/c", "b/d"}
    assert shown(folder, include=["nothing"]) == set()
    assert shown(folder, include=["a"], whole=False) == {"a"}


def test_followed_paths_count_for_who_takes_everything(folder: Path) -> None:
    assert shown(folder, follow=["a", "b/c"]) == {"a", "b", "b/c"}
    assert "g/h" in shown(folder, follow=["a"], whole=False)
    assert shown(folder, follow=["a"], include=["g"]) == {"a", "g", "g/h", "g/to-c"}
    assert shown(folder, follow=["b/*.txt"]) == {"b", "b/y.txt"}


def test_links_are_followed_inside_the_folder(folder: Path) -> None:
    assert shown(folder, follow=["to-e/f"]) == {"to-e", "b", "b/e", "b/e/f"}
    assert shown(folder, follow=["g/to-c"]) == {"g", "g/to-c", "b", "b/c"}
    assert shown(folder, follow=["out"]) == {"out"}
    assert shown(folder, follow=["loop"]) == {"loop"}
    assert shown(folder, follow=["odd[1]", "../../a"]) == {"a"}  # the first is a pattern
    assert with_links(str(folder), ["to-e"]) == ["to-e", "b/e"]


@pytest.mark.parametrize(("src", "whole"), [("/", True), (".", True), ("", True), ("/a", False), ("*", False)])
def test_who_takes_everything(src: str, whole: bool) -> None:
    assert takes_all([FileCopy(src="b", dest="/"), FileCopy(src=src, dest="/")]) is whole
