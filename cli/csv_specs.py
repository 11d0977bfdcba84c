"""Options written as one CSV line, `type=oci,dest=hello.tar`: what `--output` and `--cache-to` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..values import frozen
from .parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LayerOptions", "csv_attributes", "csv_boolean", "csv_choice", "csv_epoch", "csv_layer_options", "split_csv"]

_TRUE, _FALSE = {"1", "t", "true"}, {"0", "f", "false"}
_COMPRESSIONS = {"gzip": "gzip", "zstd": "zstd", "uncompressed": "none", "estargz": "estargz"}
_EPOCH_DIGITS = 11  # until the year 5138
_LEVELS = {"gzip": (0, 9), "zstd": (1, 22), "estargz": (0, 9)}


@frozen
class LayerOptions:
    """How layers are to be compressed. `level` None: as it does by itself; `force`: also those packed already."""

    compression: str = "gzip"  # a value of worker.layer.Compression
    level: int | None = None
    force: bool = False


def csv_attributes(text: str, fields: Sequence[str], *, flag: str) -> dict[str, str]:
    """`key=value` fields; keys in lower case, but for annotations.

    Raises UsageError for another field, and for a key given twice.
    """
    attributes: dict[str, str] = {}
    for part in fields:
        key, equals, value = part.partition("=")
        key = key.strip()
        key = key if key.startswith("annotation") else key.lower()
        if not equals:
            raise UsageError(f"{flag} {text!r}: expected key=value, found {part!r}")
        if key in attributes:
            raise UsageError(f"{flag} {text!r}: {key}= is given twice")
        attributes[key] = value
    return attributes


def csv_boolean(text: str, key: str, value: str, *, flag: str) -> bool:
    """As Go reads one. Raises UsageError."""
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise UsageError(f"{flag} {text!r}: {key}= expects true or false, found {value!r}")
    return word in _TRUE


def csv_choice(text: str, key: str, found: Mapping[str, str], words: Sequence[str], *, flag: str) -> str:
    """The value of a key that is one of these; the first when it is not given. Raises UsageError."""
    value = found.get(key, words[0])
    if value not in words:
        raise UsageError(
            f"{flag} {text!r}: {key}= expects {', '.join(words)}; found {value!r}{suggestion(value, words)}"
        )
    return value


def csv_epoch(text: str, found: Mapping[str, str], *, flag: str) -> int | None:
    """`source-date-epoch`, in seconds since 1970; None where it is not given. Raises UsageError."""
    value = found.get("source-date-epoch")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= _EPOCH_DIGITS):
        raise UsageError(f"{flag} {text!r}: source-date-epoch= expects seconds since 1970, found {value!r}")
    return int(value)


def csv_layer_options(text: str, found: Mapping[str, str], *, flag: str, for_cache: bool = False) -> LayerOptions:
    """`compression`, `compression-level` and `force-compression`. Raises UsageError.

    for_cache: layers stay what they are, so that the forms that change them are no choice.
    """
    if for_cache and found.get("compression") == "estargz":
        raise UsageError(
            f"{flag} {text!r}: compression=estargz is for images",
            hint="it adds files to layers, which would turn up in builds from the cache",
        )
    words = tuple(word for word in _COMPRESSIONS if word != "estargz" or not for_cache)
    compression = csv_choice(text, "compression", found, words, flag=flag)
    return LayerOptions(
        compression=_COMPRESSIONS[compression],
        level=_level(text, found, compression, flag),
        force=csv_boolean(text, "force-compression", found.get("force-compression", "false"), flag=flag),
    )


def _level(text: str, found: Mapping[str, str], compression: str, flag: str) -> int | None:
    value = found.get("compression-level")
    if value is None:
        return None
    if compression not in _LEVELS:
        raise UsageError(f"{flag} {text!r}: compression={compression} has no levels")
    least, most = _LEVELS[compression]
    if not (value.isascii() and value.isdecimal()) or not least <= int(value) <= most:
        raise UsageError(f"{flag} {text!r}: compression-level= expects {least} to {most}, found {value!r}")
    return int(value)


def split_csv(text: str, *, flag: str) -> list[str]:
    """The fields of one CSV line; a quoted field may hold commas: `type=local,"dest=a,b"`."""
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as exc:
        raise UsageError(f"{flag} {text!r}: the quotes do not match") from exc
    return rows[0]
