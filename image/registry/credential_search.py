"""Who we are at a registry: what `llbuild login`, `docker login` and `podman login` left behind.

Files, the first that knows the host counts: $REGISTRY_AUTH_FILE; $DOCKER_CONFIG/config.json; podman's
$XDG_RUNTIME_DIR/containers/auth.json and $XDG_CONFIG_HOME/containers/auth.json (containers-auth.json(5));
~/.docker/config.json. In a file: a helper named for the host (`credHelpers`), an entry of `auths` (podman's may go for
a part of a registry: HOST/NAMESPACE), the helper for everything (`credsStore`).
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SourceError
from ..strict_json import decode_json
from .credential_helpers import CredentialHelper
from .credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..reference import Reference
    from ..strict_json import JsonObject

__all__ = ["HUB_NAMES", "find_credentials", "host_of"]

HUB_NAMES = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")


def find_credentials(reference: Reference, environ: Mapping[str, str]) -> Credentials | None:
    """What to log in with where `reference` lies; None: nobody has logged in. Blocks: reads files, runs helpers.

    Raises SourceError when a file is malformed or a helper fails: to go on as a stranger would hide that.
    """
    for path in _files(environ):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}", ref=str(reference)) from None
        if not data.strip():
            continue
        found = _in_file(decode_json(data, what=str(path), ref=str(reference)), reference, environ)
        if found is not None:
            return found
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if folder := environ.get("DOCKER_CONFIG"):
        yield Path(folder, "config.json")
    home = environ.get("HOME", "")
    if folder := environ.get("XDG_RUNTIME_DIR"):
        yield Path(folder, "containers/auth.json")
    if folder := environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config"):
        yield Path(folder, "containers/auth.json")
    if home:
        yield Path(home, ".docker/config.json")


def _in_file(top: JsonObject, reference: Reference, environ: Mapping[str, str]) -> Credentials | None:
    helpers, auths = dict(top.text_map("credHelpers")), top.child("auths")
    hosts = HUB_NAMES if reference.domain == "docker.io" else (reference.domain,)
    for host in hosts:
        if host in helpers:
            return CredentialHelper(helpers[host], host, str(reference), environ).get()
    server = hosts[0]
    if auths is not None:
        for key in _keys(auths, hosts, reference):
            found = _from_entry(auths, key, reference)
            if found is not None:
                return found
            server = key  # an empty entry: the secret is with the helper, under this name
    store = top.text("credsStore")
    return CredentialHelper(store, server, str(reference), environ).get() if store else None


def _keys(auths: JsonObject, hosts: tuple[str, ...], reference: Reference) -> list[str]:
    """The entries that are about this repository, the most particular first."""
    places = set(hosts)
    for host in hosts:
        parts = reference.path.split("/")
        places.update("/".join((host, *parts[:count])) for count in range(1, len(parts) + 1))
    found = [key for key in auths.values if key in places or host_of(key) in hosts]
    return sorted(found, key=lambda key: (key in places, len(key)), reverse=True)


def host_of(key: str) -> str:
    """The host of what old versions of docker wrote: `https://HOST/v1/`."""
    scheme, separator, rest = key.partition("://")
    return rest.partition("/")[0] if separator and scheme in {"http", "https"} else ""


def _from_entry(auths: JsonObject, key: str, reference: Reference) -> Credentials | None:
    entry = auths.child(key)
    if entry is None:
        return None
    user, password = entry.text("username"), entry.text("password")
    if packed := entry.text("auth"):
        try:
            user, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise SourceError(
                f"{auths.what}: auth of {key!r} is not base64 of USER:PASSWORD", ref=str(reference)
            ) from None
    token = entry.text("identitytoken")
    if not (user or token):
        return None
    # Docker pads passwords with zeros up to a whole group of base64.
    return Credentials(username=user, password=password.rstrip("\0"), identity_token=token, origin=auths.what)
