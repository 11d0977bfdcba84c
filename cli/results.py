"""The small files a build leaves for scripts: --iidfile and --metadata-file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import ExportError

if TYPE_CHECKING:
    from .job import BuildResult

__all__ = ["check_writable", "metadata_json", "write_result"]


def check_writable(path: str) -> None:
    """Raises ExportError when `path` could not be written; removes what an earlier build left there.

    As docker does: after a failed build no digest of another one must remain.
    """
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise ExportError(f"cannot write {path}: it is a folder")
    if not os.path.isdir(folder):
        raise ExportError(f"cannot write {path}: there is no folder {folder}", hint="create it first")
    if not os.access(folder, os.W_OK) and not _special(path):
        raise ExportError(f"cannot write {path}: no permission to write in {folder}")
    if os.path.isfile(path):
        os.unlink(path)


def write_result(path: str, result: str | bytes) -> None:
    """Write the whole file or nothing. Devices and pipes are written to as they are."""
    data = result.encode() if isinstance(result, str) else result
    if _special(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _special(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)


def metadata_json(result: BuildResult) -> str:
    """What `docker buildx build --metadata-file` writes, as far as it applies."""
    import json

    fields: dict[str, object] = {}
    if result.config_digest is not None:
        fields["containerimage.config.digest"] = result.config_digest
    manifest = result.manifest
    if manifest is not None:
        descriptor: dict[str, object] = {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.size_bytes,
        }
        if manifest.annotations:
            descriptor["annotations"] = dict(manifest.annotations)
        if manifest.platform is not None:
            platform = manifest.platform
            described = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
            descriptor["platform"] = {key: value for key, value in described.items() if value}
        fields["containerimage.descriptor"] = descriptor
        fields["containerimage.digest"] = manifest.digest
    if result.names:
        fields["image.name"] = ",".join(result.names)
    for name, document in result.provenance:
        key = "llbuild.build.provenance"
        fields[key if len(result.provenance) == 1 else f"{key}/{name}"] = document
    if result.number:
        fields["llbuild.build.ref"] = str(result.number)
    return json.dumps(fields, indent=2) + "\n"
