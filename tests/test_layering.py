"""The architecture, enforced: imports go down the floors, modules stay small and say what they are."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

# Higher numbers see lower ones. The modules at the root are the ground floor.
FLOORS = {"cli": 4, "exporter": 3, "frontend": 3, "solver": 3, "worker": 3, "proto": 2, "image": 1, "llb": 1}
PEERS_ALLOWED = {("exporter", "worker")}  # an exporter reads what the worker stored
LEAVES = {
    "blocking",
    "bytelocks",
    "database",
    "digest",
    "errors",
    "faces",
    "leases",
    "log",
    "patterns",
    "platforms",
    "plugins",
    "regexes",
    "reporting",
    "smallfiles",
    "span",
    "values",
}
OPEN_MODULES = {("llb", "codec")}  # the one module that knows msgpack: others use it as a module
LONGEST_MODULE = 500
LITERAL_TABLES: set[str] = set()  # modules that are one long table of data


@dataclass(frozen=True, slots=True)
class Import:
    """One import of another part of the package, by its path of names below `llbuild`."""

    module: str  # e.g. "worker/fileop.py"
    line: int
    target: tuple[str, ...]  # e.g. ("llb", "op"); () is the root package itself
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: imports {'.'.join(self.target) or 'the root package'}"


def package_modules() -> list[Path]:
    rooms = [path for room in FLOORS for path in sorted((ROOT / room).rglob("*.py"))]
    return [*sorted(ROOT.glob("*.py")), *rooms]


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def iter_imports(path: Path) -> Iterator[Import]:
    """Every import of llbuild's own modules, wherever it stands in the file (TYPE_CHECKING blocks included)."""
    relative = path.relative_to(ROOT)
    package = relative.parts[:-1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            depth = len(package) - (node.level - 1)
            assert depth >= 0, f"{relative}:{node.lineno}: a relative import that leaves the package"
            target = (*package[:depth], *(node.module or "").split(".")) if node.module else package[:depth]
            names = tuple(alias.name for alias in node.names)
            if target:
                yield Import(str(relative), node.lineno, target, names)
            else:  # from .. import digest
                for name in names:
                    yield Import(str(relative), node.lineno, (name,), ())


def iter_absolute_imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""


def allowed(room: str, target: str) -> bool:
    if target in LEAVES or target == room:
        return True
    return FLOORS[target] < FLOORS[room] or (room, target) in PEERS_ALLOWED


def test_imports_go_down_the_floors_and_peers_never_import_each_other() -> None:
    wrong: list[str] = []
    for path in package_modules():
        room = path.relative_to(ROOT).parts[0]
        for found in iter_imports(path):
            target = found.target[0]
            if room in FLOORS and (
                target == "__version__" or (target in FLOORS | dict.fromkeys(LEAVES) and allowed(room, target))
            ):
                continue
            if room not in FLOORS and target in LEAVES:
                continue
            wrong.append(str(found))
    assert not wrong, "arrows that do not go down the floors of docs/architecture.md:\n" + "\n".join(wrong)


def test_the_leaves_form_no_cycle() -> None:
    arrows = {
        leaf: {found.target[0] for found in iter_imports(ROOT / f"{leaf}.py")}
        for leaf in LEAVES
        if (ROOT / f"{leaf}.py").exists()
    }
    while arrows:
        free = {leaf for leaf, targets in arrows.items() if not targets & arrows.keys() - {leaf}}
        assert free, f"the root's modules import each other in a circle: {arrows}"
        arrows = {leaf: targets for leaf, targets in arrows.items() if leaf not in free}


def test_other_folders_are_imported_by_their_public_face() -> None:
    """`from ..llb import State`, as in Go; a room's own modules and sub-folders are its own business."""
    wrong = [
        str(found)
        for path in package_modules()
        for found in iter_imports(path)
        if len(found.target) > 1
        and found.target[0] != path.relative_to(ROOT).parts[0]
        and not is_folder(found.target)
        and found.target not in OPEN_MODULES
    ]
    assert not wrong, "imports that reach past a folder's __init__:\n" + "\n".join(wrong)


def is_folder(target: tuple[str, ...]) -> bool:
    return ROOT.joinpath(*target).is_dir()


def test_the_package_imports_itself_relatively_only() -> None:
    own = {"llbuild", *FLOORS, *LEAVES}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in package_modules()
        for line, name in iter_absolute_imports(path)
        if name.partition(".")[0] in own
    ]
    assert not wrong, "a second copy of every class hides behind these:\n" + "\n".join(wrong)


def test_tests_import_the_package_by_its_full_name() -> None:
    wrong: list[str] = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        here = path.relative_to(ROOT)
        wrong += [
            f"{here}:{line}: {name}" for line, name in iter_absolute_imports(path) if name.partition(".")[0] in FLOORS
        ]
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ImportFrom) and node.level:
                wrong.append(f"{here}:{node.lineno}: relative import")
    assert not wrong, "write llbuild.… in full:\n" + "\n".join(wrong)


def test_tests_are_no_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("path", package_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_stays_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert len(docstring) > 10, "a module opens by saying what lives there"
    if str(path.relative_to(ROOT)) not in LITERAL_TABLES:
        assert text.count("\n") <= LONGEST_MODULE, (
            f"over {LONGEST_MODULE} lines: split it, there is a second idea in it"
        )


def test_no_mocks() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line, name in iter_absolute_imports(path)
        if name.startswith(("unittest.mock", "mock", "pytest_mock"))
    ]
    assert not wrong, "a test that needs a mock has found a missing seam"
