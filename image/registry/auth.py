"""How a registry lets us in: with a bearer token, or with user and password.

A registry answers 401 with `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`; the realm hands
out a token for it, to strangers for pulling, or to whom it knows. Or with `Basic`, and takes user and password itself.
Spec: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication"; RFC 6750 section 3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ...errors import SourceError
from ..strict_json import decode_json
from .body import read_bounded
from .errors import check_status
from .hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from ..reference import Reference
    from .credentials import Credentials
    from .hosts import RegistryHost

__all__ = ["Challenge", "Token", "asks_for_password", "bearer_token", "parse_challenge", "realm_host"]

_MAX_HEADER = 4096
_MAX_TOKEN = 64 << 10
_CLIENT = "llbuild"
_PARAMETER = re.compile(r'\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')


class Challenge(NamedTuple):
    """Where to ask for a token, and for which service."""

    realm: str
    service: str
    scope: str


class Token(NamedTuple):
    """What opens the registry for some minutes; `lasting`: an identity token, "" when none was wanted or given."""

    text: str
    lasting: str = ""


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


def asks_for_password(header: str) -> bool:
    """Whether a `WWW-Authenticate` header asks for user and password (RFC 7617)."""
    return header.strip().partition(" ")[0].lower() == "basic"


async def bearer_token(
    client: httpx.AsyncClient,
    challenge: Challenge,
    reference: Reference | str,
    scopes: Sequence[str],
    credentials: Credentials | None,
    *,
    lasting: bool = False,
) -> Token:
    """A token for these scopes of the registry, e.g. `repository:tool:pull`; without credentials, a stranger's.

    reference: for errors. lasting: also ask for an identity token. Raises SourceError when none is given.
    """
    fields = [("service", challenge.service)] if challenge.service else []
    if credentials is not None and credentials.identity_token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credentials.identity_token,
            "client_id": _CLIENT,
            "scope": " ".join(scopes),
            **dict(fields),
        }
        request = client.stream("POST", challenge.realm, data=form)
    else:
        query: list[tuple[str, str | int | float | bool | None]] = [*fields, *(("scope", scope) for scope in scopes)]
        headers = {}
        if lasting:
            query += [("offline_token", "true"), ("client_id", _CLIENT)]
        if credentials is not None:
            query.append(("account", credentials.username))
            headers["Authorization"] = credentials.basic
        request = client.stream("GET", challenge.realm, params=query, headers=headers)
    async with request as response:
        await check_status(response, reference, credentials)
        data = await read_bounded(response, str(reference), limit=_MAX_TOKEN)
    answer = decode_json(data, what="token of the registry", ref=str(reference))
    token, kept = answer.text("token") or answer.text("access_token"), answer.text("refresh_token")
    if not token or not token.isascii() or not token.isprintable():
        raise SourceError(f"{reference}: {urlsplit(challenge.realm).hostname} gave no token", ref=str(reference))
    return Token(token, kept if lasting else "")


def realm_host(challenge: Challenge, reference: Reference | str, host: RegistryHost) -> str:
    """Host and port of the realm. Raises SourceError when it is not fit to be asked: who speaks TLS keeps to it."""
    try:
        parts = urlsplit(challenge.realm)
        realm = parts.netloc.rpartition("@")[2] if parts.hostname else ""
    except ValueError:  # an unclosed bracket
        parts, realm = urlsplit(""), ""
    plain = parts.scheme == "http" and host.url.startswith("http:")
    if plain and is_loopback(host.domain):  # nobody has said that anything but this machine may be trusted so
        plain = is_loopback(realm)
    if not realm or not (parts.scheme == "https" or plain):
        raise SourceError(
            f"{reference}: the registry sends us to {challenge.realm[:200]!r} for a token; expected an https URL",
            ref=str(reference),
        )
    return realm
