"""Messages as tables of fields, read and written by the same table.

The order of a table is the order of the bytes. It is Go's: by field number, and members of a oneof after all else.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from ..errors import DefinitionError
from .kinds import TEXT, Kind, delimited_writer
from .wire import BYTES, VARINT, delimited, iter_fields, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .kinds import Write

__all__ = ["Choice", "Coded", "Either", "Field", "Message", "Wrapper", "mapping", "sub"]

_MOST = 1 << 15  # items of one list: making the digest of an op takes up to 700 bytes an item
_TINY = 3
_PART = ""  # the attribute of a submessage whose fields are the value's own
_NEWER = "a newer BuildKit may have written it; leaving the field out would change what is built"


class Coded(Protocol):
    """What can stand as a submessage: a table, a wrapper, a whole definition."""

    def encode(self, value: Any) -> bytes: ...
    def read(self, data: bytes, depth: int) -> Any: ...


class Field(NamedTuple):
    number: int
    name: str  # the schema's
    attribute: str  # the value's
    kind: Kind
    required: bool = False  # a submessage without which the value makes no sense


class Choice:
    """A oneof: the class of the value says which field it is. `optional`: it may be absent, which is None."""

    def __init__(
        self, attribute: str, members: Mapping[type[Any], tuple[int, str, Kind]], *, optional: bool = False
    ) -> None:
        self.attribute = attribute
        self.optional = optional
        self.fields = tuple(Field(number, name, attribute, kind) for number, name, kind in members.values())
        self._writers = {cls: kind.writer(number) for cls, (number, _, kind) in members.items()}
        if optional:
            self._writers[type(None)] = lambda _: b""

    def encode(self, value: Any) -> bytes:
        return self._writers[value.__class__](value)


class Message:
    """A table.

    `make` builds the value from its attributes. `part`: a submessage (its number, name and table) that is filled
    from the same value and always there. `choice`: the message's oneof. `most`: items of one list that are read.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., Any],
        *fields: Field,
        part: tuple[int, str, Message] | None = None,
        choice: Choice | None = None,
        most: int = _MOST,
    ) -> None:
        self.name = name
        self.fields = (*([_part_field(*part)] if part else ()), *fields, *(choice.fields if choice else ()))
        self._make = make
        self._choice = choice
        self._most = most
        self._by_number = {field.number: field for field in self.fields}
        self._zeros = {field.attribute: field.kind.zero for field in self.fields}
        self._write_part = delimited_writer(part[2].encode)(part[0]) if part else None
        self._get = _getter(tuple(field.attribute for field in fields))
        self._writers = tuple((field.kind.writer(field.number), field.kind.zero is None) for field in fields)

    def encode(self, value: Any) -> bytes:
        """The message's bytes. Raises DefinitionError for what its type cannot hold."""
        parts = [self._write_part(value)] if self._write_part else []
        for item, (write, optional) in zip(self._get(value), self._writers, strict=True):
            if item or (optional and item is not None):
                parts.append(write(item))
        if self._choice:
            parts.append(self._choice.encode(getattr(value, self._choice.attribute)))
        return b"".join(parts)

    def read(self, data: bytes, depth: int) -> Any:
        """The value. Raises DefinitionError naming the field that is unknown, missing or wrong."""
        return self._make(**self.attributes(data, depth))

    def attributes(self, data: bytes, depth: int) -> dict[str, Any]:
        """What `make` takes; absent fields are at their zero."""
        finds = self._finds(data, depth)
        self._require(finds)
        found = dict(self._zeros)
        for number, items in finds.items():
            field = self._by_number[number]
            found[field.attribute] = self._value(field, items)
        found.update(found.pop(_PART, ()))
        return found

    def _finds(self, data: bytes, depth: int) -> dict[int, list[Any]]:
        """What stands in the bytes, by field number."""
        finds: dict[int, list[Any]] = {}
        tiny: dict[tuple[int, int | bytes], Any] = {}  # equal small items are one value: "12 00" costs two bytes
        for number, wire, raw in iter_fields(data):
            field = self._by_number.get(number)
            if field is None:
                raise DefinitionError(f"{self.name} has no field {number}", hint=_NEWER)
            items = finds.setdefault(number, [])
            if len(items) == self._most:
                raise DefinitionError(f"{self.name}.{field.name}: more than {self._most} items")
            if (number, raw) in tiny:
                items.append(tiny[number, raw])
                continue
            item = self._item(field, wire, raw, depth)
            items.append(item)
            if wire == BYTES and len(cast("bytes", raw)) <= _TINY:
                tiny[number, raw] = item
        return finds

    def _item(self, field: Field, wire: int, raw: int | bytes, depth: int) -> Any:
        if wire != field.kind.wire and not (field.kind.packed and wire == VARINT):
            raise DefinitionError(f"{self.name}.{field.name} has wire type {wire}, expected {field.kind.wire}")
        try:
            return field.kind.read(raw, depth)
        except DefinitionError as error:
            raise DefinitionError(f"{self.name}.{field.name}: {error.message}", hint=error.hint) from None

    def _value(self, field: Field, items: list[Any]) -> Any:
        if field.kind.gather is None:
            if len(items) > 1:
                raise DefinitionError(f"{self.name}.{field.name} stands {len(items)} times")
            return items[0]
        try:
            return field.kind.gather(items)
        except DefinitionError as error:
            raise DefinitionError(f"{self.name}.{field.name}: {error.message}") from None

    def _require(self, finds: Mapping[int, object]) -> None:
        missing = [field.name for field in self.fields if field.required and field.number not in finds]
        if missing:
            raise DefinitionError(f"{self.name} lacks {', '.join(missing)}")
        if self._choice:
            chosen = sum(field.number in finds for field in self._choice.fields)
            if chosen != 1 and not (self._choice.optional and not chosen):
                names = ", ".join(field.name for field in self._choice.fields)
                raise DefinitionError(f"{self.name} has {chosen or 'none'} of {names}; expected one")


def _part_field(number: int, name: str, table: Message) -> Field:
    return Field(number, name, _PART, Kind(BYTES, delimited_writer(table.encode), table.attributes, ()), required=True)


class Wrapper:
    """A message whose one field, number 1, is all the value there is."""

    def __init__(self, name: str, field: str, kind: Kind) -> None:
        self._table = Message(name, lambda value: value, Field(1, field, "value", kind))
        self._zero = kind.zero
        self._write = kind.writer(1)

    def encode(self, value: Any) -> bytes:
        return b"" if value == self._zero else self._write(value)

    def read(self, data: bytes, depth: int) -> Any:
        return self._table.read(data, depth)


class Either:
    """A message that is a oneof and nothing else: the value of the member stands for it."""

    def __init__(self, name: str, members: Mapping[type[Any], tuple[int, str, Kind]]) -> None:
        choice = Choice("value", members)
        self.encode = choice.encode
        self.read = Message(name, lambda value: value, choice=choice).read


def sub(message: Coded) -> Kind:
    """A submessage; None when it is not there."""
    return Kind(BYTES, delimited_writer(message.encode), message.read, None)


def mapping(item: Kind) -> Kind:
    """A map from text, as pairs sorted by key. Key and value of an entry are written even when they are zero."""
    write_key, write_item = TEXT.writer(1), item.writer(2)

    def pair(key: str, value: Any) -> tuple[str, Any]:
        return key, item.read(b"", 0) if value is None else value  # an absent submessage is an empty one

    entry = Message("entry", pair, Field(1, "key", "key", TEXT), Field(2, "value", "value", item))

    def writer(number: int) -> Write:
        start = tag(number, BYTES)

        def write(pairs: tuple[tuple[str, Any], ...]) -> bytes:
            return b"".join(start + delimited(write_key(key) + write_item(value)) for key, value in sorted(pairs))

        return write

    def gather(found: list[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
        pairs = dict(found)
        if len(pairs) != len(found):
            raise DefinitionError("a key stands twice")
        return tuple(sorted(pairs.items()))

    return Kind(BYTES, writer, entry.read, (), gather)


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) == 1:  # attrgetter of one name gives no tuple
        return lambda value: (getattr(value, names[0]),)
    return attrgetter(*names) if names else lambda _: ()
