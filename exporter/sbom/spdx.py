"""A scan as an SPDX document. Spec: SPDX 2.3 (spdx.github.io/spdx-spec/v2.3), in its JSON form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...digest import blake3_bytes
from ..attest import SPDX, Predicate
from .licenses import spdx_expression

if TYPE_CHECKING:
    from .contract import Package
    from .scan import Scan

__all__ = ["FILENAME", "spdx_predicate"]

FILENAME = "sbom.spdx.json"
_DOCUMENT, _ROOT = "SPDXRef-DOCUMENT", "SPDXRef-Result"
_UNKNOWN = "NOASSERTION"


def spdx_predicate(scan: Scan, *, name: str, epoch_s: int | None = None) -> Predicate:
    """What was found, as a document about the result `name`.

    The same scan gives the same bytes: it is dated when it was made, or with epoch_s (seconds since 1970).
    """
    created = datetime.fromtimestamp(int(scan.when) if epoch_s is None else epoch_s, UTC)
    packages = [_package(number, package) for number, package in enumerate(scan.packages)]
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "documentNamespace": "",
        "creationInfo": _creation(scan, created.strftime("%Y-%m-%dT%H:%M:%SZ")),
        "packages": [_root(name), *packages],
        "relationships": [
            _relation(_DOCUMENT, "DESCRIBES", _ROOT),
            *(_relation(_ROOT, "CONTAINS", package["SPDXID"]) for package in packages),
        ],
    }
    document["documentNamespace"] = _namespace(document)
    return Predicate(type=SPDX, document=document, filename=FILENAME)


def _creation(scan: Scan, created: str) -> dict[str, Any]:
    """What could not be read is said here: a list with a gap must not look whole."""
    info: dict[str, Any] = {"created": created, "creators": [f"Tool: llbuild-{__version__}"]}
    if scan.scanner != "llbuild":
        info["creators"].append(f"Tool: {scan.scanner}")
    if scan.notes:
        info["comment"] = "Not complete. " + "; ".join(scan.notes)
    return info


def _root(name: str) -> dict[str, Any]:
    return {
        "SPDXID": _ROOT,
        "name": name,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "primaryPackagePurpose": "CONTAINER",
    }


def _package(number: int, package: Package) -> dict[str, Any]:
    fields = {
        "SPDXID": f"SPDXRef-Package-{number + 1}",
        "name": package.name,
        "versionInfo": package.version,
        "supplier": _UNKNOWN,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "sourceInfo": f"told by /{package.found_in}",
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": spdx_expression(package.licenses) or _UNKNOWN,
        "licenseComments": f"The package says: {package.licenses}" if package.licenses else "",
        "copyrightText": _UNKNOWN,
        "comment": f"Maintained by {package.maintainer}" if package.maintainer else "",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": package.purl,
            }
        ],
    }
    return {key: value for key, value in fields.items() if value != ""}


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _namespace(document: dict[str, Any]) -> str:
    """A name that no other document has: an UUID (RFC 9562, version 8) out of what it says."""
    said = json.dumps(document, sort_keys=True, ensure_ascii=True).encode()
    raw = bytearray(blake3_bytes(said)[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    digits = raw.hex()
    return "urn:uuid:" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
