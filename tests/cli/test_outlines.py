from __future__ import annotations

import json

from llbuild.cli.outlines import outline_json, outline_plain, targets_json, targets_plain
from llbuild.frontend import CacheMount, Needed, Outline, OutlineArg, Target
from llbuild.span import Span

OUTLINE = Outline(
    name="server",
    description="what to deploy",
    args=(
        OutlineArg(name="VERSION", value="1.2", description="of it", at=Span("Dockerfile", 1, 1, 1)),
        OutlineArg(name="FLAGS"),
    ),
    secrets=(Needed(name="token", required=True, at=Span("Dockerfile", 3, 1, 4)),),
    ssh=(Needed(name="default"),),
    cache=(CacheMount(id="/root/.cache"),),
)
TARGETS = (
    Target(name="base", description="has the tools", base="alpine", platform="$BUILDPLATFORM"),
    Target(base="base"),
    Target(name="server", default=True, base="scratch", at=Span("Dockerfile", 3, 1, 3)),
)


def test_an_outline_for_people_has_a_table_for_each_kind() -> None:
    assert (
        outline_plain(OUTLINE)
        == """\
TARGET:      server
DESCRIPTION: what to deploy

BUILD ARG   VALUE     DESCRIPTION
VERSION     1.2       of it
FLAGS

SECRET    REQUIRED
token     true

SSH       REQUIRED
default

CACHE MOUNT
/root/.cache
"""
    )
    assert outline_plain(Outline()) == "the target has no parameters\n"
    assert outline_plain(Outline(description="x")) == "TARGET:      (default)\nDESCRIPTION: x\n"


def test_an_outline_for_programs_is_buildkits() -> None:
    assert json.loads(outline_json(OUTLINE, b"FROM a\n")) == {
        "name": "server",
        "description": "what to deploy",
        "args": [
            {
                "name": "VERSION",
                "description": "of it",
                "value": "1.2",
                "location": {"ranges": [{"start": {"line": 1}, "end": {"line": 1}}]},
            },
            {"name": "FLAGS"},
        ],
        "secrets": [
            {
                "name": "token",
                "required": True,
                "location": {"ranges": [{"start": {"line": 3}, "end": {"line": 4}}]},
            }
        ],
        "ssh": [{"name": "default"}],
        "cache": [{"ID": "/root/.cache"}],
        "sources": ["RlJPTSBhCg=="],
    }


def test_targets_for_people_are_a_table() -> None:
    assert (
        targets_plain(TARGETS)
        == """\
TARGET             DESCRIPTION
base               has the tools

server (default)
"""
    )
    assert targets_plain((Target(default=True),)).splitlines()[1] == "(default)"


def test_targets_for_programs_are_buildkits() -> None:
    assert json.loads(targets_json(TARGETS, b"FROM a\n")) == {
        "targets": [
            {"name": "base", "description": "has the tools", "base": "alpine", "platform": "$BUILDPLATFORM"},
            {"base": "base"},
            {
                "name": "server",
                "default": True,
                "base": "scratch",
                "location": {"ranges": [{"start": {"line": 3}, "end": {"line": 3}}]},
            },
        ],
        "sources": ["RlJPTSBhCg=="],
    }
