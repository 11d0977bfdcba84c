"""The bearer-token flow of public registries, without credentials.

A registry answers 401 with `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`; the realm hands
out a token for pulling. Spec: distribution's "Token Authentication Specification"; RFC 6750 section 3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..errors import SourceError
from .registry_body import read_bounded
from .registry_errors import check_status
from .registry_hosts import is_loopback
from .strict_json import decode_json

if TYPE_CHECKING:
    import httpx

    from .reference import Reference

__all__ = ["Challenge", "anonymous_token", "parse_challenge", "realm_host"]

_MAX_HEADER = 4096
_MAX_TOKEN = 64 << 10
_PARAMETER = re.compile(r'\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')


class Challenge(NamedTuple):
    """Where to ask for a token, and for which service."""

    realm: str
    service: str
    scope: str


def parse_challenge(header: str) -> Challenge | None:
    """Read a `WWW-Authenticate` header; None when it asks for something other than a bearer token."""
    scheme, _, rest = header[:_MAX_HEADER].strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    found: dict[str, str] = {}
    position = 0
    while match := _PARAMETER.match(rest, position):
        position = match.end()
        name, quoted, bare = match.groups()
        found[name.lower()] = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    if "realm" not in found:
        return None
    return Challenge(found["realm"], found.get("service", ""), found.get("scope", ""))


async def anonymous_token(client: httpx.AsyncClient, challenge: Challenge, reference: Reference) -> str:
    """A token to pull this repository with. Raises SourceError when none is given to strangers."""
    scope = challenge.scope or f"repository:{reference.path}:pull"
    params = {"service": challenge.service, "scope": scope} if challenge.service else {"scope": scope}
    async with client.stream("GET", challenge.realm, params=params) as response:
        await check_status(response, reference)
        data = await read_bounded(response, str(reference), limit=_MAX_TOKEN)
    answer = decode_json(data, what="token of the registry", ref=str(reference))
    token = answer.text("token") or answer.text("access_token")
    if not token or not token.isascii() or not token.isprintable():
        raise SourceError(f"{reference}: {urlsplit(challenge.realm).hostname} gave no token", ref=str(reference))
    return token


def realm_host(challenge: Challenge, reference: Reference) -> str:
    """Host and port of the realm. Raises SourceError when it is not fit to be asked."""
    try:
        parts = urlsplit(challenge.realm)
        host = parts.netloc.rpartition("@")[2] if parts.hostname else ""
    except ValueError:  # an unclosed bracket
        parts, host = urlsplit(""), ""
    plain = parts.scheme == "http" and is_loopback(host) and is_loopback(reference.domain)
    if not host or not (parts.scheme == "https" or plain):
        raise SourceError(
            f"{reference}: the registry sends us to {challenge.realm[:200]!r} for a token; expected an https URL",
            ref=str(reference),
        )
    return host
