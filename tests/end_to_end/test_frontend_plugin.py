"""A frontend from another package, found by its entry point and used by name."""

from __future__ import annotations

import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

PLUGIN = ROOT / "examples/frontend-plugin"


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """What `pip install examples/frontend-plugin` leaves on the path: the module, and its metadata.

    The wheel check of CI installs it with pip.
    """
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    site = tmp_path / "site"
    metadata = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(PLUGIN / "llbuild_recipe.py", site)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups]
    (metadata / "entry_points.txt").write_text("".join(lines))
    return {"PYTHONPATH": f"{ROOT / '.typing'}:{site}"}


def test_a_plugin_builds_an_image(llbuild: Llbuild, installed: dict[str, str]) -> None:
    arguments: list[str | Path] = ["--frontend", "recipe", "-f", PLUGIN / "recipe.txt", "-t", "by-recipe", PLUGIN]
    first = llbuild.build(*arguments, env=installed)
    assert first.steps
    assert llbuild("run", "by-recipe", "cat", "/made", "/words").stdout == "made by a recipe\n4\n"
    assert "recipe" in llbuild("history", "by-recipe").stdout
    assert llbuild.build(*arguments, env=installed).ran() == []


def test_an_unknown_frontend_is_one_line_that_names_those_there_are(
    llbuild: Llbuild, installed: dict[str, str]
) -> None:
    outcome = llbuild("build", "--frontend", "nothing", PLUGIN, exit_code=1, env=installed)
    assert "'nothing'" in outcome.stderr
    assert "recipe" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_plugin_need_not_know_lint(llbuild: Llbuild, installed: dict[str, str]) -> None:
    recipe: list[str | Path] = ["--frontend", "recipe", "-f", PLUGIN / "recipe.txt", PLUGIN]
    for command in (["check"], ["build", "--call", "outline"], ["build", "--call", "targets"]):
        outcome = llbuild(*command, *recipe, exit_code=1, env=installed)
        assert "the frontend 'recipe' cannot be asked for" in outcome.stderr
