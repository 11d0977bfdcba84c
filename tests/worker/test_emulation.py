from __future__ import annotations

from pathlib import Path

import pytest
from llbuild.platforms import Platform, host_platform, parse_platform
from llbuild.worker.emulation import emulator_line, explain_foreign
from llbuild.worker.emulators import registration

FOREIGN = parse_platform("linux/mips64le")


def test_what_could_not_be_executed_for_another_architecture_is_explained() -> None:
    why, hint = explain_foreign(FOREIGN, 126)
    if not why:
        pytest.skip("this machine has an emulator")
    assert why.startswith(f"this machine ({host_platform()}) cannot run programs for linux/mips64le")
    assert "qemu-user-static" in hint or "binfmt_misc" in hint


@pytest.mark.parametrize(
    ("platform", "exit_code"),
    [(FOREIGN, 1), (FOREIGN, 127), (host_platform(), 126), (None, 126), (Platform(os="windows"), 126)],
)
def test_other_failures_are_left_alone(platform: Platform | None, exit_code: int) -> None:
    assert explain_foreign(platform, exit_code) == ("", "")


def unescaped(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")


def test_a_registration_says_how_programs_begin_as_qemus_own_do() -> None:
    """Against the lines of Debian's package, where that is installed."""
    folder = Path("/usr/lib/binfmt.d")
    checked = 0
    for architecture, name in (("arm64", "aarch64"), ("s390x", "s390x"), ("riscv64", "riscv64"), ("arm", "arm")):
        config = folder / f"qemu-{name}.conf"
        if not config.exists():
            continue
        _, _, _, _, magic, mask, *_ = config.read_text().strip().split(":")
        _, _, _, _, own_magic, own_mask, path, flags = registration(architecture, "/q").split(":")
        assert unescaped(own_magic) == unescaped(magic)
        ours, theirs = unescaped(own_mask), unescaped(mask)
        assert ours[:7] + ours[8:] == theirs[:7] + theirs[8:]  # the eighth is the ABI, which qemu does not mind
        assert (path, flags) == ("/q", "POCF")
        checked += 1
    if not checked:
        pytest.skip("needs the lines of Debian's package qemu-user-static")


def test_a_platform_of_this_machine_needs_no_emulator() -> None:
    assert emulator_line(host_platform()) == emulator_line(None) == ""
    assert emulator_line(Platform(os="windows", architecture="arm64")) == ""
