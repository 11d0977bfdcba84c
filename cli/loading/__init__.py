"""`--load`: an image handed to the docker or podman of this machine, which get what they lack of it."""

from __future__ import annotations

from .dispatch import load_into_engine

__all__ = ["load_into_engine"]
