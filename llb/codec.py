"""Values ↔ canonical msgpack. The one module that knows msgpack's spelling of a graph.

Canonical form, so that equal values have equal bytes on every machine:
- a dataclass is a map from field name to value, keys sorted, fields at their default left out
  (a field added later does not move the digests of values that do not use it);
- an op or file action is a map of one key, its kind, to its fields;
- tuples are arrays, enums their number, None is nil; no floats; msgpack's smallest encodings.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgpack

from ..digest import Digest
from ..errors import DefinitionError
from ..platforms import Platform
from ..values import MISSING, frozen, value_fields
from . import op as ops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAX_BYTES", "decode_value", "encode_value", "pack", "unpack", "unpack_stream"]

MAX_BYTES = 256 << 20  # a definition of 10,000 vertices is ~5 MiB
# Maps and arrays a message may be made of: all over a definition, names and text take more than that.
_BYTES_PER_CONTAINER, _FREE_CONTAINERS = 6, 10_000

_KINDS: dict[str, type[Any]] = {
    "source": ops.SourceOp,
    "exec": ops.ExecOp,
    "file": ops.FileOp,
    "merge": ops.MergeOp,
    "diff": ops.DiffOp,
    "build": ops.BuildOp,
    "passthrough": ops.PassthroughOp,
    "copy": ops.FileCopy,
    "mkfile": ops.FileMkfile,
    "mkdir": ops.FileMkdir,
    "rm": ops.FileRm,
    "symlink": ops.FileSymlink,
}
_KIND_OF = {cls: kind for kind, cls in _KINDS.items()}
_ACTIONS = frozenset({"copy", "mkfile", "mkdir", "rm", "symlink"})
_SCALARS = frozenset({str, int, bool, bytes, type(None), Digest})
# Annotations whose values msgpack packs as they are. An environment of thousands of variables is walked in C.
_PLAIN = frozenset({"tuple[str, ...]", "tuple[int, ...]", "Attrs"})

_T = TypeVar("_T")


def pack(plain: object) -> bytes:
    """Raises DefinitionError for text that is not UTF-8 (lone surrogates) and numbers of more than 64 bits."""
    try:
        packed: bytes = msgpack.packb(plain, use_bin_type=True)
    except (UnicodeEncodeError, OverflowError) as error:
        raise DefinitionError(f"a graph cannot hold this: {error}") from None
    return packed


def unpack(data: bytes) -> Any:
    """Raises DefinitionError on anything that is not one msgpack value of bounded size and depth."""
    if len(data) > MAX_BYTES:
        raise DefinitionError(f"not a definition: {len(data)} bytes, more than {MAX_BYTES}")
    count = _Count(_FREE_CONTAINERS + len(data) // _BYTES_PER_CONTAINER)
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, object_hook=count, list_hook=count)
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise DefinitionError(f"not a definition: {str(error) or type(error).__name__}") from None


def unpack_stream(data: bytes) -> Iterator[Any]:
    """The msgpack values that stand one after the other. Raises DefinitionError where one cannot be read."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=MAX_BYTES)
    try:
        unpacker.feed(data)
        yield from unpacker
    except (ValueError, msgpack.UnpackException) as error:
        raise DefinitionError(f"not msgpack: {str(error) or type(error).__name__}") from None


class _Count:
    """Counts maps and arrays as they are made: an empty one takes a byte in the message and sixty in memory."""

    def __init__(self, most: int) -> None:
        self._left = most

    def __call__(self, made: object) -> object:
        self._left -= 1
        if self._left < 0:
            raise DefinitionError("not a definition: it is made of more maps and arrays than its size allows")
        return made


@frozen(kw_only=False)
class _Field:
    name: str
    default: object
    decode: Callable[[Any], Any]
    plain: bool


@cache
def _fields(cls: type[Any]) -> tuple[_Field, ...]:
    fields = sorted(value_fields(cls), key=lambda field: field.name)
    return tuple(
        _Field(field.name, field.default, _decoder(field.annotation), field.annotation in _PLAIN) for field in fields
    )


def encode_value(value: Any) -> Any:
    """A value as what msgpack can pack: dicts with sorted keys, lists or tuples, and scalars."""
    cls = value.__class__
    if cls in _SCALARS:
        return value
    if cls is tuple:
        return [encode_value(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    plain = {}
    for field in _fields(cls):
        name, default = field.name, field.default
        item = getattr(value, name)
        if item is not default and item != default:
            plain[name] = item if field.plain or item.__class__ in _SCALARS else encode_value(item)
    kind = _KIND_OF.get(cls)
    return plain if kind is None else {kind: plain}


def decode_value(cls: type[_T], plain: Any) -> _T:
    """The dataclass `cls` from its plain form. Raises DefinitionError naming the offending field."""
    if not isinstance(plain, dict):
        raise DefinitionError(f"expected a map for {cls.__name__}, found {type(plain).__name__}")
    fields = {field.name: field for field in _fields(cls)}  # type: ignore[arg-type]  # a type is hashable
    values = {}
    for name, item in plain.items():
        field = fields.get(name)
        if field is None:
            raise DefinitionError(f"{cls.__name__} has no field {name!r}")
        try:
            values[name] = field.decode(item)
        except DefinitionError as error:
            raise DefinitionError(f"{cls.__name__}.{name}: {error.message}") from None
    missing = [name for name, field in fields.items() if field.default is MISSING and name not in values]
    if missing:
        raise DefinitionError(f"{cls.__name__} lacks {', '.join(missing)}")
    return cls(**values)


def _scalar(cls: type[Any]) -> Callable[[Any], Any]:
    def decode(plain: Any) -> Any:
        if plain.__class__ is not cls:
            raise DefinitionError(f"expected {cls.__name__}, found {type(plain).__name__}")
        return plain

    return decode


def _tuple(decode_item: Callable[[Any], Any], length: int | None = None) -> Callable[[Any], Any]:
    def decode(plain: Any) -> Any:
        if not isinstance(plain, list) or (length is not None and len(plain) != length):
            raise DefinitionError(f"expected an array{'' if length is None else f' of {length}'}")
        return tuple(decode_item(item) for item in plain)

    return decode


def _pair(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decode(plain: Any) -> Any:
        if not isinstance(plain, list) or len(plain) != 2:
            raise DefinitionError("expected an array of 2")
        return first(plain[0]), second(plain[1])

    return decode


def _kind(allowed: frozenset[str] | None) -> Callable[[Any], Any]:
    def decode(plain: Any) -> Any:
        if not isinstance(plain, dict) or len(plain) != 1:
            raise DefinitionError("expected a map of one kind")
        ((kind, fields),) = plain.items()
        if kind not in _KINDS or (kind in _ACTIONS) != (allowed is not None):
            raise DefinitionError(f"unknown {'op' if allowed is None else 'file action'} {kind!r}")
        return decode_value(_KINDS[kind], fields)

    return decode


def _enum(cls: type[Enum]) -> Callable[[Any], Any]:
    def decode(plain: Any) -> Any:
        try:
            return cls(plain)
        except ValueError:
            raise DefinitionError(f"{plain!r} is no {cls.__name__}") from None

    return decode


def _digest(plain: Any) -> Digest:
    if not isinstance(plain, str) or ":" not in plain:
        raise DefinitionError(f"expected a digest, found {plain!r}")
    return Digest(plain)


def _user(plain: Any) -> Any:
    if plain is None or plain.__class__ is int:
        return plain
    return decode_value(ops.NamedUser, plain)


def _definition(plain: Any) -> Any:
    from .definition import Definition

    return decode_value(Definition, plain)


@cache
def _decoder(annotation: str) -> Callable[[Any], Any]:
    """The decoder for a field's annotation, as text: the grammar our value classes use, no more."""
    text = annotation.strip()
    if text in _DECODERS:
        return _DECODERS[text]
    if text.endswith(" | None"):
        inner = _decoder(text.removesuffix(" | None"))
        return lambda plain: None if plain is None else inner(plain)
    if text.startswith("tuple[") and text.endswith(", ...]"):
        return _tuple(_decoder(text[len("tuple[") : -len(", ...]")]))
    if text.startswith("tuple[") and text.endswith("]"):
        first, _, second = text[len("tuple[") : -1].partition(", ")
        return _pair(_decoder(first), _decoder(second))
    cls = getattr(ops, text, None) or _other(text)
    assert isinstance(cls, type), f"no decoder for {annotation}"
    if issubclass(cls, Enum):
        return _enum(cls)
    return lambda plain: decode_value(cls, plain)


def _other(name: str) -> object:
    from .. import span
    from . import definition, vertex

    return (
        Platform
        if name == "Platform"
        else next(
            (found for module in (vertex, definition, span) if (found := getattr(module, name, None)) is not None), None
        )
    )


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "str": _scalar(str),
    "int": _scalar(int),
    "bool": _scalar(bool),
    "bytes": _scalar(bytes),
    "Digest": _digest,
    "Op": _kind(None),
    "FileAction": _kind(_ACTIONS),
    "NamedUser | int | None": _user,
    "Attrs": _tuple(_pair(_scalar(str), _scalar(str))),
    "Definition": _definition,
}
