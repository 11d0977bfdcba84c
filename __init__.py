"""llbuild: container images from a build graph, without a daemon, Docker or root."""

__version__ = "0.1.0"
