"""`--stub-images FILE`: every question about a base image answered from a file, so that compiling needs no network.

The file is JSON: `digest` is what each reference without a digest of its own resolves to, `config` the image config
that all images have, whatever platform is asked for; `refs` gives particular images (by full name) one of their own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..digest import Digest, parse_digest
from ..errors import SourceError
from ..frontend import ResolvedImage
from ..image import ContainerConfig
from ..values import frozen, replace
from .definition import read_bytes, read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..image import ImageConfig
    from ..platforms import Platform

__all__ = ["STUB_SESSION", "StubImages", "read_stub_images"]

STUB_SESSION = "oracle-session"  # whose folders local sources mean, unless --session-id says
# An image for Windows has none of the rest of a config made for Linux.
_WINDOWS = ContainerConfig(cmd=("c:\\windows\\system32\\cmd.exe",))


@frozen
class StubImages:
    """Answers of the form that `frontend.Lookup` wants."""

    digest: Digest
    config: ImageConfig
    refs: Mapping[str, ImageConfig]

    @property
    def platform(self) -> Platform:
        """Of the machine that is imagined: the same answers everywhere give the same graph everywhere."""
        return self.config.platform

    def image(self, ref: str, platform: Platform) -> ResolvedImage:
        name, at, digest = ref.partition("@")
        return ResolvedImage(
            ref=name,
            digest=parse_digest(digest) if at else self.digest,
            config=self.refs.get(ref) or self._config(platform),
        )

    def _config(self, platform: Platform) -> ImageConfig:
        inner = _WINDOWS if platform.os == "windows" else self.config.config
        return replace(self.config, platform=replace(platform, os_features=()), config=inner)


def read_stub_images(path: str) -> StubImages:
    """Raises SourceError naming the file and what is wrong in it."""
    data = read_bytes(path)
    try:
        document = json.loads(data)
        refs = document.get("refs") or {}
        return StubImages(
            digest=parse_digest(document["digest"]),
            config=_decode(document["config"], path),
            refs={ref: _decode(config, path) for ref, config in refs.items()},
        )
    except (ValueError, TypeError, AttributeError, RecursionError, KeyError) as error:
        raise SourceError(
            f"{path} is no list of stub images: {type(error).__name__}: {error}",
            ref=path,
            hint='expected JSON: {"digest": "sha256:…", "config": {image config}, "refs": {"NAME": {image config}}}',
        ) from None


def _decode(config: object, path: str) -> ImageConfig:
    return read_config(json.dumps(config).encode(), path)
