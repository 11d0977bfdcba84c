"""The documents of images against JSON schemas (schemas/oci-image.json), wherever an image was written to."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_document", "check_image"]

_EMPTY = "application/vnd.oci.empty.v1+json"
_SCHEMAS = ROOT / "tests/schemas/oci-image.json"


@cache
def _validator(kind: str) -> Draft202012Validator:
    schemas = json.loads(_SCHEMAS.read_bytes())
    Draft202012Validator.check_schema(schemas)
    return Draft202012Validator({**schemas, "$ref": f"#/$defs/{kind}"})


def check_document(data: bytes, kind: str) -> dict[str, Any]:
    """The document, when it is as its schema says. kind: layout, index, manifest or config."""
    document: dict[str, Any] = json.loads(data)
    errors = [f"{kind} {error.json_path}: {error.message}" for error in _validator(kind).iter_errors(document)]
    assert not errors, errors
    return document


def check_image(read: Callable[[str], bytes], descriptor: dict[str, Any]) -> list[str]:
    """Check a manifest or an index and all documents below it. Returns the kinds that were checked.

    read: the bytes of a digest.
    """
    data = read(descriptor["digest"])
    assert len(data) == descriptor["size"]
    kind = "index" if "manifests" in json.loads(data) else "manifest"
    document = check_document(data, kind)
    assert document["mediaType"] == descriptor["mediaType"]
    if kind == "index":
        return [kind, *(inner for entry in document["manifests"] for inner in check_image(read, entry))]
    if document["config"]["mediaType"] == _EMPTY:
        assert read(document["config"]["digest"]) == b"{}"
        assert document["artifactType"], "manifest.md, Guidelines for Artifact Usage"
        return ["artifact"]
    config = check_document(read(document["config"]["digest"]), "config")
    assert len(config["rootfs"]["diff_ids"]) == len(document["layers"])
    return [kind, "config"]
