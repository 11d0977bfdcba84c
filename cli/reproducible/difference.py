"""What two images that should be equal differ in: values, made by `images` and `layers`, told by `report`."""

from __future__ import annotations

from ...values import frozen

__all__ = ["Comparison", "Difference"]


@frozen
class Difference:
    """One thing that is not the same.

    `where`: index, manifest, config or layer. `field`: of a document, its path (`config.Env[2]`); of a file in a layer,
    what of it (`content`, `mode`, `mtime`, …; `presence` where only one image has it). `first` and `second`: as text,
    "" for what is not there. `detail`: more to look at, a line each: of texts the changed lines.
    """

    where: str
    field: str
    first: str
    second: str
    platform: str = ""
    layer: int = 0  # counted from 1, bottom first
    layers: int = 0  # of all
    step: str = ""  # what made the layer
    path: str = ""  # in the layer
    detail: tuple[str, ...] = ()


@frozen
class Comparison:
    """Two images, and what was looked at. `differences`: in the order of importance; none: they are equal."""

    first: str  # digest
    second: str
    differences: tuple[Difference, ...]
    platforms: tuple[str, ...]
    layers: int
    files: int  # members of the layers

    @property
    def equal(self) -> bool:
        return self.first == self.second
