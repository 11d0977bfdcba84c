"""Moments in image documents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from llbuild.image import encode_moment


@pytest.mark.parametrize(
    ("microsecond", "want"),
    [
        (123456, "2026-02-03T04:05:06.123456Z"),
        (308620, "2026-02-03T04:05:06.30862Z"),
        (0, "2026-02-03T04:05:06Z"),
    ],
)
def test_a_moment_reads_as_gos_tools_write_it(microsecond: int, want: str) -> None:
    """Or a tool that reads and writes a config would make another one of it: another digest."""
    assert encode_moment(datetime(2026, 2, 3, 4, 5, 6, microsecond, UTC)) == want
