"""Reading a definition: our own form, BuildKit's, or a bundle of `llbuild compile`. Told apart by their first byte."""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, SourceError
from ..image import ContainerConfig, ImageConfig, decode_config
from ..llb import decode_definition
from ..platforms import host_platform
from ..values import frozen

if TYPE_CHECKING:
    from ..llb import Definition

__all__ = ["STDIN", "GivenDefinition", "parse_definition", "plain_image", "read_bytes", "read_config"]

STDIN = "-"
MAX_FILE_BYTES = 256 << 20
_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})  # how a msgpack map begins; as protobuf, no field of ours does


@frozen
class GivenDefinition:
    """`image` is None where nothing was said about it."""

    definition: Definition
    image: ImageConfig | None = None


def read_bytes(path: str) -> bytes:
    """A file, or stdin for "-". Raises SourceError."""
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}", ref=path) from None
    if len(data) > MAX_FILE_BYTES:
        raise SourceError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB", ref=path)
    return data


def parse_definition(data: bytes) -> GivenDefinition:
    """Raises DefinitionError saying what is wrong with it, SourceError for a bundle's image config."""
    if not data:
        raise DefinitionError("the definition is empty", hint="'llbuild compile --format msgpack' makes one")
    if data[0] in _MAPS:
        return GivenDefinition(definition=decode_definition(data))
    if data.lstrip().startswith(b"{"):
        return _bundle(data)
    return GivenDefinition(definition=_buildkit(data))


def _buildkit(data: bytes) -> Definition:
    from ..proto import decode_buildkit

    return decode_buildkit(data)


def _bundle(data: bytes) -> GivenDefinition:
    try:
        bundle: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        hint = "of several platforms, give one line" if b"\n{" in data.strip() else ""
        raise DefinitionError(f"not a bundle: {error}", hint=hint) from None
    encoded, image = bundle.get("definition"), bundle.get("image")
    if bundle.get("error"):
        raise DefinitionError(f"the bundle holds no definition but an error: {bundle['error']}")
    if not isinstance(encoded, str):
        raise DefinitionError('not a bundle: expected a base64 text under "definition"')
    try:
        definition = _buildkit(b64decode(encoded, validate=True))
    except ValueError as error:
        raise DefinitionError(f"not a bundle: its definition is no base64: {error}") from None
    config = None if image is None else read_config(json.dumps(image).encode(), "the bundle")
    return GivenDefinition(definition=definition, image=config)


def read_config(data: bytes, origin: str) -> ImageConfig:
    """An image config from outside. Raises SourceError saying what is wrong in `origin`."""
    try:
        return decode_config(data, ref=origin)
    except SourceError as error:
        raise SourceError(f"{origin}: {error.message}", ref=origin, hint=error.hint) from None


def plain_image(definition: Definition) -> ImageConfig:
    """A config for a filesystem of which nothing is known but how it was made: for the platform of its last step."""
    platforms = [vertex.platform for vertex in definition.vertices if vertex.platform is not None]
    platform = platforms[-1] if platforms else host_platform()
    return ImageConfig(platform=platform, config=ContainerConfig(working_dir="/"))
