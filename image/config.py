"""The image config: what a container of the image runs, and how the image came to be.

Values only; the JSON form is `config_json.py`. Spec: OCI image-spec 1.1, config.md, with Docker's
additions (Healthcheck, OnBuild, Shell, ArgsEscaped), field for field as BuildKit writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..platforms import Platform
from ..values import frozen

if TYPE_CHECKING:
    from ..digest import Digest

__all__ = ["DEFAULT_PATH", "ContainerConfig", "Healthcheck", "History", "ImageConfig"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where an image says nothing
_UNKNOWN = Platform()


@frozen
class Healthcheck:
    """Durations in nanoseconds, 0 for "inherit"; `test` begins with NONE, CMD or CMD-SHELL."""

    test: tuple[str, ...] = ()
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@frozen
class ContainerConfig:
    """The `config` object. None for entrypoint, cmd and shell is "never said", () is "reset"."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()  # "6379/tcp", sorted
    env: tuple[str, ...] = ()  # "K=V"
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()  # sorted
    working_dir: str = ""
    labels: tuple[tuple[str, str], ...] = ()  # sorted by key
    stop_signal: str = ""
    args_escaped: bool = False
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] = ()
    shell: tuple[str, ...] | None = None


@frozen
class History:
    """One line of the image's history. `created` is RFC 3339, "" for "not known yet"."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@frozen
class ImageConfig:
    """A whole image config. `diff_ids`: bottom layer first, sha256 of the uncompressed tars."""

    platform: Platform = _UNKNOWN
    config: ContainerConfig = ContainerConfig()
    created: str = ""
    author: str = ""
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()
