"""BuildKit's wire format (protobuf LLB) to `llb` values and back, without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face

if TYPE_CHECKING:
    from .converted import converted_definition
    from .decode import decode_buildkit
    from .encode import encode_buildkit, op_digests
    from .plain import plain_definition
    from .steps import BuildSteps as BuildSteps
    from .steps import build_steps as build_steps

_HOME = {
    "BuildSteps": "steps",
    "build_steps": "steps",
    "converted_definition": "converted",
    "decode_buildkit": "decode",
    "encode_buildkit": "encode",
    "op_digests": "encode",
    "plain_definition": "plain",
}

__all__ = [
    "BuildSteps",
    "build_steps",
    "converted_definition",
    "decode_buildkit",
    "encode_buildkit",
    "op_digests",
    "plain_definition",
]

__getattr__ = lazy_face(__name__, _HOME)
