"""A definition as BuildKit's provenance tells it: numbered steps, and where in the build files they come from.

The JSON is Go's (encoding/json over BuildKit's structs), not protobuf's: fields under the names of `ops.proto`, what is
zero left out, enums as numbers, the members of a oneof below its name. Spec: moby/buildkit, docs/attestations and
solver/pb/json.go.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from ..digest import sha256_digest
from ..llb import redacted
from ..values import frozen
from . import ops_pb2 as pb
from .encode import encode_buildkit, op_digests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.message import Message

    from ..digest import Digest
    from ..llb import Definition

__all__ = ["BuildSteps", "build_steps"]

_ONEOFS = {"Op": ("op", "Op"), "FileAction": ("action", "Action"), "UserOpt": ("user", "User")}
_ALWAYS = {"FileAction": ("input", "secondaryInput", "output")}  # written where they are 0, too
_OF_A_SESSION = ("local.session", "local.unique")  # name a client, not what it gives
_URLS = ("git.fullurl",)
_SPELT = {"byID": "byId"}


@frozen
class BuildSteps:
    """steps: `{"id", "op", "inputs"}`, inputs first. mapping: BuildKit's digests to ids. names: ours to ids.

    locations: places by id; infos: the build files, each with the steps it was read from.
    """

    steps: list[dict[str, Any]]
    mapping: dict[str, str]
    names: Mapping[Digest, str]
    locations: dict[str, Any]
    infos: list[dict[str, Any]]


def build_steps(definition: Definition) -> BuildSteps:
    """The steps in BuildKit's order: depth first from what is wanted. Raises DefinitionError as `encode_buildkit`."""
    wire = pb.Definition.FromString(encode_buildkit(definition))
    steps, ids = _steps(wire)
    names = {ours: ids[name] for ours, name in op_digests(definition).items() if name in ids}
    source = wire.Source
    places = {name: _go(source.locations[name]) for name in ids if name in source.locations}
    return BuildSteps(
        steps=steps,
        mapping=dict(sorted(ids.items())),
        names=names,
        locations={ids[name]: place for name, place in places.items() if place},
        infos=_infos(source.infos),
    )


def _steps(wire: pb.Definition) -> tuple[list[dict[str, Any]], dict[str, str]]:
    serialized: list[bytes] = list(getattr(wire, "def"))  # a keyword in Python
    ops = {str(sha256_digest(data)): pb.Op.FromString(data) for data in serialized}
    if not ops:
        return [], {}
    order = _depth_first(ops, next(reversed(ops)))
    ids = {name: f"step{number}" for number, name in enumerate(order)}
    steps = []
    for name in order:
        op = ops[name]
        inputs = [f"{ids[item.digest]}:{item.index}" for item in op.inputs]
        op.ClearField("inputs")
        if op.WhichOneof("op") == "source":
            _clean(op.source)
        steps.append({"id": ids[name], "op": _go(op)} | ({"inputs": inputs} if inputs else {}))
    return steps, ids


def _clean(source: pb.SourceOp) -> None:
    """Drop what is of one client, and hide passwords: provenance is for everybody who gets the image."""
    source.identifier = redacted(source.identifier)
    for key in _OF_A_SESSION:
        source.attrs.pop(key, None)
    for key in _URLS:
        if key in source.attrs:
            source.attrs[key] = redacted(source.attrs[key])


def _depth_first(ops: Mapping[str, pb.Op], last: str) -> list[str]:
    """Inputs before who needs them; a loop, since a chain may be longer than Python has frames."""
    order: dict[str, None] = {}
    todo: list[tuple[str, int]] = [(last, 0)]
    while todo:
        name, at = todo.pop()
        inputs = ops[name].inputs
        if at < len(inputs):
            todo.append((name, at + 1))
            if inputs[at].digest not in order:
                todo.append((inputs[at].digest, 0))
        else:
            order.setdefault(name)
    return list(order)


def _infos(infos: Sequence[pb.SourceInfo]) -> list[dict[str, Any]]:
    described = []
    for info in infos:
        steps, ids = _steps(info.definition)
        fields: dict[str, Any] = {
            "filename": info.filename,
            "language": info.language,
            "data": b64encode(info.data).decode(),
            "llbDefinition": steps,
            "digestMapping": dict(sorted(ids.items())),
        }
        described.append({key: value for key, value in fields.items() if value})
    return described


def _go(message: Message) -> dict[str, Any]:
    """A message as Go's encoding/json writes its struct."""
    name = message.DESCRIPTOR.name
    oneof = _ONEOFS.get(name)
    members = set() if oneof is None else {field.name for field in message.DESCRIPTOR.oneofs_by_name[oneof[0]].fields}
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.name in members:
            continue
        value = _value(field, getattr(message, field.name), present=not _is_one(field) or message.HasField(field.name))
        if value or field.name in _ALWAYS.get(name, ()):
            plain[field.name] = value
    if oneof is not None:
        chosen = message.WhichOneof(oneof[0])
        plain[oneof[1]] = {} if chosen is None else _chosen(message, chosen)
    return plain


def _chosen(message: Message, member: str) -> dict[str, Any]:
    value = getattr(message, member)
    plain = value if isinstance(value, int) else _go(value)
    return {_SPELT.get(member, member): plain} if plain != 0 else {}  # Go leaves out the user with the id 0


def _is_one(field: Any) -> bool:
    """Whether it is one message, there or not. `field`: a FieldDescriptor, of a class that depends on protobuf."""
    return field.message_type is not None and not field.is_repeated


def _value(field: Any, value: Any, *, present: bool) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        item = field.message_type.fields_by_name["value"]
        return {key: _item(item, value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_item(field, item) for item in value]
    return _item(field, value) if present else None


def _item(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _go(value)
    return b64encode(value).decode() if field.type == field.TYPE_BYTES else value
