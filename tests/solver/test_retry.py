from __future__ import annotations

import pytest
from llbuild.errors import SourceError
from llbuild.solver import retrying

pytestmark = pytest.mark.anyio


class Flaky:
    """Fails with these errors, one after the other, and then succeeds."""

    def __init__(self, *errors: SourceError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def busy(retry_after_s: float | None = None, *, transient: bool = True) -> SourceError:
    return SourceError("busy", ref="x", transient=transient, retry_after_s=retry_after_s)


async def test_what_passes_is_tried_again() -> None:
    call, said = Flaky(busy(), busy()), list[str]()
    assert await retrying(call, (0.0, 0.0), said.append) == "done"
    assert call.calls == 3
    assert said == ["busy; trying again in 0 s"] * 2


async def test_a_server_that_says_when_is_asked_no_earlier() -> None:
    call, said = Flaky(busy(0.01), busy(0.0)), list[str]()
    assert await retrying(call, (0.0, 0.02), said.append) == "done"
    assert said == ["busy; trying again in 0.01 s", "busy; trying again in 0.02 s"]


@pytest.mark.parametrize("error", [busy(3600.0), busy(transient=False), busy(0.0, transient=False)])
async def test_what_takes_too_long_or_never_passes_is_not_tried_again(error: SourceError) -> None:
    call = Flaky(error)
    with pytest.raises(SourceError):
        await retrying(call, (0.0, 0.0))
    assert call.calls == 1


async def test_the_last_failure_is_told() -> None:
    call = Flaky(*(busy() for _ in range(9)))
    with pytest.raises(SourceError, match="busy"):
        await retrying(call, (0.0, 0.0))
    assert call.calls == 3
