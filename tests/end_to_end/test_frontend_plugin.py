"""A frontend from another package, found by its entry point and used by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

PLUGIN = ROOT / "examples/frontend-plugin"


@pytest.fixture
def recipes(installed: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    return installed(PLUGIN)


def test_a_plugin_builds_an_image(llbuild: Llbuild, recipes: dict[str, str]) -> None:
    arguments: list[str | Path] = ["--frontend", "recipe", "-f", PLUGIN / "recipe.txt", "-t", "by-recipe", PLUGIN]
    first = llbuild.build(*arguments, env=recipes)
    assert first.steps
    assert llbuild("run", "by-recipe", "cat", "/made", "/words").stdout == "made by a recipe\n4\n"
    assert "recipe" in llbuild("history", "by-recipe").stdout
    assert llbuild.build(*arguments, env=recipes).ran() == []


def test_an_unknown_frontend_is_one_line_that_names_those_there_are(llbuild: Llbuild, recipes: dict[str, str]) -> None:
    outcome = llbuild("build", "--frontend", "nothing", PLUGIN, exit_code=1, env=recipes)
    assert "'nothing'" in outcome.stderr
    assert "recipe" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_plugin_need_not_know_lint(llbuild: Llbuild, recipes: dict[str, str]) -> None:
    recipe: list[str | Path] = ["--frontend", "recipe", "-f", PLUGIN / "recipe.txt", PLUGIN]
    for command in (["check"], ["build", "--call", "outline"], ["build", "--call", "targets"]):
        outcome = llbuild(*command, *recipe, exit_code=1, env=recipes)
        assert "the frontend 'recipe' cannot be asked for" in outcome.stderr
