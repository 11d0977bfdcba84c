from __future__ import annotations

import pytest
from llbuild.platforms import Platform, host_platform, parse_platform
from llbuild.worker.emulation import explain_foreign

FOREIGN = parse_platform("linux/mips64le")


def test_what_could_not_be_executed_for_another_architecture_is_explained() -> None:
    why, hint = explain_foreign(FOREIGN, 126)
    if not why:
        pytest.skip("this machine has an emulator")
    assert why.startswith(f"this machine ({host_platform()}) cannot run programs for linux/mips64le")
    assert "qemu-mips64el" in hint


@pytest.mark.parametrize(
    ("platform", "exit_code"),
    [(FOREIGN, 1), (FOREIGN, 127), (host_platform(), 126), (None, 126), (Platform(os="windows"), 126)],
)
def test_other_failures_are_left_alone(platform: Platform | None, exit_code: int) -> None:
    assert explain_foreign(platform, exit_code) == ("", "")
