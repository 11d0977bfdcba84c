"""Text databases of blank-line separated stanzas: dpkg's `Field: value`, apk's `F:value`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

__all__ = ["stanzas"]


def stanzas(lines: Iterable[str], wanted: Container[str]) -> Iterator[dict[str, str]]:
    """The wanted fields of each stanza, the first of a name; lines that begin with a blank go on with the one before,
    and are left out.
    """
    fields: dict[str, str] = {}
    for line in lines:
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line.startswith((" ", "\t")):
            key, colon, value = line.partition(":")
            if colon and key in wanted:
                fields.setdefault(key, value.strip())
    if fields:
        yield fields
