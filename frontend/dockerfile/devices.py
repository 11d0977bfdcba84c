"""`RUN --device=NAME[,required]`: a device of the machine, by its CDI name (`vendor/class`, `vendor/class=unit`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...llb import CdiDevice
from .csvfields import split_csv
from .integer import read_bool
from .suggest import did_you_mean

if TYPE_CHECKING:
    from .source import Word

__all__ = ["read_device"]

_KEYS = ("name", "required")


def read_device(word: Word) -> CdiDevice:
    """Raises DockerfileError at the flag's value."""
    name, required = "", False
    try:
        fields = split_csv(word.text)
    except ValueError as error:
        raise DockerfileError(f"--device: {error}", at=word.at) from None
    for field in fields:
        key, equals, value = field.partition("=")
        match key.lower():
            case "required":
                required = _truth(word, value) if equals else True
            case "name" if equals:
                if name:
                    raise DockerfileError(f"--device: a second name {value!r} beside {name!r}", at=word.at)
                name = value
            case _ if not name:
                name = field
            case other:
                hint = did_you_mean(other, _KEYS) or "it takes name and required"
                raise DockerfileError(f"--device: {field!r} is neither name nor required", at=word.at, hint=hint)
    return CdiDevice(name=name, optional=not required)


def _truth(word: Word, text: str) -> bool:
    value = read_bool(text)
    if value is None:
        raise DockerfileError(f"--device: required is true or false, not {text!r}", at=word.at)
    return value
