"""An OCI image layout as a folder: `oci-layout`, `index.json`, `blobs/sha256/<hex>`.

Spec: OCI image-spec 1.1, image-layout.md. The index is edited as the JSON it is, so that what other
tools put there survives. Writers take a lock on the folder itself (flock on a directory: no lock file
is left behind) and replace files by rename; readers need no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from ..errors import SourceError
from ..values import frozen
from .descriptor import Descriptor, MediaType
from .manifest import decode_descriptor, encode_descriptor
from .strict_json import MAX_DOCUMENT_BYTES, decode_json, encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..digest import Digest

__all__ = ["Layout", "LayoutEntry", "blob_name", "decode_layout", "encode_layout", "named"]

IMAGE_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"
LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}'


@frozen
class LayoutEntry:
    """One line of the index. Names are "" when the entry bears none."""

    descriptor: Descriptor
    name: str = ""  # containerd's annotation: the full name
    ref_name: str = ""  # OCI's annotation: a tag, or whatever the writer liked

    @property
    def best_name(self) -> str:
        """The fullest name there is: skopeo and umoci write only the OCI one."""
        return self.name or self.ref_name


def blob_name(digest: Digest) -> str:
    """Where a layout keeps a blob, relative to it."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def named(descriptor: Descriptor, *, name: str, ref_name: str) -> Descriptor:
    """The descriptor as it stands in an index under a name."""
    kept = [pair for pair in descriptor.annotations if pair[0] not in {IMAGE_NAME, REF_NAME}]
    names = [(key, value) for key, value in ((IMAGE_NAME, name), (REF_NAME, ref_name)) if value]
    return Descriptor(
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size_bytes=descriptor.size_bytes,
        platform=descriptor.platform,
        annotations=tuple(sorted(kept + names)),
    )


def decode_layout(data: bytes, *, ref: str) -> tuple[LayoutEntry, ...]:
    """Read an `index.json`. Raises SourceError."""
    top = decode_json(data, what="index.json", ref=ref)
    if top.integer("schemaVersion") != 2:
        raise top.error("schemaVersion", f"expected 2, found {top.integer('schemaVersion')}")
    entries = []
    for item in top.children("manifests"):
        descriptor = decode_descriptor(item)
        notes = dict(descriptor.annotations)
        entries.append(
            LayoutEntry(descriptor=descriptor, name=notes.get(IMAGE_NAME, ""), ref_name=notes.get(REF_NAME, ""))
        )
    return tuple(entries)


def encode_layout(manifests: tuple[Descriptor, ...]) -> bytes:
    """A new `index.json` that holds these."""
    return encode_json(
        {
            "schemaVersion": 2,
            "mediaType": MediaType.OCI_INDEX,
            "manifests": [encode_descriptor(manifest) for manifest in manifests],
        }
    )


class Layout:
    """A layout folder, made when something is first written. Usable by many processes at once."""

    def __init__(self, folder: str, *, index_name: str = "index.json") -> None:
        self.folder = folder
        self.index_path = f"{folder}/{index_name}"

    def blob_path(self, digest: Digest) -> str:
        return f"{self.folder}/{blob_name(digest)}"

    def entries(self) -> tuple[LayoutEntry, ...]:
        """What the index lists; nothing when there is no index. Raises SourceError when it is malformed."""
        data = self._read_index()
        return () if data is None else decode_layout(data, ref=self.folder)

    def create(self) -> None:
        """Make the folder and its `oci-layout` file, if they are not there."""
        os.makedirs(f"{self.folder}/blobs/sha256", exist_ok=True)
        path = f"{self.folder}/oci-layout"
        if not os.path.exists(path):
            self._replace(path, LAYOUT_FILE)

    def put(self, descriptor: Descriptor) -> None:
        """List `descriptor` in place of every entry of that name (of that digest, when it bears no name).

        Does not touch the file when that is what it says already.
        """
        fields = encode_descriptor(descriptor)
        data = self._read_index()
        if data is not None and [item for item in _manifests(data, self.folder) if _replaces(fields, item)] == [fields]:
            return
        self.create()
        self._edit(lambda manifests: [*(item for item in manifests if not _replaces(fields, item)), fields])

    def remove(self, name: str) -> bool:
        """Take every entry with that best name out of the index; False when there was none."""
        if not any(entry.best_name == name for entry in self.entries()):
            return False
        self._edit(lambda manifests: [item for item in manifests if _best_name(item) != name])
        return True

    def _edit(self, change: Callable[[list[object]], list[object]]) -> None:
        with self.locked():
            data = self._read_index() or encode_layout(())
            top = dict(decode_json(data, what="index.json", ref=self.folder).values)
            top["manifests"] = change(_manifests(data, self.folder))
            self._replace(self.index_path, encode_json(top))  # type: ignore[arg-type]  # it came from JSON

    def _read_index(self) -> bytes | None:
        try:
            with open(self.index_path, "rb") as file:
                # Empty or zeros is what a power failure leaves of a file that was just renamed: no index.
                return file.read(MAX_DOCUMENT_BYTES + 1).strip(b"\0") or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"cannot read {self.index_path}: {error.strerror}", ref=self.folder) from error

    def _replace(self, path: str, data: bytes) -> None:
        temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with open(temporary, "wb") as file:
                file.write(data)
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against other writers; waits for them."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _manifests(data: bytes, ref: str) -> list[object]:
    return [item.values for item in decode_json(data, what="index.json", ref=ref).children("manifests")]


def _notes(item: object) -> dict[str, object]:
    notes = item.get("annotations") if isinstance(item, dict) else None
    return notes if isinstance(notes, dict) else {}


def _best_name(item: object) -> object:
    notes = _notes(item)
    return notes.get(IMAGE_NAME) or notes.get(REF_NAME)


def _replaces(new: object, old: object) -> bool:
    """Whether both go by one name. skopeo and umoci write tags alone; a full name is ours and BuildKit's."""
    name, ref_name = _notes(new).get(IMAGE_NAME), _notes(new).get(REF_NAME)
    old_name, old_ref_name = _notes(old).get(IMAGE_NAME), _notes(old).get(REF_NAME)
    if not (name or ref_name or old_name or old_ref_name):
        return isinstance(new, dict) and isinstance(old, dict) and new.get("digest") == old.get("digest")
    return ref_name == old_ref_name and (name == old_name or not old_name)
