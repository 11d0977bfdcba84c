"""A megabyte of what is made to be expensive takes 64 MB at most and no endless time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from llbuild.tests.fuzz.hostile import EXPENSIVE

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("target", EXPENSIVE)
def test_expensive_input_is_read_or_refused_within_bounds(target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llbuild.tests.fuzz.hostile", target],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".typing"), "PYTHONMALLOC": "pymalloc"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr[-2000:]
