"""What is said of a registry beforehand: how it is spoken to, whom to trust there, and who stands in for it.

Values only. The words are those of BuildKit's `[registry."HOST"]`; what they mean is docs/config.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...values import frozen, replace

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Mirror", "RegistryConfig", "is_host", "parse_mirror", "with_insecure"]

_MIRROR = re.compile(r"(?:(https?)://)?((?:[A-Za-z0-9._-]+|\[[A-Fa-f0-9:]+\])(?::\d{1,5})?)((?:/[A-Za-z0-9._~-]+)*)/?")


@frozen
class RegistryConfig:
    """`host`: as in references, `host[:port]`. `keypair`: client certificates, as paths of key and cert.

    http: no TLS; None: no TLS on this machine only. With `insecure` beside it: TLS where there is any.
    http2: HTTP/2 where it speaks that, over TLS; needs the package h2.
    """

    host: str
    http: bool | None = None
    insecure: bool = False
    mirrors: tuple[str, ...] = ()
    ca: tuple[str, ...] = ()
    keypair: tuple[tuple[str, str], ...] = ()
    http2: bool = False


class Mirror(NamedTuple):
    """`path`: what stands before the repository's own, "" for nothing. `plain`: its URL says that there is no TLS."""

    host: str
    path: str = ""
    plain: bool = False


def parse_mirror(text: str) -> Mirror:
    """`[http[s]://]HOST[:PORT][/PATH]`. Raises ValueError."""
    found = _MIRROR.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no mirror: expected HOST[:PORT][/PATH]")
    scheme, host, path = found.groups()
    return Mirror(host, path.strip("/"), scheme == "http")


def is_host(text: str) -> bool:
    """Whether it is `HOST[:PORT]`, as references begin."""
    found = _MIRROR.fullmatch(text)
    return found is not None and found[2] == text


def with_insecure(registries: Iterable[RegistryConfig], host: str) -> tuple[RegistryConfig, ...]:
    """The same, but nothing about this registry needs to be proved: it may be an impostor, and need not speak TLS."""
    others = tuple(registry for registry in registries if registry.host != host)
    known = next((registry for registry in registries if registry.host == host), RegistryConfig(host=host))
    return (*others, replace(known, http=True, insecure=True))
