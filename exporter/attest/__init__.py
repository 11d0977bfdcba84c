"""Attestations: what can be said of a result besides its bytes, and how it is attached to an image.

Nothing here touches the image itself: its manifest has the same digest with and without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .beside import with_statements as with_statements
    from .manifest import AssembledAttestation as AssembledAttestation
    from .manifest import attest_image as attest_image
    from .provenance import VERSIONS as VERSIONS
    from .provenance import BuildFacts as BuildFacts
    from .provenance import Mode as Mode
    from .provenance import ProvenanceForm as ProvenanceForm
    from .provenance import local_names as local_names
    from .provenance import make_provenance as make_provenance
    from .purl import image_purl as image_purl
    from .purl import package_url as package_url
    from .statement import PROVENANCE_PREFIX as PROVENANCE_PREFIX
    from .statement import SPDX as SPDX
    from .statement import Predicate as Predicate
    from .statement import Subject as Subject
    from .statement import encode_statement as encode_statement
    from .statement import predicate_of as predicate_of

_HOME = {
    "PROVENANCE_PREFIX": "statement",
    "SPDX": "statement",
    "VERSIONS": "provenance",
    "AssembledAttestation": "manifest",
    "BuildFacts": "provenance",
    "Mode": "provenance",
    "Predicate": "statement",
    "ProvenanceForm": "provenance",
    "Subject": "statement",
    "attest_image": "manifest",
    "encode_statement": "statement",
    "image_purl": "purl",
    "local_names": "provenance",
    "make_provenance": "provenance",
    "package_url": "purl",
    "predicate_of": "statement",
    "with_statements": "beside",
}
__all__ = [
    "PROVENANCE_PREFIX",
    "SPDX",
    "VERSIONS",
    "AssembledAttestation",
    "BuildFacts",
    "Mode",
    "Predicate",
    "ProvenanceForm",
    "Subject",
    "attest_image",
    "encode_statement",
    "image_purl",
    "local_names",
    "make_provenance",
    "package_url",
    "predicate_of",
    "with_statements",
]

__getattr__ = lazy_face(__name__, _HOME)
