"""The flags of one instruction (`--name=value`), checked against those it has."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from .suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .parser import Node
    from .source import Word

__all__ = ["Flag", "Flags", "read_flags"]


class Flag(Enum):
    """How often a flag may come and what it takes."""

    SWITCH = "true or false, or nothing for true"
    VALUE = "one value"
    VALUES = "a value each time"


class Flags:
    """The flags given. Values are words, so that a wrong one can be pointed at."""

    __slots__ = ("given", "lists", "switches", "values")

    def __init__(self) -> None:
        self.given: dict[str, Word] = {}  # the whole flag
        self.values: dict[str, Word] = {}
        self.lists: dict[str, list[Word]] = {}
        self.switches: dict[str, bool] = {}

    def word(self, name: str) -> Word | None:
        return self.values.get(name)

    def words(self, name: str) -> tuple[Word, ...]:
        return tuple(self.lists.get(name, ()))

    def switch(self, name: str) -> bool | None:
        """None when it was not given."""
        return self.switches.get(name)


def read_flags(node: Node, known: Mapping[str, Flag]) -> Flags:
    """Sort the node's flags. Raises DockerfileError: unknown, twice, without or with a wrong value."""
    flags = Flags()
    for word in node.flags:
        name, equals, text = word.text[2:].partition("=")
        kind = known.get(name)
        if kind is None:
            raise DockerfileError(
                f"{node.name} has no flag --{name}", at=word.at, hint=did_you_mean(name, known) or _what_there_is(known)
            )
        if kind is not Flag.VALUES and name in flags.given:
            raise DockerfileError(f"--{name} is given twice", at=word.at)
        flags.given[name] = word
        if kind is Flag.SWITCH:
            flags.switches[name] = _truth(name, word, text, given=bool(equals))
            continue
        if not equals:
            raise DockerfileError(f"--{name} needs a value", at=word.at, hint=f"write --{name}=…")
        value = word.part(len(name) + 3, len(word.text))
        if kind is Flag.VALUE:
            flags.values[name] = value
        else:
            flags.lists.setdefault(name, []).append(value)
    return flags


def _truth(name: str, word: Word, text: str, *, given: bool) -> bool:
    if not given or text.lower() == "true":
        return True
    if text.lower() == "false":
        return False
    raise DockerfileError(f"--{name} is true or false, not {text!r}", at=word.at)


def _what_there_is(known: Mapping[str, Flag]) -> str:
    return "it has " + ", ".join(f"--{name}" for name in sorted(known)) if known else "it has no flags"
