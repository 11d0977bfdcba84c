"""Protobuf's wire format, the part that LLB uses: variable-length integers and length-delimited fields.

Spec: protobuf.dev, "Encoding". Nothing here knows a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BYTES", "VARINT", "delimited", "iter_fields", "iter_varints", "signed", "tag", "to_signed", "varint"]

VARINT = 0
BYTES = 2
_ONE = tuple(bytes((number,)) for number in range(128))
_TWO_64 = 1 << 64
_SIGN = 1 << 63


def varint(number: int) -> bytes:
    """An unsigned number of at most 64 bits, seven bits a byte, lowest first."""
    if number < 128:
        return _ONE[number]
    if number < 1 << 14:
        return bytes((number & 127 | 128, number >> 7))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed(number: int) -> bytes:
    """A signed number: negative ones as 64-bit two's complement, which takes ten bytes."""
    return varint(number & (_TWO_64 - 1))


def to_signed(number: int) -> int:
    """The signed number that a 64-bit varint holds."""
    return number - _TWO_64 if number >= _SIGN else number


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def delimited(data: bytes) -> bytes:
    """Bytes behind their length."""
    return varint(len(data)) + data


def iter_fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """The fields of a message: number, wire type, and a varint's value or the bytes.

    Raises DefinitionError where the bytes end early or are of a kind that no LLB field has.
    """
    at, size = 0, len(data)
    while at < size:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise DefinitionError(f"{number} is not a field number: these bytes are no protobuf message")
        value, at = _varint(data, at) if wire in {VARINT, BYTES} else (0, at)
        if wire == VARINT:
            yield number, wire, value
        elif wire == BYTES:
            if value > size - at:
                raise DefinitionError(f"field {number} ends early: {value} bytes announced, {size - at} there")
            yield number, wire, data[at : at + value]
            at += value
        else:
            raise DefinitionError(f"field {number} has wire type {wire}, which no field of LLB has")


def iter_varints(data: bytes) -> Iterator[int]:
    """The numbers of a packed field."""
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for byte in data[at : at + 10]:
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value >= _TWO_64:
                break
            return value, at
        shift += 7
    if shift == 70 or value >= _TWO_64:
        raise DefinitionError("a number of more than 64 bits")
    raise DefinitionError("the bytes end in the middle of a number")
