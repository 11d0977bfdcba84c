from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """
import sys
from pathlib import Path
from llbuild.exporter import assemble, export_archive, export_store
from llbuild.image import Descriptor, ImageConfig, LayerBlob, MediaType, parse_reference
from llbuild.platforms import Platform
from llbuild.worker.content import ContentStore
from llbuild.worker.source import resolve_local

folder, platform, name = sys.argv[1], Platform(os="linux", architecture="amd64"), parse_reference("x")
store = ContentStore(Path(folder))
blob = store.write(b"layer")
descriptor = Descriptor(media_type=MediaType.OCI_LAYER, digest=blob.digest, size_bytes=blob.size_bytes)
layer = LayerBlob(diff_id=blob.digest, descriptor=descriptor)
for _ in range(2):
    image = assemble(ImageConfig(platform=platform), [layer])
    export_store(image, store, [name])
    export_archive(image, store, [name], folder + "/out.tar")
assert resolve_local(store, "x", platform) is not None
print(*sys.modules)
"""


def test_writing_an_image_that_is_ready_loads_nothing_heavy(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    loaded = subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.split()
    heavy = {"anyio", "asyncio", "httpx", "networkx", "rich", "shutil", "sqlite3", "ssl", "structlog", "tarfile"}
    assert heavy.isdisjoint(loaded), sorted(heavy & set(loaded))
    assert "llbuild.image.registry.client" not in loaded
    assert "llbuild.worker.source.images" not in loaded
    assert "llbuild.worker.layer" not in loaded
