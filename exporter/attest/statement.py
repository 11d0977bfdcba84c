"""What is said of a result, and of what exactly: in-toto statements.

Spec: in-toto attestation framework, statement v1 (https://in-toto.io/Statement/v1).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...digest import Digest

__all__ = ["PROVENANCE_PREFIX", "SPDX", "Predicate", "Subject", "encode_statement", "predicate_of"]

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SPDX: Final = "https://spdx.dev/Document"
PROVENANCE_PREFIX: Final = "https://slsa.dev/provenance/"


@frozen
class Predicate:
    """What an attestation says: `document`, JSON values.

    filename: what it is called beside exported files. inline_only: it is kept in images and not written beside files.
    """

    type: str
    document: dict[str, Any]
    filename: str
    inline_only: bool = False


@frozen
class Subject:
    """What it is said of: a file, or an image under one of its names (a package URL)."""

    name: str
    digest: Digest


def encode_statement(predicate: Predicate, subjects: Sequence[Subject], *, indent: bool = False) -> bytes:
    """The statement's bytes: on one line for images, over many for files."""
    document = {
        "_type": STATEMENT,
        "predicateType": predicate.type,
        "subject": [{"name": one.name, "digest": {one.digest.algorithm: one.digest.hex}} for one in subjects],
        "predicate": predicate.document,
    }
    if indent:
        return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def predicate_of(statement: bytes) -> dict[str, Any]:
    """A statement that somebody made, as JSON values. Raises ValueError for what is none."""
    try:
        document = json.loads(statement)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(document, dict) or not isinstance(document.get("predicateType"), str):
        raise ValueError("it is no in-toto statement")  # noqa: TRY004  one kind of error for whoever reads it
    return document
