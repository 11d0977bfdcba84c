"""A good part of the end-to-end tests again, as an ordinary user: with ranges of further ids and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from llbuild.tests.ordinary import run_tests

FILES = (
    *("bind_mounts", "builds", "cache_mounts", "cleaning", "hostile_run", "last_copies", "layers"),
    *("metadata", "reproducible", "secrets", "sharing", "squash", "step_options"),
)


@pytest.mark.needs_root  # to become somebody else; whoever is an ordinary user has run them anyway
@pytest.mark.slow
@pytest.mark.parametrize("ids", ["one", "ranges"])
@pytest.mark.usefixtures("busybox_rootfs")
def test_builds_do_the_same_for_an_ordinary_user(ids: str) -> None:
    run_tests([Path(__file__).with_name(f"test_{name}.py") for name in FILES], ids)
