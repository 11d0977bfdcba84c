"""The parser and the word expander against BuildKit's: its trees, its test files, its tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llbuild.errors import DockerfileError
from llbuild.frontend.dockerfile.words import WordError, expand, split_fields
from llbuild.tests.conformance.trees import dumped, tree, tree_difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.tests.conformance.corpus import Corpus
    from llbuild.tests.conformance.score import Scoreboard


def test_syntax_trees_are_buildkits(corpus: Corpus, board: Scoreboard) -> None:
    for case in corpus.cases():
        path = corpus.folder / "parser" / "ast" / f"{case.about['group']}.json"
        if case.name == case.about["group"] and path.is_file():
            data = (case.folder / "Dockerfile").read_bytes()
            board.note("syntax tree", "llb", case.name, _compare_tree(json.loads(path.read_text()), data))
    for folder in sorted((corpus.folder / "parser" / "testfiles").iterdir()):
        wanted = (folder / "result").read_text()
        board.note("syntax tree", "testfiles", folder.name, _first_line(wanted, folder / "Dockerfile"))
    shortfall = board.shortfall("syntax tree")
    assert not shortfall, shortfall


def _compare_tree(expected: dict[str, Any], data: bytes) -> str:
    try:
        found = tree(data)
    except DockerfileError as error:
        return "" if expected["error"] else f"rejected: {error}"
    if expected["error"]:
        return f"parsed; expected: {expected['error']}"
    return tree_difference(expected["nodes"], found)


def _first_line(wanted: str, dockerfile: Path) -> str:
    found = dumped(dockerfile.read_bytes())
    if found.strip() == wanted.strip():
        return ""
    pairs = zip(wanted.splitlines(), found.splitlines(), strict=False)
    return next((f"expected {want}, found {have}" for want, have in pairs if want != have), "another length")


def test_files_that_cannot_be_parsed_are_rejected(corpus: Corpus) -> None:
    for folder in sorted((corpus.folder / "parser" / "testfiles-negative").iterdir()):
        try:
            tree((folder / "Dockerfile").read_bytes())
        except DockerfileError:
            continue
        raise AssertionError(f"{folder.name} was parsed")


def test_words_expand_as_buildkits(corpus: Corpus, board: Scoreboard) -> None:
    shell = corpus.folder / "parser" / "shell"
    table = json.loads((shell / "words.json").read_text())
    env = dict(text.split("=", 1) for text in table["env"])
    for case in table["cases"]:
        board.note("words", "words.json", f"{case['word']!r} escape {case['escape']}", _word_difference(case, env))
    for line, difference in _variables(shell / "envVarTest"):
        board.note("words", "envVarTest", line, difference)
    for line, difference in _fields(shell / "wordsTest"):
        board.note("words", "wordsTest", line, difference)
    shortfall = board.shortfall("words")
    assert not shortfall, shortfall


def _word_difference(case: dict[str, Any], env: dict[str, str]) -> str:
    keep_quotes, keep_unset = case.get("raw_quotes", False), case.get("skip_unset", False)
    quotes = not case.get("skip_quotes", False)
    try:
        found = expand(
            case["word"], env, escape=case["escape"], quotes=quotes, keep_quotes=keep_quotes, keep_unset=keep_unset
        )
    except WordError as error:
        return "" if case["error"] else f"refused: {error}"
    if case["error"]:
        return f"expanded to {found.text!r}; expected: {case['error']}"
    if quotes:
        fields = split_fields(case["word"], env, escape=case["escape"], keep_quotes=keep_quotes, keep_unset=keep_unset)
        if fields != case["words"]:
            return f"expected {case['words']}, found {fields}"
    wanted = (case["result"], sorted(case["matched"]), sorted(case["unmatched"]))
    have = (found.text, sorted(found.found), sorted(found.missing))
    return "" if wanted == have else f"expected {wanted}, found {have}"


def _variables(path: Path) -> Iterator[tuple[str, str]]:
    """Lines of `SYSTEM|word|result`; U is every system but Windows, A is all."""
    env = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": ""}
    for line in path.read_text().splitlines():
        if line.strip() and line[0] in "AU":
            _, word, wanted = (part.strip() for part in line.split("|"))
            try:
                found = expand(word, env).text
            except WordError:
                found = "error"
            yield line, "" if found == wanted else f"found {found!r}"


def _fields(path: Path) -> Iterator[tuple[str, str]]:
    """Lines of `words | fields`, and `ENV name=value` for the lines below it."""
    env: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if line.startswith("ENV "):
            name, _, value = line.removeprefix("ENV").lstrip(" ").partition("=")
            env[name] = value
        elif line and not line.startswith("#"):
            text, wanted = line.split("|")
            try:
                found = split_fields(text.strip(), env)
            except WordError:
                found = ["error"]
            yield line, "" if found == wanted.lstrip(" ").split(",") else f"found {found}"
