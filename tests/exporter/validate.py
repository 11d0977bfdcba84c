"""An oracle for images: recomputes every digest, size and diff id of an OCI layout, whoever wrote it.

It shares no code with the package (go-containerregistry's `validate` is its model).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ValidImage:
    name: str
    ref_name: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    config_bytes: bytes
    digest: str
    layers: tuple[bytes, ...]  # uncompressed


def validate_layout(path: Path) -> list[ValidImage]:
    """Every image in the index of a layout folder; AssertionError when anything does not add up."""
    assert json.loads((path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((path / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    for blob in (path / "blobs").glob("*/*"):
        assert blob.name == hashlib.new(blob.parent.name, blob.read_bytes()).hexdigest(), blob
    return [_validate_image(path, descriptor) for descriptor in index["manifests"]]


def validate_archive(archive: Path, scratch: Path) -> list[ValidImage]:
    """The same of a tar archive, which must be sorted, timeless and hold no more than its images need."""
    with tarfile.open(archive, "r:") as tar:
        members = tar.getmembers()
        tar.extractall(scratch, filter="data")
    names = [member.name for member in members]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in members} == {
        (0, 0, 0, "", "")
    }
    images = validate_layout(scratch)
    needed = {image.digest for image in images}
    for image in images:
        needed |= {image.manifest["config"]["digest"], *(layer["digest"] for layer in image.manifest["layers"])}
    assert {name for name in names if name.startswith("blobs/sha256/")} == {
        f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in needed
    }
    return images


def _validate_image(path: Path, descriptor: dict[str, Any]) -> ValidImage:
    manifest_bytes = _blob(path, descriptor)
    manifest = json.loads(manifest_bytes)
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == descriptor["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    config_bytes = _blob(path, manifest["config"])
    config = json.loads(config_bytes)
    layers = tuple(_uncompressed(_blob(path, layer), layer["mediaType"]) for layer in manifest["layers"])
    diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    assert config["rootfs"] == {"type": "layers", "diff_ids": diff_ids}
    filled = [entry for entry in config["history"] if not entry.get("empty_layer")]
    assert len(filled) == len(layers)
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:") as tar:
            tar.getmembers()
    if descriptor.get("platform"):
        assert descriptor["platform"]["os"] == config["os"]
        assert descriptor["platform"]["architecture"] == config["architecture"]
    notes = descriptor.get("annotations", {})
    return ValidImage(
        name=notes.get("io.containerd.image.name", ""),
        ref_name=notes.get("org.opencontainers.image.ref.name", ""),
        manifest=manifest,
        config=config,
        config_bytes=config_bytes,
        digest=descriptor["digest"],
        layers=layers,
    )


def _blob(path: Path, descriptor: dict[str, Any]) -> bytes:
    algorithm, _, digits = descriptor["digest"].partition(":")
    data: bytes = (path / "blobs" / algorithm / digits).read_bytes()
    assert len(data) == descriptor["size"]
    assert hashlib.new(algorithm, data).hexdigest() == digits
    return data


def _uncompressed(data: bytes, media_type: str) -> bytes:
    match media_type.rpartition("+")[2]:
        case "gzip":
            return gzip.decompress(data)
        case "zstd":
            return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data))
        case _:
            assert media_type.endswith(".tar")
            return data
