"""The syntax line: which frontend a build file asks for."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError, UsageError
from llbuild.frontend import frontend_named, frontend_of_syntax
from llbuild.frontend.syntax import asks_for_labs


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", "dockerfile"),
        ("FROM scratch\n# syntax=recipe\n", "dockerfile"),
        ("# syntax=docker/dockerfile:1\n", "dockerfile"),
        ("# syntax=docker.io/docker/dockerfile-upstream:master-labs\n", "dockerfile"),
        ("# syntax=docker/dockerfile@sha256:0123\n", "dockerfile"),
        ("# syntax=dockerfile.v0\n", "dockerfile"),
        ("#syntax = recipe\n", "recipe"),
        ("# escape=`\r\n# SYNTAX=recipe\r\n", "recipe"),
        ("// syntax=recipe --strict\n", "recipe"),
        ("#!/usr/bin/env llbuild\n# syntax=recipe\n", "recipe"),
        ("\ufeff# syntax=recipe\n", "recipe"),
        ("# just a comment\n# syntax=recipe\n", "dockerfile"),
        ("\n# syntax=recipe\n", "dockerfile"),
        (" # syntax=recipe\n", "dockerfile"),
        ("# other=1\n# syntax=recipe\n", "dockerfile"),
        ("# check=a\n# check=b\n# syntax=recipe\n", "dockerfile"),
        ("# escape=`\n// syntax=recipe\n", "dockerfile"),
        ("# syntax=\n", "dockerfile"),
        ("# syntax= \n", "dockerfile"),
        ("#!/usr/bin/env x\n// syntax=recipe --strict\n", "recipe"),
        ('{"syntax": "recipe", "steps": [1, {"a": null}]}', "recipe"),
        ('\ufeff\n {\n "other": "x",\n "syntax": "docker/dockerfile:1"}\n', "dockerfile"),
        ('{"syntax": "recipe"', "dockerfile"),
        ('{"syntax": 1}', "dockerfile"),
        ('{"a": ' * 100_000, "dockerfile"),
        ('["syntax"]', "dockerfile"),
    ],
)
def test_the_line_names_a_plugin(text: str, want: str) -> None:
    assert frontend_named(text.encode(), "Dockerfile") == want


def test_an_image_is_refused_at_its_place() -> None:
    with pytest.raises(DockerfileError, match="the frontend image 'other/thing:1' cannot be run") as caught:
        frontend_named(b"# escape=\\\n# syntax=other/thing:1\n", "app/Dockerfile")
    assert str(caught.value.at) == "app/Dockerfile:2:10"


def test_an_image_in_json_is_refused_too() -> None:
    with pytest.raises(DockerfileError, match="the frontend image 'other/thing:1' cannot be run") as caught:
        frontend_named(b'{"syntax": "other/thing:1"}', "build.json")
    assert str(caught.value.at) == "build.json:1:1"


def test_without_a_file_a_syntax_names_the_same_plugins() -> None:
    assert frontend_of_syntax("docker/dockerfile:1-labs") == "dockerfile"
    assert frontend_of_syntax("recipe") == "recipe"
    with pytest.raises(UsageError, match="the frontend image 'other/thing:1' cannot be run"):
        frontend_of_syntax("other/thing:1")


@pytest.mark.parametrize(
    ("syntax", "want"),
    [
        ("docker/dockerfile:1-labs", True),
        ("docker/dockerfile:labs", True),
        ("docker/dockerfile-upstream:master-labs@sha256:0123", True),
        ("docker/dockerfile:1", False),
        ("labs/dockerfile", False),
        ("", False),
    ],
)
def test_the_experimental_channel_is_in_the_tag(syntax: str, want: bool) -> None:
    assert asks_for_labs(syntax) is want
