"""Random edits of a mounted overlay, as a RUN makes them: the layer says exactly what changed, to us and to umoci."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.tests.tools import require_tool, run_tool
from llbuild.tests.worker.layer.trees import CHILDREN, Ideas, Seen, extract, grow, look, pack
from llbuild.tests.worker.snapshotter.edits import edit

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]

_ACTIONS = st.sampled_from(["remove", "rename", "append", "chmod", "recreate", "link"])
_EDITS = st.lists(st.tuples(_ACTIONS, st.integers(0, 99)), max_size=8)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    require_tool("umoci")
    with tempfile.TemporaryDirectory() as folder:
        run_tool(["umoci", "init", "--layout", f"{folder}/layout"])
        yield f"{folder}/layout"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(base=CHILDREN, added=CHILDREN, edits=_EDITS)
def test_the_layer_of_any_edits_applies_to_the_same_tree(
    image: str, base: Ideas, added: Ideas, edits: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lower, upper, work, merged = (folder / part for part in ("lower", "upper", "work", "merged"))
        for part in (lower, upper, work, merged):
            part.mkdir()
        grow(str(lower), base, overlay=False)
        with mounted(merged, lower, upper, work):
            grow(str(merged), {f"+{child}"[:255]: idea for child, idea in added.items()}, overlay=False)
            for action, number in edits:
                edit(merged, action, number)
            want = look(merged)
        again = folder / "again"
        extract(pack(upper)[0], again)
        shutil.rmtree(work)
        work.mkdir()
        with mounted(merged, lower, again, work):
            assert look(merged) == want
        run_tool(["umoci", "new", "--image", f"{image}:test"])
        for layer in (lower, upper):
            (folder / "layer.tar").write_bytes(gzip.decompress(pack(layer)[0]))
            run_tool(["umoci", "raw", "add-layer", "--image", f"{image}:test", folder / "layer.tar"])
        run_tool(["umoci", "raw", "unpack", "--image", f"{image}:test", folder / "umoci"])
        run_tool(["umoci", "remove", "--image", f"{image}:test"])
        assert simple(look(folder / "umoci")) == simple(want)


class mounted:  # noqa: N801  reads as a verb
    """An overlay while the block runs, or a skip where none can be mounted."""

    def __init__(self, place: Path, lower: Path, upper: Path, work: Path) -> None:
        options = f"lowerdir={lower},upperdir={upper},workdir={work},index=off,metacopy=off,redirect_dir=off"
        self._mount = ["mount", "-t", "overlay", "-o", options, "overlay", str(place)]
        self._place = str(place)

    def __enter__(self) -> None:
        run_tool(self._mount)

    def __exit__(self, *_: object) -> None:
        run_tool(["umount", self._place])


def simple(seen: dict[str, Seen]) -> dict[str, Seen]:
    """Without what Go's reader of tars cannot say: empty attributes, and names of attributes with "=" in them.

    Nor hard links, which end at the border of a layer: a file that was copied up is another one than its old names.
    """
    return {
        path: fact._replace(same_as="", xattrs=tuple(pair for pair in fact.xattrs if pair[0] == "user.note"))
        for path, fact in seen.items()
    }
