"""An image config while its stage is being read: the same fields, changeable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...image import ContainerConfig, Healthcheck, History, ImageConfig
from .paths import default_path_env

if TYPE_CHECKING:
    from ...digest import Digest
    from ...platforms import Platform

__all__ = ["ImageDraft", "empty_image"]

COMMENT = "buildkit.dockerfile.v0"  # other tools tell BuildKit's entries by it


class ImageDraft:
    """What instructions edit. `history` grows by one entry per instruction."""

    __slots__ = (
        "_places",
        "args_escaped",
        "author",
        "cmd",
        "diff_ids",
        "entrypoint",
        "env",
        "exposed_ports",
        "healthcheck",
        "history",
        "labels",
        "on_build",
        "platform",
        "shell",
        "stop_signal",
        "user",
        "volumes",
        "working_dir",
    )

    def __init__(self, config: ImageConfig) -> None:
        inner = config.config
        self.platform: Platform = config.platform
        self.author = config.author
        self.diff_ids: tuple[Digest, ...] = config.diff_ids
        self.history: list[History] = list(config.history)
        self.user = inner.user
        self.exposed_ports: set[str] = set(inner.exposed_ports)
        self.env: list[str] = list(inner.env)
        self._places: dict[str, int] = {}  # of the variables in `env`
        self.entrypoint = inner.entrypoint
        self.cmd = inner.cmd
        self.volumes: set[str] = set(inner.volumes)
        self.working_dir = inner.working_dir
        self.labels: dict[str, str] = dict(inner.labels)
        self.stop_signal = inner.stop_signal
        self.args_escaped = inner.args_escaped
        self.healthcheck: Healthcheck | None = inner.healthcheck
        self.on_build: list[str] = list(inner.on_build)
        self.shell = inner.shell

    def copy(self) -> ImageDraft:
        return ImageDraft(self.freeze())

    def freeze(self) -> ImageConfig:
        config = ContainerConfig(
            user=self.user,
            exposed_ports=tuple(sorted(self.exposed_ports)),
            env=tuple(self.env),
            entrypoint=self.entrypoint,
            cmd=self.cmd,
            volumes=tuple(sorted(self.volumes)),
            working_dir=self.working_dir,
            labels=tuple(sorted(self.labels.items())),
            stop_signal=self.stop_signal,
            args_escaped=self.args_escaped,
            healthcheck=self.healthcheck,
            on_build=tuple(self.on_build),
            shell=self.shell,
        )
        return ImageConfig(
            platform=self.platform,
            config=config,
            author=self.author,
            diff_ids=self.diff_ids,
            history=tuple(self.history),
        )

    def commit(self, text: str, created: str, *, layer: bool = False) -> None:
        """Add the instruction's history entry."""
        self.history.append(History(created=created, created_by=text, comment=COMMENT, empty_layer=not layer))

    def set_env(self, key: str, value: str) -> None:
        """A variable keeps its first place; only its value changes."""
        if len(self._places) != len(self.env):
            self._places = {}
            for at, item in enumerate(self.env):
                self._places.setdefault(item.partition("=")[0], at)
        at = self._places.setdefault(key, len(self.env))
        self.env[at : at + 1] = [f"{key}={value}"]

    @property
    def default_shell(self) -> tuple[str, ...]:
        """What a command in shell form is given to."""
        if self.shell:
            return self.shell
        return ("cmd", "/S", "/C") if self.platform.os == "windows" else ("/bin/sh", "-c")

    @property
    def without_layers(self) -> bool:
        """Nothing to fetch: no layer, and no history that speaks of one."""
        return not self.diff_ids and all(entry.empty_layer for entry in self.history)


def empty_image(platform: Platform) -> ImageConfig:
    """The config of `scratch`."""
    env = () if platform.os == "windows" else ("PATH=" + default_path_env(platform.os),)
    return ImageConfig(platform=platform, config=ContainerConfig(working_dir="/", env=env))
