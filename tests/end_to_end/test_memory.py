"""Memory does not grow with images: many layers, large files, many files. In bytes of the largest process."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MB = 10**6
LAYERS = 40
LAYER_BYTES = 12 << 20  # from 4 MiB on, a layer is unpacked by several threads with buffers between them


@pytest.mark.slow
def test_unpacking_forty_layers_takes_the_memory_of_a_few(
    bare_llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    block = random.Random(1).randbytes(1 << 16)
    contents = {f"f{number}": bytes([number]) + block * (LAYER_BYTES >> 16) for number in range(LAYERS)}
    folder = context("FROM scratch\n" + "".join(f"COPY f{number} /\n" for number in range(LAYERS)))
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    layout = tmp_path / "layout"
    packing = bare_llbuild.peak_bytes("build", "-o", f"type=oci,tar=false,dest={layout}", folder)
    assert packing < 150 * MB
    other = Llbuild(root=tmp_path / "other")
    reader = context("FROM base AS base\nFROM scratch\nCOPY --from=base /f* /\n")
    base = ("--build-context", f"base=oci-layout://{layout}")
    assert other.peak_bytes("build", *base, "-o", "type=cacheonly", reader) < 200 * MB


@pytest.mark.slow
@pytest.mark.parametrize("form", ["gzip", "zstd", "estargz"])
def test_exporting_a_large_file_takes_little_memory(
    bare_llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    folder = context("FROM scratch\nCOPY large /\n")
    block = random.Random(1).randbytes(1 << 20)
    with (folder / "large").open("wb") as file:
        for _ in range(300):
            file.write(block)
    output = f"type=oci,dest={tmp_path / 'out.tar'},compression={form}"
    assert bare_llbuild.peak_bytes("build", "-o", output, folder) < 150 * MB
