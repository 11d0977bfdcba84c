"""`--cache-to` and `--cache-from`: where a build's cache goes and comes from. `type=registry,ref=…`, or a reference."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ...errors import SourceError, UsageError
from ...values import frozen
from ..csv_specs import csv_attributes, csv_boolean, csv_choice, csv_layer_options, split_csv
from ..parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...image import Reference

__all__ = ["CacheKind", "CacheSource", "CacheTarget", "parse_cache_sources", "parse_cache_targets"]


class CacheKind(Enum):
    REGISTRY = "registry"
    LOCAL = "local"  # an OCI layout folder
    INLINE = "inline"  # in the image that is built


@frozen
class CacheTarget:
    """One `--cache-to`. `place`: a full reference, or a folder; "" for inline.

    everything: mode=max, the results of all steps and not only those whose layers are in the image. level: of the
    compression, None for its own. force: also layers that are packed already. mounts: contents of cache mounts too.
    """

    kind: CacheKind
    place: str = ""
    tag: str = "latest"  # in a folder
    everything: bool = False
    compression: str = "gzip"
    level: int | None = None
    force: bool = False
    ignore_error: bool = False
    mounts: bool = False
    insecure: bool = False  # the registry need prove nothing, nor speak TLS

    @property
    def inline(self) -> bool:
        """Whether it is the image that carries it."""
        return self.kind is CacheKind.INLINE


@frozen
class CacheSource:
    """One `--cache-from`. `name`: tag or digest in a folder. mounts: fill empty cache mounts from it."""

    kind: CacheKind
    place: str
    name: str = "latest"
    mounts: bool = True
    insecure: bool = False  # as of a target


_COMPRESSION = ("compression", "compression-level", "force-compression", "image-manifest", "oci-mediatypes")
_TO_KEYS = {
    CacheKind.REGISTRY: ("ref", "mode", "ignore-error", "mounts", "registry.insecure", *_COMPRESSION),
    CacheKind.LOCAL: ("dest", "tag", "mode", "ignore-error", "mounts", *_COMPRESSION),
    CacheKind.INLINE: ("mode",),
}
_FROM_KEYS = {
    CacheKind.REGISTRY: ("ref", "mounts", "registry.insecure"),
    CacheKind.LOCAL: ("src", "tag", "digest", "mounts"),
}
_TYPES_NOT_YET = ("azblob", "gha", "s3")
_KEYS_NOT_YET = ("reset", "touch_refresh")


def parse_cache_targets(texts: Sequence[str]) -> tuple[CacheTarget, ...]:
    """Every `--cache-to` of a command line. Raises UsageError saying what is wrong in which."""
    targets = tuple(_target(text) for text in texts)
    places = [(target.kind, target.place, target.tag) for target in targets]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise UsageError(f"two caches would be written to {twice[1] or 'the image'}")
    return targets


def parse_cache_sources(texts: Sequence[str]) -> tuple[CacheSource, ...]:
    """Every `--cache-from` of a command line. Raises UsageError saying what is wrong in which."""
    return tuple(dict.fromkeys(_source(text) for text in texts))


def _target(text: str) -> CacheTarget:
    flag = "--cache-to"
    kind, found = _fields(text, flag, _TO_KEYS)
    everything = csv_choice(text, "mode", found, ("min", "max"), flag=flag) == "max"
    if kind is CacheKind.INLINE:
        if everything:
            raise UsageError(f"{flag} {text!r}: an image carries mode=min only", hint="use type=registry for mode=max")
        return CacheTarget(kind=kind)
    for key, other in (("image-manifest", "an index"), ("oci-mediatypes", "Docker's media types")):
        if not csv_boolean(text, key, found.get(key, "true"), flag=flag):
            raise UsageError(f"{flag} {text!r}: {key}=false is not supported: caches are not written with {other}")
    layers = csv_layer_options(text, found, flag=flag, for_cache=True)
    place = _reference(text, flag, found) if kind is CacheKind.REGISTRY else _needed(text, flag, found, "dest", "DIR")
    return CacheTarget(
        kind=kind,
        place=place,
        tag=found.get("tag") or "latest",
        everything=everything,
        compression=layers.compression,
        level=layers.level,
        force=layers.force,
        ignore_error=csv_boolean(text, "ignore-error", found.get("ignore-error", "false"), flag=flag),
        mounts=csv_boolean(text, "mounts", found.get("mounts", "false"), flag=flag),
        insecure=_insecure(text, found, flag),
    )


def _source(text: str) -> CacheSource:
    flag = "--cache-from"
    kind, found = _fields(text, flag, _FROM_KEYS)
    mounts = csv_boolean(text, "mounts", found.get("mounts", "true"), flag=flag)
    if kind is CacheKind.REGISTRY:
        place, insecure = _reference(text, flag, found, digest=True), _insecure(text, found, flag)
        return CacheSource(kind=kind, place=place, name="", mounts=mounts, insecure=insecure)
    place = _needed(text, flag, found, "src", "DIR")
    return CacheSource(kind=kind, place=place, name=found.get("digest") or found.get("tag") or "latest", mounts=mounts)


def _insecure(text: str, found: Mapping[str, str], flag: str) -> bool:
    return csv_boolean(text, "registry.insecure", found.get("registry.insecure", "false"), flag=flag)


def _fields(text: str, flag: str, known: Mapping[CacheKind, Sequence[str]]) -> tuple[CacheKind, dict[str, str]]:
    """Its type and the other fields; a reference alone is one of a registry."""
    fields = split_csv(text, flag=flag)
    if len(fields) == 1 and "=" not in fields[0]:
        if not fields[0]:
            raise UsageError(f"{flag} is empty; expected a reference, or type=…")
        return CacheKind.REGISTRY, {"ref": fields[0]}
    found = csv_attributes(text, fields, flag=flag)
    name = found.pop("type", "")
    kinds = {kind.value: kind for kind in known}
    if name not in kinds:
        types = ", ".join(kinds)
        if name in _TYPES_NOT_YET:
            raise UsageError(f"{flag} {text!r}: type={name} is not supported yet; there are {types}")
        if name == CacheKind.INLINE.value:
            hint = "a cache inside an image is read with type=registry,ref=IMAGE, or type=local,src=DIR"
            raise UsageError(f"{flag} {text!r}: type={name} is for --cache-to", hint=hint)
        wrong = f"unknown type {name!r}{suggestion(name, kinds)}" if name else "type= is missing"
        raise UsageError(f"{flag} {text!r}: {wrong}; expected one of {types}")
    kind = kinds[name]
    for key in found:
        if key in known[kind]:
            continue
        takes = f"type={name} takes {', '.join(f'{other}=' for other in known[kind])}"
        if key in _KEYS_NOT_YET:
            raise UsageError(f"{flag} {text!r}: {key}= is not supported yet; {takes}")
        raise UsageError(f"{flag} {text!r}: {takes}, not {key}={suggestion(key, known[kind])}")
    return kind, found


def _needed(text: str, flag: str, found: Mapping[str, str], key: str, what: str) -> str:
    if not found.get(key):
        raise UsageError(f"{flag} {text!r}: {key}={what} is missing")
    return found[key]


def _reference(text: str, flag: str, found: Mapping[str, str], *, digest: bool = False) -> str:
    from ...image import parse_reference

    try:
        reference: Reference = parse_reference(_needed(text, flag, found, "ref", "NAME[:TAG]"))
    except SourceError as error:
        raise UsageError(f"{flag} {text!r}: {error.message}", hint=error.hint) from error
    if reference.digest is not None and not digest:
        raise UsageError(f"{flag} {text!r}: a digest cannot be chosen; expected ref=NAME[:TAG]")
    return str(reference)
