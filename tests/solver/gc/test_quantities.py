"""Durations and amounts, as people write them."""

from __future__ import annotations

import pytest
from llbuild.solver.gc import Disk, Space, parse_duration, parse_space


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("72h", 259200),
        ("1h30m", 5400),
        ("60d", 5184000),
        ("90", 90),
        ("1.5h", 5400),
        ("0s", 0),
        ("250ms", 0.25),
        ("2w", 1209600),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "72 h", "-1h", "1y", "1h30", "h1", "½h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("512MB", Space(512_000_000)),
        ("10GiB", Space(10 << 30)),
        ("10g", Space(10_000_000_000)),
        ("1024", Space(1024)),
        ("1.5 kB", Space(1500)),
        ("7b", Space(7)),
        ("20%", Space(percent=20)),
        ("2.5%", Space(percent=2.5)),
    ],
)
def test_amounts(text: str, space: Space) -> None:
    assert parse_space(text) == space


@pytest.mark.parametrize("text", ["", "MB", "10XB", "101%", "-1", "10 %%", "1i", "1GBB", "ten"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="expected an amount"):
        parse_space(text)


def test_a_share_is_of_the_whole_disk() -> None:
    assert Space(percent=20).on(Disk(1000, 5)) == 200
    assert Space(7).on(Disk(1000, 5)) == 7
    assert not Space()
