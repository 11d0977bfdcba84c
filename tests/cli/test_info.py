"""What `llbuild info` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.info import render_info, run
from llbuild.errors import UsageError
from llbuild.worker.machine import Finding, Level

if TYPE_CHECKING:
    from pathlib import Path

FINDINGS = (
    Finding(name="kernel", value="Linux 6.18"),
    Finding(name="state folder", value="/odd\x1b[31mname", level=Level.LIMITED, hint="little room"),
    Finding(name="git", value="not found", level=Level.MISSING, hint="install git"),
    Finding(name="executor", value="none", level=Level.BROKEN, hint="run as root"),
)


def test_each_finding_has_a_mark_a_name_and_its_hint_below() -> None:
    assert render_info(FINDINGS) == (
        "  kernel        Linux 6.18\n"
        "~ state folder  /oddname\n"
        "                little room\n"
        "- git           not found\n"
        "                install git\n"
        "! executor      none\n"
        "                run as root\n"
    )


def test_programs_get_all_of_it_as_objects() -> None:
    found = json.loads(render_info(FINDINGS, as_json=True))
    assert found[1] == {
        "name": "state folder",
        "level": "limited",
        "value": "/odd\x1b[31mname",
        "hint": "little room",
    }
    assert len(found) == len(FINDINGS)


def test_it_tells_of_this_machine_and_makes_no_state_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["--root", str(tmp_path / "state"), "--format", "json"])
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {"llbuild", "kernel", "seccomp", "cgroup", "executor", "snapshotter", "platforms", "git"} <= found.keys()
    assert code == int(any(entry["level"] == "broken" for entry in found.values()))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UsageError, match="--format 'xml'"):
        run(["--format", "xml"])
