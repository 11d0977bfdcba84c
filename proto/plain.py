"""Definitions as plain JSON, for people: the fields of `ops.proto` by name.

Every number, text and list is there; a message only where it is set; of a oneof the member that is set. Enums are
names, numbers of 64 bits are numbers, bytes are base64. Inputs are numbers of ops instead of digests. This goes
through the generated code, independently of our own codec: it shows what others read in the bytes.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from ..digest import sha256_digest
from . import ops_pb2 as pb
from .encode import encode_buildkit

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ..llb import Definition

__all__ = ["plain_definition"]


def plain_definition(definition: Definition) -> dict[str, Any]:
    """{"ops": […], "root": {"op", "output", "digest", "caps"} or None}: ops in order, apart from the last.

    An op has `digest`, `type`, `inputs`, `platform`, `constraints`, `metadata`, and a body under the name of its type.
    Raises DefinitionError as `encode_buildkit` does.
    """
    wire = pb.Definition.FromString(encode_buildkit(definition))
    serialized: list[bytes] = list(getattr(wire, "def"))  # a keyword in Python
    numbers = {str(sha256_digest(data)): number for number, data in enumerate(serialized)}
    ops = []
    root = None
    for digest, data in zip(numbers, serialized, strict=True):
        op = pb.Op.FromString(data)
        inputs = [{"op": numbers[item.digest], "output": item.index} for item in op.inputs]
        said = _metadata(wire.metadata[digest])
        kind = op.WhichOneof("op")
        if kind is None:
            root = {**inputs[0], "digest": digest, "caps": said["caps"]}
            continue
        body = {"platform": None, **_plain(op), "inputs": inputs}
        ops.append({"digest": digest, "type": kind, **body, "metadata": said})
    return {"ops": ops, "root": root}


def _metadata(message: pb.OpMetadata) -> dict[str, Any]:
    """The capabilities as a list: their values carry no meaning."""
    plain = _plain(message)
    return {**plain, "caps": sorted(plain["caps"])}


def _plain(message: Message) -> dict[str, Any]:
    return {
        field.name: _field(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _field(field: Any, value: Any) -> Any:
    """`field`: a FieldDescriptor, of a class that depends on protobuf's implementation."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        item = field.message_type.fields_by_name["value"]
        return {key: _item(item, value[key]) for key in sorted(value)}
    return [_item(field, item) for item in value] if field.is_repeated else _item(field, value)


def _item(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return b64encode(value).decode() if field.type == field.TYPE_BYTES else value
