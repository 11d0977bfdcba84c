"""The JSON form of an image config, byte for byte as BuildKit writes it.

BuildKit's exporter patches the config as a map, so the outermost keys are sorted, while everything
inside keeps the field order of Go's structs (docker-image-spec v1 image.go, OCI image-spec v1
config.go). Fields with Go's `omitempty` are left out when they are zero. Two departures where Go
writes `null`, which the OCI schema forbids: no layers is `[]`, no creation time leaves the key out.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

from ..digest import Digest, parse_digest
from ..platforms import Platform
from ..regexes import lazy_regex
from .config import ContainerConfig, Healthcheck, History, ImageConfig
from .moments import trim_fraction
from .strict_json import decode_json, encode_json

if TYPE_CHECKING:
    from .strict_json import Json, JsonObject

__all__ = ["decode_config", "decode_inline_cache", "encode_config"]

_INLINE_CACHE = "llbuild.cache.v1"  # our key; BuildKit's is moby.buildkit.cache.v0

# RFC 3339, section 5.6; the fraction is Go's: nanoseconds at most, no zeros at the end
_TIME = lazy_regex(
    r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(\.\d{1,9})?\d*"
    r"(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def encode_config(image: ImageConfig, *, inline_cache: bytes = b"") -> bytes:
    """The config blob. Equal values give equal bytes, on every machine. `inline_cache`: an encoded cache config."""
    platform = image.platform
    fields: dict[str, Json] = {
        "architecture": platform.architecture,
        "author": image.author,
        "config": _encode_container(image.config),
        "created": image.created,
        "history": [_encode_history(entry) for entry in image.history],
        _INLINE_CACHE: binascii.b2a_base64(inline_cache, newline=False).decode(),
        "os": platform.os,
        "os.features": list(platform.os_features),
        "os.version": platform.os_version,
        "rootfs": {"type": "layers", "diff_ids": list(image.diff_ids)},
        "variant": platform.variant,
    }
    always = ("architecture", "config", "history", "os", "rootfs")
    return encode_json({key: value for key, value in fields.items() if value or key in always})


def _encode_container(config: ContainerConfig) -> dict[str, Json]:
    fields: dict[str, Json] = {
        "User": config.user,
        "ExposedPorts": _encode_set(config.exposed_ports),
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint or ()),
        "Cmd": list(config.cmd or ()),
        "Volumes": _encode_set(config.volumes),
        "WorkingDir": config.working_dir,
        "Labels": dict(sorted(config.labels)),
        "StopSignal": config.stop_signal,
        "ArgsEscaped": config.args_escaped,
    }
    fields = _without_zero(fields)
    if config.healthcheck is not None:
        fields["Healthcheck"] = _encode_healthcheck(config.healthcheck)
    if config.on_build:
        fields["OnBuild"] = list(config.on_build)
    if config.shell:
        fields["Shell"] = list(config.shell)
    return fields


def _encode_healthcheck(check: Healthcheck) -> dict[str, Json]:
    return _without_zero(
        {
            "Test": list(check.test),
            "Interval": check.interval_ns,
            "Timeout": check.timeout_ns,
            "StartPeriod": check.start_period_ns,
            "StartInterval": check.start_interval_ns,
            "Retries": check.retries,
        }
    )


def _encode_history(entry: History) -> dict[str, Json]:
    return _without_zero(
        {
            "created": entry.created,
            "created_by": entry.created_by,
            "author": entry.author,
            "comment": entry.comment,
            "empty_layer": entry.empty_layer,
        }
    )


def _encode_set(names: tuple[str, ...]) -> dict[str, Json]:
    return {name: {} for name in sorted(names)}


def _without_zero(fields: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in fields.items() if value}


def decode_config(data: bytes, *, ref: str = "") -> ImageConfig:
    """Read a config blob. `ref` is the image it belongs to, for errors.

    Fields that llbuild does not know are dropped, as BuildKit's frontend drops them. Raises SourceError.
    """
    top = decode_json(data, what="image config", ref=ref)
    rootfs = top.child("rootfs")
    if rootfs is None:
        raise top.error("rootfs", "expected the list of layers, found none")
    kind = rootfs.text("type")
    if kind not in {"layers", ""}:
        raise rootfs.error("type", f"expected 'layers', found {kind[:40]!r}")
    return ImageConfig(
        platform=Platform(
            os=top.text("os"),
            architecture=top.text("architecture"),
            variant=top.text("variant"),
            os_version=top.text("os.version"),
            os_features=top.texts("os.features") or (),
        ),
        config=_decode_container(top.child("config")),
        created=_time(top, "created"),
        author=top.text("author"),
        diff_ids=_diff_ids(rootfs),
        history=tuple(_decode_history(entry) for entry in top.children("history")),
    )


def decode_inline_cache(data: bytes, *, ref: str = "") -> bytes:
    """The encoded cache config that an image config carries, b"" for none. No part of `ImageConfig`: what is built on
    the image must not inherit it. Raises SourceError."""
    top = decode_json(data, what="image config", ref=ref)
    try:
        return binascii.a2b_base64(top.text(_INLINE_CACHE), strict_mode=True)
    except ValueError:
        raise top.error(_INLINE_CACHE, "expected base64") from None


def _decode_container(values: JsonObject | None) -> ContainerConfig:
    if values is None:
        return ContainerConfig()
    return ContainerConfig(
        user=values.text("User"),
        exposed_ports=values.keys("ExposedPorts"),
        env=values.texts("Env") or (),
        entrypoint=values.texts("Entrypoint"),
        cmd=values.texts("Cmd"),
        volumes=values.keys("Volumes"),
        working_dir=values.text("WorkingDir"),
        labels=values.text_map("Labels"),
        stop_signal=values.text("StopSignal"),
        args_escaped=values.flag("ArgsEscaped"),
        healthcheck=_decode_healthcheck(values.child("Healthcheck")),
        on_build=values.texts("OnBuild") or (),
        shell=values.texts("Shell"),
    )


def _decode_healthcheck(values: JsonObject | None) -> Healthcheck | None:
    if values is None:
        return None
    return Healthcheck(
        test=values.texts("Test") or (),
        interval_ns=values.integer("Interval"),
        timeout_ns=values.integer("Timeout"),
        start_period_ns=values.integer("StartPeriod"),
        start_interval_ns=values.integer("StartInterval"),
        retries=values.integer("Retries"),
    )


def _decode_history(values: JsonObject) -> History:
    return History(
        created=_time(values, "created"),
        created_by=values.text("created_by"),
        author=values.text("author"),
        comment=values.text("comment"),
        empty_layer=values.flag("empty_layer"),
    )


def _diff_ids(rootfs: JsonObject) -> tuple[Digest, ...]:
    found = []
    for index, text in enumerate(rootfs.texts("diff_ids") or ()):
        try:
            digest = parse_digest(text)
        except ValueError as error:
            raise rootfs.error(f"diff_ids[{index}]", str(error)) from None
        if digest.algorithm == "blake3":
            raise rootfs.error(f"diff_ids[{index}]", f"expected a sha256 digest, found {text!r}")
        found.append(digest)
    return tuple(found)


def _time(values: JsonObject, key: str) -> str:
    """The time as Go would write it back."""
    text = values.text(key)
    if not text:
        return ""
    match = _TIME.fullmatch(text)
    if match is None:
        raise values.error(key, f"expected a time such as 2024-05-01T10:20:30Z, found {text[:40]!r}")
    seconds, fraction, zone = match.groups()
    return seconds + trim_fraction(fraction or "") + ("Z" if zone in {"+00:00", "-00:00"} else zone)
