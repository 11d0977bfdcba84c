"""What editable installs hide: the hand-written package list, names at the root, files that would ship."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = {"benchmarks", "build", "dist", "docs", "examples", "scripts", "tests"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked_files() -> list[str]:
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("needs git and a checkout to list the project's files")
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists() or (ROOT / name).is_symlink()]


def test_the_package_list_is_the_folders(project: dict[str, Any]) -> None:
    folders = {Path(name).parent.as_posix() for name in tracked_files() if name.endswith(".py")}
    shipped = {folder for folder in folders if folder != "." and folder.split("/")[0] not in NOT_SHIPPED}
    wanted = {"llbuild", *("llbuild." + folder.replace("/", ".") for folder in shipped)}
    assert set(project["tool"]["setuptools"]["packages"]) == wanted


def test_every_package_has_a_face(project: dict[str, Any]) -> None:
    for name in project["tool"]["setuptools"]["packages"]:
        assert ROOT.joinpath(*name.split(".")[1:], "__init__.py").is_file(), name


def test_nothing_at_the_root_shadows_the_standard_library() -> None:
    shadows = {path.stem for path in ROOT.glob("*.py")} & sys.stdlib_module_names
    assert not shadows


def test_no_tool_files_at_the_root_since_every_py_there_ships() -> None:
    strangers = {path.name for path in ROOT.glob("*.py")} & {"conftest.py", "noxfile.py", "setup.py", "tasks.py"}
    assert not strangers


def test_the_typing_link_shows_the_package_under_its_name() -> None:
    assert os.readlink(ROOT / ".typing/llbuild") == ".."


def test_the_version_is_one_string_in_one_place(project: dict[str, Any]) -> None:
    text = (ROOT / "__init__.py").read_text()
    (version,) = re.findall(r'^__version__ = "(\d+\.\d+\.\d+(?:\.dev\d+)?)"$', text, flags=re.MULTILINE)
    assert "version" in project["project"]["dynamic"]
    assert version in (ROOT / "CHANGELOG.md").read_text()


def test_shell_scripts_parse_and_may_be_run() -> None:
    scripts = [name for name in tracked_files() if name.startswith(("scripts/", ".ci/")) and not name.endswith(".py")]
    assert scripts
    for name in scripts:
        assert os.access(ROOT / name, os.X_OK), f"{name} is not executable"
        subprocess.run(["bash", "-n", name], cwd=ROOT, check=True)


def test_the_repository_names_no_machine() -> None:
    """Paths of the author's machine mean nothing to anyone else."""
    pattern = re.compile(r"(?<![\w.])/(?:work|root|home)/(?:wt|main|shared|peer|venv|\w+/(?:src|git|projects))\b")
    for name in tracked_files():
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and path.suffix in {"", ".md", ".py", ".toml", ".txt", ".yml"}:
            found = pattern.search(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{name}: {found.group() if found else ''}"
