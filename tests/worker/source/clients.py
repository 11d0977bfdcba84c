"""The client as the command line has it, with these secrets and agents to give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.cli.client import CommandLineClient
from llbuild.cli.given import AgentSource, SecretSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["client_with"]


def client_with(folder: Path, secrets: Mapping[str, str], agents: Mapping[str, str] | None = None) -> CommandLineClient:
    """folder: where the secrets lie, a file each. agents: sockets by id."""
    sources = []
    for number, (name, value) in enumerate(secrets.items()):
        path = folder / f"secret-{number}"
        path.write_text(value)
        sources.append(SecretSource(id=name, path=str(path)))
    named = (agents or {}).items()
    return CommandLineClient(sources, [AgentSource(id=name, paths=(path,)) for name, path in named])
