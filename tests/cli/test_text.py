from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.cli.text import cell_width, clip, harmless, pad, single_line


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("plain", "plain"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
        ("\x1b[1;31mred\x1b[m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1b]0;never ended", ""),
        ("\x1bPdevice\x1b\\after", "after"),
        ("\x1b(Bcharset", "charset"),
        ("\x9b31mC1", "C1"),
        ("\x1b", ""),
        ("\x1b[", ""),
        ("nul\0 del\x7f", "nul\ufffd del\ufffd"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("file\udcff", "file\ufffd"),
        ("größe 文字", "größe 文字"),
    ],
)
def test_harmless(text: str, want: str) -> None:
    assert harmless(text) == want


@given(st.text())
def test_nothing_harmful_survives(text: str) -> None:
    left = harmless(text)
    assert not any(ord(char) < 32 and char not in "\t\n" for char in left)
    assert not any(0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in left)


@given(st.text(), st.integers(0, 30))
def test_clipped_text_fits(text: str, width: int) -> None:
    assert cell_width(clip(single_line(text), width)) <= width


@pytest.mark.parametrize(
    ("text", "width", "want"),
    [
        ("short", 10, "short"),
        ("exactly", 7, "exactly"),
        ("too long", 5, "too …"),
        ("文字文字", 5, "文字…"),
        ("文字文字", 4, "文…"),
        ("a\tb", 10, "a       b"),
        ("any", 0, ""),
    ],
)
def test_clip(text: str, width: int, want: str) -> None:
    assert clip(text, width) == want


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert cell_width("文字") == 4
    assert cell_width("e\u0301") == 1
    assert pad("文", 4) == "文  "


def test_single_line() -> None:
    assert single_line(" RUN <<EOF\n  a\tb\nEOF ") == "RUN <<EOF   a b EOF"
