"""Two images in OCI layouts, from the index down: the documents field by field, the layers file by file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...digest import Digest
from ...image import REFERENCE_DIGEST, REFERENCE_TYPE, Layout
from ...values import replace
from .difference import Comparison, Difference
from .layers import compare_layers, count_members

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["compare_images"]

_FOLLOWS = ("digest", "size", "diff_ids", REFERENCE_DIGEST)  # what differs wherever something below does


class _Image:
    """One image of one platform; `blob` finds its parts."""

    def __init__(self, layout: Layout, descriptor: dict[str, Any]) -> None:
        self._layout = layout
        self.manifest: dict[str, Any] = self.document(descriptor["digest"])
        self.config: dict[str, Any] = self.document(self.manifest["config"]["digest"])
        self.layers: list[dict[str, Any]] = self.manifest["layers"]

    def document(self, digest: str) -> dict[str, Any]:
        return _json(self.blob(digest).read_bytes())

    def blob(self, digest: str) -> Path:
        return Path(self._layout.blob_path(Digest(digest)))

    @property
    def platform(self) -> str:
        words = (self.config.get(key, "") for key in ("os", "architecture", "variant"))
        return "/".join(filter(None, words))

    def step(self, number: int) -> str:
        """What made a layer, counted from 0; "" when the history does not tell."""
        made = [entry for entry in self.config.get("history", ()) if not entry.get("empty_layer")]
        return str(made[number].get("created_by", "")) if number < len(made) else ""


def compare_images(first: Path, second: Path) -> Comparison:
    """The one image, or index, of each OCI layout folder. What differs in all platforms is told of each.

    Raises CorruptError for a broken layer.
    """
    layouts = [Layout(str(first)), Layout(str(second))]
    targets = [layout.entries()[0].descriptor for layout in layouts]
    tops = [_json(_read(layout, target.digest)) for layout, target in zip(layouts, targets, strict=True)]
    entries = [top.get("manifests") or [{"digest": target.digest}] for top, target in zip(tops, targets, strict=True)]
    images = [
        [_Image(layout, entry) for entry in found if not _attests(entry)]
        for layout, found in zip(layouts, entries, strict=True)
    ]
    differences: list[Difference] = []
    for one, two in zip(*images, strict=False):
        differences += _compare(one, two)
    said = [
        [_statements(layout, entry) for entry in found if _attests(entry)]
        for layout, found in zip(layouts, entries, strict=True)
    ]
    for image, one_says, other_says in zip(images[0], *said, strict=False):
        for difference in _documents("attestation", one_says, other_says):
            differences.append(replace(difference, platform=image.platform))
    if "manifests" in tops[0]:
        differences += _documents("index", tops[0], tops[1])
    return Comparison(
        first=targets[0].digest,
        second=targets[1].digest,
        differences=tuple(differences),
        platforms=tuple(image.platform for image in images[0]),
        layers=sum(len(image.layers) for image in images[0]),
        files=sum(count_members(image.blob(layer["digest"])) for image in images[0] for layer in image.layers),
    )


def _attests(entry: dict[str, Any]) -> bool:
    """Whether an entry of an index says something of an image, and is none."""
    return REFERENCE_TYPE in (entry.get("annotations") or {})


def _statements(layout: Layout, entry: dict[str, Any]) -> list[dict[str, Any]]:
    manifest = _json(_read(layout, Digest(entry["digest"])))
    return [_json(_read(layout, Digest(layer["digest"]))) for layer in manifest["layers"]]


def _json(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data)
    return found


def _read(layout: Layout, digest: Digest) -> bytes:
    return Path(layout.blob_path(digest)).read_bytes()


def _compare(one: _Image, two: _Image) -> Iterator[Difference]:
    """Layers first, for what differs there changes the documents too; of these only what no layer explains."""
    platform = one.platform
    if len(one.layers) != len(two.layers):
        counts = (str(len(one.layers)), str(len(two.layers)))
        yield Difference(where="manifest", field="layers", first=counts[0], second=counts[1], platform=platform)
    for number, (here, there) in enumerate(zip(one.layers, two.layers, strict=False)):
        if here["digest"] == there["digest"]:
            continue
        found = compare_layers(one.blob(here["digest"]), two.blob(there["digest"]))
        if not found:
            digests = (here["digest"], there["digest"])
            found = [Difference(where="layer", field="bytes of the archive", first=digests[0], second=digests[1])]
        for difference in found:
            yield replace(
                difference, platform=platform, layer=number + 1, layers=len(one.layers), step=one.step(number)
            )
    for where, a, b in (("config", one.config, two.config), ("manifest", one.manifest, two.manifest)):
        for difference in _documents(where, a, b):
            yield replace(difference, platform=platform)


def _documents(where: str, one: object, two: object) -> Iterator[Difference]:
    for field, first, second in _values(one, two, ""):
        yield Difference(where=where, field=field, first=_text(first), second=_text(second))


def _values(one: object, two: object, path: str) -> Iterator[tuple[str, object, object]]:
    """The places where two JSON trees differ, but for what follows from something below."""
    if one == two:
        return
    if isinstance(one, dict) and isinstance(two, dict):
        for key in (*one, *(key for key in two if key not in one)):
            if key not in _FOLLOWS:
                yield from _values(one.get(key), two.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for number, (first, second) in enumerate(zip(one, two, strict=True)):
            yield from _values(first, second, f"{path}[{number}]")
    else:
        yield path, one, two


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
