"""What a field can hold, in both directions: a value as the field's bytes, and back.

Zero values are left out by the message around (proto3); these functions always write what they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DefinitionError
from .wire import BYTES, VARINT, iter_varints, signed, tag, to_signed, varint

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum
    from typing import TypeAlias

    Write: TypeAlias = Callable[[Any], bytes]

__all__ = [
    "BLOB",
    "FLAG",
    "INT32",
    "INT64",
    "TEXT",
    "UINT32",
    "UINT64",
    "Kind",
    "delimited_writer",
    "enumeration",
    "listed",
    "packed",
]


class Kind(NamedTuple):
    """A type of field.

    `writer` makes, for a field number, the function from a value to the field's bytes, tag included. `read` turns a
    varint or bytes, and the depth in nested definitions, into a value. `zero` is what an absent field means.
    """

    wire: int
    writer: Callable[[int], Write]
    read: Callable[[Any, int], Any]
    zero: Any
    gather: Callable[[list[Any]], Any] | None = None  # several finds to one value; None: it may stand only once
    packed: bool = False  # single varints are read as well


def delimited_writer(to_bytes: Callable[[Any], bytes]) -> Callable[[int], Write]:
    def writer(number: int) -> Write:
        start = tag(number, BYTES)

        def write(value: Any) -> bytes:
            data = to_bytes(value)
            return start + varint(len(data)) + data

        return write

    return writer


def _read_text(raw: bytes, depth: int) -> str:
    del depth
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise DefinitionError(f"expected text, found bytes that are not UTF-8: {raw[:40]!r}") from None


def _text_bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise DefinitionError(f"{text[:80]!r} cannot be written as UTF-8, which protobuf wants") from None


def _checked(bits: int, *, negative: bool) -> Callable[[int], int]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if negative else (0, (1 << bits) - 1)

    def check(number: int) -> int:
        if not low <= number <= high:
            raise DefinitionError(f"{number} is no number from {low} to {high}")
        return number

    return check


def _integer(bits: int, *, negative: bool) -> Kind:
    """Negative numbers are sign-extended to 64 bits on the wire, whatever their type."""
    check = _checked(bits, negative=negative)

    def writer(number: int) -> Write:
        start = tag(number, VARINT)
        return lambda value: start + signed(check(value))

    return Kind(VARINT, writer, lambda raw, _: check(to_signed(raw) if negative else raw), 0)


def _flag_writer(number: int) -> Write:
    start = tag(number, VARINT)
    return (start + b"\0", start + b"\1").__getitem__


TEXT = Kind(BYTES, delimited_writer(_text_bytes), _read_text, "")
BLOB = Kind(BYTES, delimited_writer(bytes), lambda raw, _: raw, b"")
FLAG = Kind(VARINT, _flag_writer, lambda raw, _: raw != 0, zero=False)
INT32, INT64 = _integer(32, negative=True), _integer(64, negative=True)
UINT32, UINT64 = _integer(32, negative=False), _integer(64, negative=False)


def enumeration(cls: type[Enum]) -> Kind:
    """An enum; its first member is 0. A number that it lacks is refused: nobody here knows what it asks for."""
    members = {member.value: member for member in cls}

    def read(raw: int, depth: int) -> Enum:
        del depth
        if raw not in members:
            raise DefinitionError(f"{to_signed(raw)} is no {cls.__name__}")
        return members[raw]

    def writer(number: int) -> Write:
        start = tag(number, VARINT)
        return {member: start + varint(member.value) if member.value else b"" for member in cls}.__getitem__

    return Kind(VARINT, writer, read, members[0])


def listed(item: Kind) -> Kind:
    """Any number of texts, blobs or submessages, as a tuple."""

    def writer(number: int) -> Write:
        write = item.writer(number)
        return lambda values: b"".join(map(write, values))

    return Kind(BYTES, writer, item.read, (), tuple)


def packed(bits: int) -> Kind:
    """Any number of signed numbers, as a tuple: one run of varints. Other writers' separate fields are read too."""
    check = _checked(bits, negative=True)

    def to_bytes(values: tuple[int, ...]) -> bytes:
        return b"".join(signed(check(value)) for value in values)

    def read(raw: int | bytes, depth: int) -> list[int]:
        del depth
        return [check(to_signed(value)) for value in (iter_varints(raw) if isinstance(raw, bytes) else (raw,))]

    def gather(found: list[list[int]]) -> tuple[int, ...]:
        return tuple(value for run in found for value in run)

    return Kind(BYTES, delimited_writer(to_bytes), read, (), gather, packed=True)
