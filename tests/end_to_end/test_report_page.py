"""A report in a browser: everything is there, drawn, and nothing is complained about."""

from __future__ import annotations

import re
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

pytestmark = pytest.mark.slow

DOCKERFILE = """
FROM busybox AS one
RUN echo "<b>from one</b>" && sleep 0.3
FROM busybox as two
RUN sleep 0.2 && echo two > /two
FROM busybox
COPY --from=two /two /two
RUN cat /two
"""


class Browser:
    """Headless Chromium without a network, on a profile of its own."""

    def __init__(self, folder: Path) -> None:
        self._profile = folder / "profile"
        self._program = require_tool("chromium")

    def __call__(self, page: Path, *flags: str) -> tuple[str, str]:
        """What it prints: result, and complaints of the page."""
        done = subprocess.run(
            [
                *(self._program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--enable-logging=stderr", "--v=0", "--host-resolver-rules=MAP * ~NOTFOUND"),
                *(f"--user-data-dir={self._profile}", *flags, page.as_uri()),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


def test_the_page_of_a_build_is_whole_in_a_browser(
    llbuild: Llbuild, context: Callable[..., Path], browser: Browser, tmp_path: Path
) -> None:
    llbuild.build("-t", "x", context(DOCKERFILE))
    page = tmp_path / "page.html"
    llbuild("builds", "report", "-o", page)
    dom, complaints = browser(page, "--dump-dom")
    assert complaints == ""
    for part in ("timeline", "critical-path", "parallelism", "cache", "layers", "warnings", "graph"):
        assert f'<section id="{part}">' in dom
    assert "&lt;b&gt;from one&lt;/b&gt;" in dom
    # What the parser had to mend would come out in another order, or twice.
    written = page.read_text()
    for tag in ("section", "details", "tr", "pre", "svg", "rect"):
        assert len(re.findall(f"<{tag}[ >]", dom)) == len(re.findall(f"<{tag}[ >]", written)), tag


@pytest.mark.parametrize(("shade", "ground"), [("light", (255, 255, 255)), ("dark", (13, 17, 23))])
def test_the_page_is_drawn_in_the_readers_colours(
    llbuild: Llbuild,
    context: Callable[..., Path],
    browser: Browser,
    tmp_path: Path,
    shade: str,
    ground: tuple[int, int, int],
) -> None:
    llbuild.build(context("FROM busybox\nRUN exit 3\n"), exit_code=1)
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    llbuild("builds", "report", "-o", page)
    flags = ["--blink-settings=preferredColorScheme=0"] if shade == "dark" else []
    _, complaints = browser(page, *flags, "--window-size=900,700", f"--screenshot={picture}")
    assert complaints == ""
    assert first_pixel(picture.read_bytes()) == ground


def first_pixel(png: bytes) -> tuple[int, ...]:
    """Red, green, blue. Whatever the filter of the first line, its first pixel stands as it is (PNG, section 9.2)."""
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(data)[1:4])


def test_the_page_prints(llbuild: Llbuild, context: Callable[..., Path], browser: Browser, tmp_path: Path) -> None:
    llbuild.build(context(DOCKERFILE))
    page, paper = tmp_path / "page.html", tmp_path / "page.pdf"
    llbuild("builds", "report", "-o", page)
    _, complaints = browser(page, f"--print-to-pdf={paper}")
    assert complaints == ""
    assert paper.read_bytes().startswith(b"%PDF")
