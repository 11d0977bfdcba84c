from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.diagnostics import configure_log
from llbuild.log import log

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _silent_afterwards() -> Iterator[None]:
    yield
    log.sink = None


def test_json_is_one_object_per_event() -> None:
    stream = io.StringIO()
    configure_log(debug=True, form="json", stream=stream)
    log.debug("vertex_cached", vertex="abc", elapsed_s=0.5)
    found = json.loads(stream.getvalue())
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "vertex_cached", "level": "debug", "vertex": "abc", "elapsed_s": 0.5}


def test_without_debug_only_what_matters_is_logged() -> None:
    stream = io.StringIO()
    configure_log(debug=False, form="json", stream=stream)
    log.debug("unseen")
    log.info("seen")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["seen"]


def test_the_console_form_is_for_reading() -> None:
    stream = io.StringIO()
    configure_log(debug=True, form="console", stream=stream)
    log.warning("blob_torn", digest="abc")
    assert "blob_torn" in stream.getvalue()
    assert "digest=abc" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
