"""The documentation's examples are what they say they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from llbuild.frontend.dockerfile.lint.rules import RULES
from llbuild.frontend.dockerfile.subrequests import lint_request
from llbuild.tests.frontend.dockerfile.kit import ARM64, BASE, MemoryLookup, request
from llbuild.values import replace

ROOT = Path(__file__).resolve().parents[4]
PAGES = ROOT / "docs/rules"


def example(rule: str, section: str) -> str:
    page = (PAGES / f"{rule}.md").read_text()
    found = re.search(rf"^## {section}\n\n```dockerfile\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{rule}.md has no section '{section}' with an example"
    return found[1]


def fired(dockerfile: str) -> set[str]:
    lookup = MemoryLookup({("dockerfile", "Dockerfile"): dockerfile.encode(), ("context", ".dockerignore"): b"*.md\n"})
    lookup.images["docker.io/example/arm-only:latest"] = replace(BASE, platform=ARM64)
    return {warning.rule for warning in lint_request(request(), lookup).warnings}


def test_every_rule_has_its_page_and_there_are_no_others() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*RULES, "README"}
    assert len(RULES) == 22


@pytest.mark.parametrize("rule", RULES)
def test_the_wrong_example_fires_the_rule_and_the_right_one_none(rule: str) -> None:
    assert fired(example(rule, "Wrong")) == {rule}
    assert fired(example(rule, "Right")) == set()


@pytest.mark.parametrize("rule", RULES)
def test_a_finding_leads_to_the_page(rule: str) -> None:
    assert (ROOT / RULES[rule].page).is_file()
    assert (PAGES / f"{rule}.md").read_text().startswith(f"# {rule}\n")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("Dockerfile")), ids=lambda path: path.parent.name)
def test_the_examples_of_this_repository_have_no_findings(path: Path) -> None:
    assert fired(path.read_text()) == set()


def test_the_list_of_rules_is_complete() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\)", (PAGES / "README.md").read_text(), re.MULTILINE)
    assert [name for name, _ in listed] == sorted(RULES)
    assert all(name == page for name, page in listed)
