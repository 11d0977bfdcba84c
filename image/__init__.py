"""OCI's data model: references, descriptors, manifests, configs; and the registry client."""

from __future__ import annotations

from .config import ContainerConfig, Healthcheck, History, ImageConfig
from .descriptor import Descriptor, MediaType

__all__ = ["ContainerConfig", "Descriptor", "Healthcheck", "History", "ImageConfig", "MediaType"]
