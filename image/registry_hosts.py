"""Where a registry listens and whom to trust there."""

from __future__ import annotations

import ipaddress
import os
import ssl

__all__ = ["endpoint", "is_loopback", "trust"]

_DOCKER_HUB = {"docker.io": "registry-1.docker.io"}


def endpoint(domain: str, *, plain: bool = False) -> str:
    """The base URL for the domain of a reference, without a slash at its end. plain: without TLS."""
    scheme = "http" if plain or is_loopback(domain) else "https"
    return f"{scheme}://{_DOCKER_HUB.get(domain, domain)}"


def is_loopback(domain: str) -> bool:
    """Whether `host[:port]` is this machine by its very name; nothing is looked up."""
    host = domain[1 : domain.index("]")] if domain.startswith("[") else domain.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def trust() -> ssl.SSLContext:
    """The system's certificate authorities ($SSL_CERT_FILE and $SSL_CERT_DIR count), or certifi's where it has none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and not (paths.capath and any(os.scandir(paths.capath))):
        import certifi  # comes with httpx

        context.load_verify_locations(certifi.where())
    return context
