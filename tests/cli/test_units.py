from __future__ import annotations

import pytest
from llbuild.cli.units import age, human_duration, human_size, seconds_since_1970


@pytest.mark.parametrize(
    ("size_bytes", "want"),
    [
        (0, "0B"),
        (1, "1B"),
        (999, "999B"),
        (1000, "1kB"),
        (1235, "1.24kB"),
        (1_048_576, "1.05MB"),
        (2_097_152, "2.1MB"),
        (77_800_000, "77.8MB"),
        (123_456, "123kB"),
        (999_400, "999kB"),
        (999_999, "1MB"),
        (3_000_000_000, "3GB"),
        (5 * 10**21, "5000EB"),
    ],
)
def test_human_size(size_bytes: int, want: str) -> None:
    assert human_size(size_bytes) == want


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        (-5, "Less than a second ago"),
        (0.4, "Less than a second ago"),
        (1, "1 second ago"),
        (59.9, "59 seconds ago"),
        (60, "About a minute ago"),
        (125, "2 minutes ago"),
        (3599, "59 minutes ago"),
        (3600, "About an hour ago"),
        (5400, "2 hours ago"),
        (47 * 3600, "47 hours ago"),
        (3 * 86400, "3 days ago"),
        (15 * 86400, "2 weeks ago"),
        (70 * 86400, "2 months ago"),
        (800 * 86400, "2 years ago"),
    ],
)
def test_age(seconds: float, want: str) -> None:
    assert age(seconds) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T01:00:10.5+01:00", 10.5),
        ("1970-01-01T00:00:10.123456789Z", 10.123456),
        ("1970-01-01T00:00:10", 10.0),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_seconds_since_1970(text: str, want: float | None) -> None:
    assert seconds_since_1970(text) == want


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        (0, "0ms"),
        (0.0004, "0ms"),
        (0.25, "250ms"),
        (0.9994, "999ms"),
        (0.9996, "1.0s"),
        (1.25, "1.2s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (125, "2m05s"),
        (3599.6, "1h00m"),
        (3720, "1h02m"),
        (360_000, "100h00m"),
    ],
)
def test_human_duration(seconds: float, want: str) -> None:
    assert human_duration(seconds) == want
