"""What is said of an image of the local store, read as a stranger would: nobody vouches for any of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...errors import LlbuildError, SourceError
from ...exporter.attest import predicate_of
from ...image import (
    CONFIG_TYPES_OF_ALL,
    MAX_STATEMENT_BYTES,
    STATEMENT_TYPE,
    Index,
    attested_digest,
    decode_manifest,
    images_of,
)
from ...values import frozen

if TYPE_CHECKING:
    from ...digest import Digest
    from ...image import Descriptor
    from ...worker import ContentStore

__all__ = ["AttestedImage", "FoundStatement", "describe_attestations", "find_attestations"]


@frozen
class FoundStatement:
    """One attestation. document: {} where it could not be read, and `error` says why.

    about_it: whether the image it is attached to is among its subjects.
    """

    digest: Digest
    size_bytes: int
    document: dict[str, Any]
    error: str = ""
    about_it: bool = False

    @property
    def type(self) -> str:
        return str(self.document.get("predicateType", ""))

    @property
    def predicate(self) -> dict[str, Any]:
        found = self.document.get("predicate")
        return found if isinstance(found, dict) else {}


@frozen
class AttestedImage:
    """`platform`: as the index has it, for people."""

    platform: str
    digest: Digest
    statements: tuple[FoundStatement, ...]


def find_attestations(store: ContentStore, target: Descriptor, *, name: str) -> list[AttestedImage]:
    """The images of an index, each with what is said of it; one that is no index has nothing said of it.

    Raises NotFoundError, CorruptError or SourceError where the index is damaged; a damaged attestation has an error.
    """
    document = decode_manifest(store.read(target.digest), ref=name)
    if not isinstance(document, Index):
        return [AttestedImage(platform=str(target.platform or ""), digest=target.digest, statements=())]
    found = []
    for image in images_of(document):
        said = [entry for entry in document.manifests if attested_digest(entry) == image.digest]
        statements = [one for entry in said for one in _statements(store, entry, image.digest, name)]
        found.append(
            AttestedImage(platform=str(image.platform or ""), digest=image.digest, statements=tuple(statements))
        )
    return found


def _statements(store: ContentStore, entry: Descriptor, image: Digest, name: str) -> list[FoundStatement]:
    try:
        manifest = decode_manifest(store.read(entry.digest), ref=name, configs=CONFIG_TYPES_OF_ALL)
    except LlbuildError as error:
        return [FoundStatement(digest=entry.digest, size_bytes=entry.size_bytes, document={}, error=error.message)]
    if isinstance(manifest, Index):
        return []
    return [_statement(store, layer, image) for layer in manifest.layers if layer.media_type == STATEMENT_TYPE]


def _statement(store: ContentStore, layer: Descriptor, image: Digest) -> FoundStatement:
    document: dict[str, Any] = {}
    reason = ""
    try:
        document = predicate_of(store.read(layer.digest, limit=MAX_STATEMENT_BYTES))
    except LlbuildError as error:
        reason = error.message
    except ValueError as error:
        reason = str(error)
    return FoundStatement(
        digest=layer.digest,
        size_bytes=layer.size_bytes,
        document=document,
        error=reason,
        about_it=_is_subject(document.get("subject"), image),
    )


def _is_subject(subjects: object, image: Digest) -> bool:
    if not isinstance(subjects, list):
        return False
    digests = [one.get("digest") for one in subjects if isinstance(one, dict)]
    return any(isinstance(found, dict) and found.get(image.algorithm) == image.hex for found in digests)


def describe_attestations(name: str, target: Descriptor, images: list[AttestedImage]) -> str:
    """All of it as JSON: statements as they are, in ASCII, since nobody knows what is in them.

    Raises SourceError for one that is nested too deeply to be written again.
    """
    document = {
        "name": name,
        "digest": target.digest,
        "images": [
            {
                "platform": image.platform,
                "digest": image.digest,
                "attestations": [_described(statement) for statement in image.statements],
            }
            for image in images
        ],
    }
    try:
        return json.dumps(document, indent=2) + "\n"
    except RecursionError:
        raise SourceError(f"{name}: an attestation is nested too deeply", ref=name) from None


def _described(found: FoundStatement) -> dict[str, Any]:
    described = {"digest": found.digest, "size_bytes": found.size_bytes, "about_the_image": found.about_it}
    return described | ({"error": found.error} if found.error else {"statement": found.document})
