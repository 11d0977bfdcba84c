"""Protobuf's own messages of the schema: drawn at random, and written as Go's deterministic serializer writes them.

The C library cannot stand in for Go: it writes oneofs among the other fields, and of two map keys the longer first
when it begins with the shorter.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from llbuild.digest import sha256_digest
from llbuild.proto import encode_buildkit
from llbuild.proto import ops_pb2 as pb
from llbuild.tests.llb import strategies as values

# Without these a message says nothing that could be done, and is refused.
REQUIRED = {"DiffOp.lower", "DiffOp.upper", "ExecOp.meta", "Range.start", "Range.end"}


def definition(*ops: bytes, **more: Any) -> pb.Definition:
    made = pb.Definition(**more)
    getattr(made, "def").extend(ops)  # a keyword in Python
    return made


def serialized_ops(definition: pb.Definition) -> list[bytes]:
    return list(getattr(definition, "def"))


def parse_op(data: bytes) -> pb.Op:
    return pb.Op.FromString(data)


def go_bytes(message: Any) -> bytes:
    """Fields by number, oneofs after the others, maps by key."""
    fields = sorted(message.ListFields(), key=lambda item: (item[0].containing_oneof is not None, item[0].number))
    return b"".join(_field_bytes(field, value) for field, value in fields)


def _field_bytes(field: Any, value: Any) -> bytes:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, item = field.message_type.fields
        entries = (_one(key, name) + _one(item, value[name]) for name in sorted(value, key=str.encode))
        return b"".join(_delimited(field.number, entry) for entry in entries)
    if field.is_packed:
        return _delimited(field.number, b"".join(_varint(number) for number in value))
    return b"".join(_one(field, item) for item in (value if field.is_repeated else (value,)))


def _one(field: Any, value: Any) -> bytes:
    if field.message_type is not None:
        return _delimited(field.number, go_bytes(value))
    if isinstance(value, str | bytes):
        return _delimited(field.number, value.encode() if isinstance(value, str) else value)
    return _varint(field.number << 3) + _varint(value)


def _delimited(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    number %= 1 << 64
    digits = []
    while True:
        digits.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(digits)


@st.composite
def message(draw: st.DrawFn, cls: Any) -> Any:
    """A message of the class with any of its fields set; oneofs are always decided."""
    made = cls()
    fields = list(cls.DESCRIPTOR.fields)
    for oneof in cls.DESCRIPTOR.oneofs:
        chosen = draw(st.sampled_from(list(oneof.fields)))
        fields = [field for field in fields if field.containing_oneof is not oneof or field is chosen]
    for field in fields:
        decided = field.containing_oneof is not None or f"{cls.DESCRIPTOR.name}.{field.name}" in REQUIRED
        if decided or draw(st.booleans()):
            _fill(draw, made, field)
    return made


def _fill(draw: st.DrawFn, made: Any, field: Any) -> None:
    target = getattr(made, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        for key in draw(st.lists(values.TEXT, max_size=3, unique=True)):
            if value.message_type is not None:
                target[key].CopyFrom(draw(message(value.message_type._concrete_class)))
            else:
                target[key] = draw(_scalar(value))
    elif field.is_repeated:
        target.extend(draw(st.lists(_item(field), max_size=3)))
    elif field.message_type is not None:
        target.CopyFrom(draw(_item(field)))
        target.SetInParent()
    else:
        setattr(made, field.name, draw(_scalar(field)))


def _item(field: Any) -> st.SearchStrategy[Any]:
    if field.message_type is None:
        return _scalar(field)
    if field.message_type.name == "Definition":
        return values.definitions(0).map(lambda inner: pb.Definition.FromString(encode_buildkit(inner)))
    return message(field.message_type._concrete_class)


def _scalar(field: Any) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return {
        field.TYPE_STRING: values.TEXT,
        field.TYPE_BYTES: st.binary(max_size=20),
        field.TYPE_BOOL: values.FLAG,
        field.TYPE_INT32: values.INT32,
        field.TYPE_INT64: values.INT64,
        field.TYPE_UINT32: values.UINT32,
        field.TYPE_UINT64: values.UINT64,
    }[field.type]


@st.composite
def definitions(draw: st.DrawFn) -> pb.Definition:
    """Any ops, linked as a graph; the last one wants the one before."""
    made: list[bytes] = []
    for _ in range(draw(st.integers(1, 3))):
        op = draw(message(pb.Op))
        del op.inputs[:]
        for earlier in draw(st.lists(st.sampled_from(made), max_size=2)) if made else ():
            op.inputs.add(digest=sha256_digest(earlier), index=draw(st.integers(0, 300)))
        data = go_bytes(op)
        made += [data] if data not in made else []
    last = pb.Op(inputs=[pb.Input(digest=sha256_digest(made[-1]))]).SerializeToString()
    return definition(*made, last)
