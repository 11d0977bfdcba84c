"""Threads of a pipeline: order kept, errors passed on, nobody left behind."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest
from llbuild.worker.layer.pipeline import Prefetch, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_stage_works_on_everything_in_order() -> None:
    done: list[int] = []
    stage = Stage(done.append, name="test")
    for number in range(100):
        stage.put(number)
    stage.join()
    assert done == list(range(100))


def test_the_error_of_a_stage_comes_back_and_the_rest_is_thrown_away() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise OSError("disk")
        done.append(number)

    stage = Stage(work, name="test")
    with pytest.raises(OSError, match="disk"):
        for number in range(100):
            stage.put(number)
    with pytest.raises(OSError, match="disk"):
        stage.join()
    assert done == [0, 1, 2]


def test_an_abandoned_stage_ends_its_thread() -> None:
    before = threading.active_count()
    started, release = threading.Event(), threading.Event()

    def work(_: int) -> None:
        started.set()
        release.wait()

    stage = Stage(work, name="test")
    for number in range(4):
        stage.put(number)
    started.wait()
    release.set()
    stage.abandon()
    stage.abandon()
    assert threading.active_count() == before


def test_prefetching_gives_what_the_iterator_gives() -> None:
    assert list(Prefetch(iter(range(50)), name="test")) == list(range(50))
    assert list(Prefetch(iter(()), name="test")) == []


def test_the_error_of_the_iterator_comes_after_what_it_gave() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("cut")

    ahead = Prefetch(source(), name="test")
    assert next(ahead) == 1
    with pytest.raises(OSError, match="cut"):
        next(ahead)


def test_an_endless_iterator_can_be_abandoned_at_any_point() -> None:
    before = threading.active_count()
    for taken in (0, 1, 7):
        ahead = Prefetch(count(), name="test")
        for _ in range(taken):
            next(ahead)
        ahead.abandon()
        ahead.abandon()
    assert threading.active_count() == before
