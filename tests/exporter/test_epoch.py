from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.exporter import assemble
from llbuild.exporter.epoch import clamp_config
from llbuild.exporter.history import squash_history
from llbuild.image import History, ImageConfig
from llbuild.tests.exporter.samples import AMD64, open_store, put_layer, sample_config

if TYPE_CHECKING:
    from pathlib import Path

EPOCH, TEXT = 1_600_000_000, "2020-09-13T12:26:40Z"


@pytest.mark.parametrize(
    ("created", "want"),
    [
        ("2024-05-01T10:20:30.123456789Z", TEXT),
        ("2020-09-13T12:26:41Z", TEXT),
        ("2020-09-13T14:26:40+02:00", "2020-09-13T14:26:40+02:00"),
        ("2020-09-13T12:26:40Z", "2020-09-13T12:26:40Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("", TEXT),
        ("yesterday", TEXT),
    ],
)
def test_a_time_after_the_epoch_becomes_the_epoch(created: str, want: str) -> None:
    config = ImageConfig(platform=AMD64, created=created, history=(History(created=created),))
    clamped = clamp_config(config, EPOCH, new=[0])
    assert (clamped.created, clamped.history[0].created) == (want, want)


def test_what_the_base_image_says_of_itself_stays() -> None:
    history = (History(created="2024-05-01T10:20:30Z"), History(created="2024-05-01T10:20:30Z"))
    clamped = clamp_config(ImageConfig(platform=AMD64, history=history), EPOCH, new=[1])
    assert [entry.created for entry in clamped.history] == ["2024-05-01T10:20:30Z", TEXT]


def test_an_image_of_an_epoch_is_as_old_as_that(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    layers = [put_layer(store, {"a": b"a"}), put_layer(store, {"b": b"b"})]  # the history knows of one
    made = assemble(sample_config(), layers, epoch_s=EPOCH)
    assert made.created == TEXT
    assert {entry.created for entry in made.config.history} == {TEXT}
    assert made.config.history[-1].comment == "buildkit.exporter.image.v0"


def test_a_squashed_history_gives_the_layer_to_the_last_that_had_one() -> None:
    history = tuple(History(created_by=name, empty_layer=name.islower()) for name in "AbCdEf")
    assert [entry.empty_layer for entry in squash_history(history, 1)] == [False, True, True, True, False, True]
    assert squash_history(history, 3) == squash_history(history, 2) == history
