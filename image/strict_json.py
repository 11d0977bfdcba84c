"""JSON as the images of the world have it: read strictly and bounded, written byte for byte as Go does.

Bytes matter because a config's digest is the image's identity. Go's encoder (encoding/json, with
HTML escaping on, as BuildKit uses it) differs from Python's in three ways: `<`, `>`, `&`, U+2028 and
U+2029 are escaped, and what is not valid UTF-8 becomes U+FFFD.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from ..errors import SourceError
from ..regexes import lazy_regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MAX_DOCUMENT_BYTES", "JsonObject", "decode_json", "encode_json"]

# Spec: OCI distribution-spec 1.1, "Pushing Manifests": registries should enforce a limit of at least 4 MiB.
MAX_DOCUMENT_BYTES = 4 << 20
_MAX_DEPTH = 64  # an image config needs 5
_MAX_INTEGER = 2**63 - 1
_MAX_PATH = 120  # characters of a field's path in an error

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"

_GO_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_SURROGATE = lazy_regex("[\ud800-\udfff]")
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def encode_json(value: Json, *, indent: bool = False) -> bytes:
    """The bytes of Go's json.Marshal, or of json.MarshalIndent with two spaces; keys stay in their order."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, indent=2 if indent else None, separators=separators)
    text = text.translate(_GO_ESCAPES)  # none of them occurs in JSON outside strings
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(r"\\ufffd", text).encode()


def decode_json(data: bytes, *, what: str, ref: str, limit: int = MAX_DOCUMENT_BYTES) -> JsonObject:
    """Read one JSON object. `what` and `ref` name it in errors.

    Raises SourceError on anything else, on more than `limit` bytes, and on nesting too deep to read.
    """
    if len(data) > limit:
        raise SourceError(f"{what} is larger than {limit >> 20} MiB ({len(data)} bytes)", ref=ref)
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        raise SourceError(f"{what} is nested too deeply", ref=ref) from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, an integer of thousands of digits
        raise SourceError(f"{what} is not JSON: {error}", ref=ref) from None
    if _is_deeper(value, data, _MAX_DEPTH):
        raise SourceError(f"{what} is nested deeper than {_MAX_DEPTH}", ref=ref)
    if not isinstance(value, dict):
        raise SourceError(f"{what}: expected a JSON object, found {_kind(value)}", ref=ref)
    return JsonObject(value, what=what, ref=ref)


def _is_deeper(value: object, data: bytes, limit: int) -> bool:
    """Whether a document is nested deeper than `limit`; most have too few brackets to be."""
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    level = [value]
    for _ in range(limit + 1):
        level = [item for outer in level if isinstance(outer, dict | list) for item in _items_of(outer)]
        if not level:
            return False
    return True


def _items_of(outer: dict[object, object] | list[object]) -> Iterable[object]:
    return outer.values() if isinstance(outer, dict) else outer


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not a JSON value")


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


def _clean(text: str) -> str:
    """As Go reads it: a lone surrogate escape stands for no character."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _place(path: str) -> str:
    """A field's path, whose names may be anything, fit for one line of text."""
    shown = path if path.isprintable() else path.encode("unicode_escape", "backslashreplace").decode()
    return shown if len(shown) <= _MAX_PATH else f"{shown[:_MAX_PATH]}…"


class JsonObject:
    """A JSON object whose fields are read by type. Absent and null are the same, as in Go.

    Every method raises SourceError that names the field by its path when the type is another.
    """

    __slots__ = ("path", "ref", "values", "what")

    def __init__(self, values: dict[str, object], *, what: str, ref: str, path: str = "") -> None:
        self.values = values
        self.what = what
        self.ref = ref
        self.path = path

    def error(self, key: str, message: str) -> SourceError:
        return SourceError(f"{self.what}: {_place(f'{self.path}{key}')}: {message}", ref=self.ref)

    def text(self, key: str) -> str:
        """The string, "" when absent."""
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._mismatch(key, "a string", value)
        return _clean(value)

    def integer(self, key: str) -> int:
        """The 64-bit integer, 0 when absent."""
        value = self.values.get(key)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
            raise self._mismatch(key, "a 64-bit integer", value)
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._mismatch(key, "a boolean", value)
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """The strings of an array, None when it is absent."""
        items = self._items(key)
        if items is None:
            return None
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise self._mismatch(f"{key}[{index}]", "a string", item)
        return tuple(_clean(str(item)) for item in items)

    def child(self, key: str) -> JsonObject | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._mismatch(key, "an object", value)
        return JsonObject(value, what=self.what, ref=self.ref, path=f"{self.path}{key}.")

    def children(self, key: str) -> tuple[JsonObject, ...]:
        """The objects of an array, () when it is absent."""
        items = self._items(key) or []
        found = []
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                raise self._mismatch(f"{key}[{index}]", "an object", item)
            found.append(JsonObject(item, what=self.what, ref=self.ref, path=f"{self.path}{key}[{index}]."))
        return tuple(found)

    def text_map(self, key: str) -> tuple[tuple[str, str], ...]:
        """An object of strings as pairs sorted by key, () when it is absent."""
        child = self.child(key)
        if child is None:
            return ()
        return tuple(sorted((_clean(name), child.text(name)) for name in child.values))

    def keys(self, key: str) -> tuple[str, ...]:
        """The sorted keys of an object used as a set, () when it is absent."""
        child = self.child(key)
        return () if child is None else tuple(sorted(_clean(name) for name in child.values))

    def _items(self, key: str) -> list[object] | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self._mismatch(key, "an array", value)
        return value

    def _mismatch(self, key: str, expected: str, value: object) -> SourceError:
        return self.error(key, f"expected {expected}, found {_kind(value)}")
