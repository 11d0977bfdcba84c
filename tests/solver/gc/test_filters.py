"""Which entries a filter means."""

from __future__ import annotations

import pytest
from llbuild.errors import UsageError
from llbuild.solver.gc import Entry, EntryType, parse_filter
from llbuild.tests.solver.gc.samples import NOW, entry

HOUR = 3600.0
ENTRIES = (
    entry("run-" + "a" * 32, description="[2/3] RUN make", parents=("base",), age_s=50 * HOUR),
    entry("base", type=EntryType.IMAGE_LAYER, age_s=1 * HOUR, in_use=True),
    entry("/root/.cache", type=EntryType.CACHE_MOUNT, age_s=100 * HOUR),
    entry("sha256:" + "b" * 64, type=EntryType.BLOB, shared=True, images=frozenset({"x"})),
)


def meant(text: str) -> str:
    """The positions of the entries that are meant."""

    def fits(one: Entry) -> bool:
        return all(condition.matches(one, NOW) for condition in parse_filter(text))

    return "".join(str(number) for number, one in enumerate(ENTRIES) if fits(one))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("id=base", "1"),
        ("id==base", "1"),
        ("id!=base", "023"),
        ("id=run-aaaaaaaaaaaa", "0"),
        ("id~=^sha256:b+$", "3"),
        ("type=exec.cachemount", "2"),
        ("type!=blob", "012"),
        ("type~=image", "1"),
        ("description~=make", "0"),
        ("description=[2/3] RUN make", "0"),
        ("parents=base", "0"),
        ("parents!=base", "123"),
        ("inuse", "13"),
        ("inuse=false", "02"),
        ("inuse!=true", "02"),
        ("shared", "3"),
        ("private=true", "012"),
        ("mutable", "2"),
        ("immutable", "013"),
        ("until=48h", "02"),
        ("unused-for=99h", "2"),
        ("type=regular,until=72h", ""),
        ("type=exec.cachemount, id=/root/.cache", "2"),
    ],
)
def test_filters(text: str, numbers: str) -> None:
    assert meant(text) == numbers


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("color=red", "unknown key"),
        ("", "unknown key"),
        ("id", "expected id=VALUE"),
        ("inuse=maybe", "true or false"),
        ("type=banana", "no such type"),
        ("id~=(", "id~="),
        ("until=soon", "expected a duration"),
        ("until!=1h", "expected until=DURATION"),
    ],
)
def test_what_is_no_filter(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_filter(text)
