from __future__ import annotations

import pytest
from llbuild.image.registry.ratelimit import retry_after, spoken_duration, spoken_limit

WAITS = [
    ("7", 7.0),
    (" 0 ", 0.0),
    ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
    ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
    ("Wed, 21 Oct 9999 07:28:00 GMT", 10.0**7),
    ("9" * 40, 10.0**7),
    ("", None),
    ("soon", None),
    ("-7", None),
    ("7.5", None),
    ("Wed, 99 Oct 2015 99:99:99 GMT", None),
]


@pytest.mark.parametrize(("text", "expected"), WAITS)
def test_when_to_come_again_is_read_in_both_forms(text: str, expected: float | None) -> None:
    now = 1445412480.0  # 2015-10-21 07:28:00
    assert retry_after({"retry-after": text}, now=now) == expected


LIMITS = [
    ({}, ""),
    ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"}, "; 100 requests in 6 h, 0 left"),
    ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59"}, "; 60 requests, 59 left"),
    ({"ratelimit-remaining": "1", "docker-ratelimit-source": "192.0.2.1"}, "; 1 left, counted by 192.0.2.1"),
    ({"ratelimit-limit": "many", "docker-ratelimit-source": "192.0.2.1"}, ""),
    ({"ratelimit-limit": "1", "docker-ratelimit-source": "\x1b[31m"}, "; 1 requests"),
]


@pytest.mark.parametrize(("headers", "expected"), LIMITS)
def test_a_limit_is_told_as_far_as_the_server_tells_it(headers: dict[str, str], expected: str) -> None:
    assert spoken_limit(headers) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (90, "90 s"), (120, "2 min"), (3600, "60 min"), (21600, "6 h")],
)
def test_durations_are_in_the_unit_that_fits(seconds: int, expected: str) -> None:
    assert spoken_duration(seconds) == expected
