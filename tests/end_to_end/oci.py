"""Reading images as a stranger would: from the bytes of an OCI layout, checking every digest on the way.

Uses the standard library only, so that a mistake shared with llbuild's own code cannot hide.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    media_type: str
    size_bytes: int  # of the blob, as stored
    tar: bytes

    @property
    def members(self) -> dict[str, tarfile.TarInfo]:
        """By name, without leading `./` or trailing `/`."""
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as archive:
            return {member.name.removeprefix("./").rstrip("/"): member for member in archive}

    @property
    def content_bytes(self) -> int:
        return sum(member.size for member in self.members.values() if member.isreg())

    def read(self, name: str) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as archive:
            for member in archive:
                if member.name.removeprefix("./").rstrip("/") == name:
                    file = archive.extractfile(member)
                    assert file is not None, f"{name} is no regular file"
                    return file.read()
        raise AssertionError(f"no {name} in the layer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    layers: list[Layer]

    @property
    def history(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.config["history"]
        return entries

    def layer_of(self, created_by: str) -> Layer | None:
        """The layer of the history entry whose `created_by` contains the text; None for one without a layer."""
        at = 0
        for entry in self.history:
            empty = entry.get("empty_layer", False)
            if created_by in entry.get("created_by", ""):
                return None if empty else self.layers[at]
            at += not empty
        raise AssertionError(f"no {created_by!r} in {[entry.get('created_by') for entry in self.history]}")


def read_image(layout: Path) -> Image:
    """The one image of an OCI layout: a folder, or a tar archive of one. Every digest and size is checked."""
    read = _folder_reader(layout) if layout.is_dir() else _archive_reader(layout)
    assert json.loads(read("oci-layout"))["imageLayoutVersion"] == "1.0.0"
    index = json.loads(read("index.json"))
    assert index["schemaVersion"] == 2
    descriptor = index["manifests"][0]
    while True:
        manifest = json.loads(_blob(read, descriptor))
        if "config" in manifest:
            break
        descriptor = manifest["manifests"][0]
    config = json.loads(_blob(read, manifest["config"]))
    layers = [
        Layer(media_type=entry["mediaType"], size_bytes=entry["size"], tar=_decompress(_blob(read, entry)))
        for entry in manifest["layers"]
    ]
    diff_ids = ["sha256:" + hashlib.sha256(layer.tar).hexdigest() for layer in layers]
    assert config["rootfs"] == {"type": "layers", "diff_ids": diff_ids}
    with_layer = [entry for entry in config["history"] if not entry.get("empty_layer")]
    assert len(with_layer) == len(layers), "one history entry per layer"
    return Image(digest=descriptor["digest"], manifest=manifest, config=config, layers=layers)


def _blob(read: Any, descriptor: dict[str, Any]) -> bytes:
    algorithm, _, digits = descriptor["digest"].partition(":")
    data: bytes = read(f"blobs/{algorithm}/{digits}")
    assert len(data) == descriptor["size"]
    assert hashlib.new(algorithm, data).hexdigest() == digits
    return data


def _folder_reader(folder: Path) -> Any:
    return lambda name: (folder / name).read_bytes()


def _archive_reader(file: Path) -> Any:
    with tarfile.open(file) as archive:
        contents = {
            member.name.removeprefix("./"): archive.extractfile(member).read()  # type: ignore[union-attr]  # a file
            for member in archive
            if member.isfile()
        }
    return contents.__getitem__


def _decompress(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        zstd = shutil.which("zstd")
        assert zstd, "a zstd layer, and no zstd program to check it with"
        return subprocess.run([zstd, "-dc"], input=data, capture_output=True, check=True).stdout
    return data
