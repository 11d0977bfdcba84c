"""A definition as BuildKit's subrequest `frontend.convertllb` answers: protobuf's own JSON, keyed by op digest.

`plain` is for people and numbers the ops; this is the form that other programs know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

from ..digest import sha256_digest
from . import ops_pb2 as pb
from .encode import encode_buildkit

if TYPE_CHECKING:
    from ..llb import Definition

__all__ = ["converted_definition"]


def converted_definition(definition: Definition) -> dict[str, Any]:
    """{"def": {digest: op}, "metadata": {digest: what is said of it}, "source": files, and places by digest}.

    In "metadata" fields are named as in ops.proto, else in camelCase: BuildKit has Go's JSON there, not protobuf's.
    Raises DefinitionError as `encode_buildkit` does.
    """
    wire = pb.Definition.FromString(encode_buildkit(definition))
    serialized: list[bytes] = list(getattr(wire, "def"))  # a keyword in Python
    return {
        "def": {str(sha256_digest(data)): MessageToDict(pb.Op.FromString(data)) for data in serialized},
        "metadata": {
            digest: MessageToDict(wire.metadata[digest], preserving_proto_field_name=True)
            for digest in sorted(wire.metadata)
        },
        "source": MessageToDict(wire.Source),
    }
