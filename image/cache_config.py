"""What is known of a build's results, written down for another machine: the config of a cache image.

Values, and their JSON; docs/formats.md, "Cache images", describes it field by field. Keys are opaque bytes of the
solver's; layers go by the names that results call them by. Whoever reads one believes it: see `decode_cache_config`.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from ..digest import Digest, parse_digest
from ..values import frozen
from .strict_json import decode_json, encode_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    from .strict_json import Json, JsonObject

    Stack: TypeAlias = "tuple[str, ...]"  # layer names, bottom first

__all__ = [
    "CACHE_CONFIG_TYPE",
    "MAX_CACHE_CONFIG_BYTES",
    "CacheConfig",
    "CacheLayer",
    "CacheMount",
    "CacheRecord",
    "decode_cache_config",
    "encode_cache_config",
]

CACHE_CONFIG_TYPE: Final = "application/vnd.llbuild.cacheconfig.v1+json"
MAX_CACHE_CONFIG_BYTES = 64 << 20  # a record takes some 300 bytes; this is 200,000 steps
VERSION = 1
_KEY_BYTES = 32
_LAYER_NAME = re.compile(r"run-[0-9a-f]{32}|sha256-[0-9a-f]{64}")
_NO_STACK = -1
_MAX_STACK = 1000  # layers in one result; overlayfs mounts 500
_MAX_STACKED = 10_000_000  # in all stacks together: a small document must not become a large one


@frozen
class CacheRecord:
    """One stored result: what it goes by (any of `keys`), and a stack of layers for every output.

    `strong`: the key that its users' keys are made of, one of `keys`. `op`: key of the op alone, under which
    durations are kept.
    """

    keys: tuple[bytes, ...]
    strong: bytes
    op: bytes
    refs: tuple[Stack, ...]
    name: str = ""
    duration_s: float = 0.0


@frozen
class CacheLayer:
    """A layer that records speak of. `blob`: one of the manifest's."""

    name: str
    diff_id: Digest
    blob: Digest
    created: str = ""


@frozen
class CacheMount:
    """The contents of a cache mount: a tar of the folder, among the manifest's blobs; the folder's own metadata."""

    id: str
    blob: Digest
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@frozen
class CacheConfig:
    """`contents`: digests of parts of results, by the solver's name for the question."""

    records: tuple[CacheRecord, ...] = ()
    contents: tuple[tuple[bytes, Digest], ...] = ()
    layers: tuple[CacheLayer, ...] = ()
    mounts: tuple[CacheMount, ...] = ()


def encode_cache_config(config: CacheConfig) -> bytes:
    """Equal values give equal bytes."""
    stacks = _Stacks(layer.name for layer in config.layers)
    records = [_encode_record(record, stacks) for record in config.records]
    fields: dict[str, Json] = {
        "version": VERSION,
        "layers": [_encode_layer(layer) for layer in config.layers],
        "stacks": stacks.pairs,
        "records": records,
        "contents": [[_encode_key(question), answer] for question, answer in config.contents],
    }
    if config.mounts:
        fields["mounts"] = [
            {"id": mount.id, "blob": mount.blob, "mode": mount.mode, "uid": mount.uid, "gid": mount.gid}
            for mount in config.mounts
        ]
    return encode_json(fields)


class _Stacks:
    """Stacks of layers as a tree: each is a lower stack and one layer more, so that a chain takes linear room."""

    def __init__(self, layers: Iterable[str]) -> None:
        self._layers = {name: number for number, name in enumerate(layers)}
        self._known: dict[tuple[int, int], int] = {}
        self.pairs: list[list[int]] = []

    def number(self, stack: Stack) -> int:
        lower = _NO_STACK
        for name in stack:
            pair = (lower, self._layers[name])
            found = self._known.get(pair)
            if found is None:
                found = self._known[pair] = len(self.pairs)
                self.pairs.append(list(pair))
            lower = found
        return lower


def _encode_record(record: CacheRecord, stacks: _Stacks) -> dict[str, Json]:
    fields: dict[str, Json] = {
        "keys": [_encode_key(key) for key in record.keys],
        "strong": record.keys.index(record.strong),
        "op": _encode_key(record.op),
        "refs": [stacks.number(ref) for ref in record.refs],
    }
    if record.name:
        fields["name"] = record.name
    if record.duration_s:
        fields["microseconds"] = round(record.duration_s * 1e6)
    return fields


def _encode_layer(layer: CacheLayer) -> dict[str, Json]:
    fields: dict[str, Json] = {"name": layer.name, "diffID": layer.diff_id, "blob": layer.blob}
    if layer.created:
        fields["created"] = layer.created
    return fields


def _encode_key(key: bytes) -> str:
    return base64.b64encode(key).decode().rstrip("=")


def decode_cache_config(data: bytes, *, ref: str) -> CacheConfig:
    """Read one. `ref`: where it came from, for errors.

    Checks the form only. What it says of results cannot be checked: whoever wrote it decides what a build that
    believes it puts into its image. Layer names are safe to make paths of, and an image layer's is that of its diff id.
    Raises SourceError on anything malformed, and on another version.
    """
    top = decode_json(data, what="cache config", ref=ref, limit=MAX_CACHE_CONFIG_BYTES)
    version = top.integer("version")
    if version != VERSION:
        raise top.error("version", f"expected {VERSION}, found {version}")
    layers = tuple(_decode_layer(item) for item in top.children("layers"))
    stacks = _decode_stacks(top, layers)
    return CacheConfig(
        records=tuple(_decode_record(item, stacks) for item in top.children("records")),
        contents=tuple(_decode_contents(top)),
        layers=layers,
        mounts=tuple(_decode_mount(item) for item in top.children("mounts")),
    )


def _decode_layer(values: JsonObject) -> CacheLayer:
    name, diff_id = values.text("name"), _digest(values, "diffID")
    if not _LAYER_NAME.fullmatch(name) or (name.startswith("sha256-") and name != f"sha256-{diff_id.hex}"):
        raise values.error("name", f"{name[:100]!r} is not the name of a layer")
    return CacheLayer(
        name=name,
        diff_id=diff_id,
        blob=_digest(values, "blob"),
        created=values.text("created"),
    )


def _decode_stacks(top: JsonObject, layers: Sequence[CacheLayer]) -> list[Stack]:
    stacks: list[Stack] = []
    room = _MAX_STACKED
    for number, pair in enumerate(_rows(top, "stacks")):
        match pair:
            case [int(lower), int(layer)] if _NO_STACK <= lower < number and 0 <= layer < len(layers):
                below = stacks[lower] if lower != _NO_STACK else ()
                stacks.append((*below, layers[layer].name))
            case _:
                raise top.error(f"stacks[{number}]", "expected [an earlier stack or -1, a layer]")
        room -= len(stacks[-1])
        if len(stacks[-1]) > _MAX_STACK or room < 0:
            raise top.error(f"stacks[{number}]", f"more than {_MAX_STACK} layers, or {_MAX_STACKED} in all")
    return stacks


def _decode_record(values: JsonObject, stacks: Sequence[Stack]) -> CacheRecord:
    keys = tuple(_key(values, "keys", text) for text in values.texts("keys") or ())
    strong = values.integer("strong")
    if not 0 <= strong < len(keys):
        raise values.error("strong", f"expected one of {len(keys)} keys, found {strong}")
    refs = []
    for number in _row(values, "refs"):
        if not isinstance(number, int) or not _NO_STACK <= number < len(stacks):
            raise values.error("refs", f"expected numbers of stacks, found {str(number)[:40]}")
        refs.append(() if number == _NO_STACK else stacks[number])
    return CacheRecord(
        keys=keys,
        strong=keys[strong],
        op=_key(values, "op", values.text("op")),
        refs=tuple(refs),
        name=values.text("name"),
        duration_s=max(0, values.integer("microseconds")) / 1e6,
    )


def _decode_contents(top: JsonObject) -> Iterable[tuple[bytes, Digest]]:
    for number, row in enumerate(_rows(top, "contents")):
        match row:
            case [str(question), str(answer)]:
                yield _key(top, f"contents[{number}]", question), _parsed(top, f"contents[{number}]", answer)
            case _:
                raise top.error(f"contents[{number}]", "expected [a key, a digest]")


def _decode_mount(values: JsonObject) -> CacheMount:
    mode = values.integer("mode")
    if not 0 <= mode <= 0o7777:
        raise values.error("mode", f"expected permissions, found {mode}")
    uid, gid = values.integer("uid"), values.integer("gid")
    if min(uid, gid) < 0 or max(uid, gid) >= 2**32 - 1:
        raise values.error("uid", f"expected the ids of a user and a group, found {uid} and {gid}")
    return CacheMount(id=values.text("id"), blob=_digest(values, "blob"), mode=mode, uid=uid, gid=gid)


def _row(values: JsonObject, key: str) -> list[object]:
    found = values.values.get(key)
    if not isinstance(found, list):
        raise values.error(key, "expected an array")
    return found


def _rows(values: JsonObject, key: str) -> list[object]:
    return [] if values.values.get(key) is None else _row(values, key)


def _key(values: JsonObject, where: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text + "=", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise values.error(where, f"expected a key of {_KEY_BYTES} bytes in base64, found {text[:60]!r}")
    return key


def _digest(values: JsonObject, key: str) -> Digest:
    digest = _parsed(values, key, values.text(key))
    if digest.algorithm != "sha256":
        raise values.error(key, f"expected a sha256 digest, found {digest!r}")
    return digest


def _parsed(values: JsonObject, where: str, text: str) -> Digest:
    try:
        return parse_digest(text)
    except ValueError as error:
        raise values.error(where, str(error)) from None
