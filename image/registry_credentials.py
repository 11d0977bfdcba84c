"""Who we are at a registry: what `docker login` and `podman login` left behind, read and never written.

Files, the first that knows the host counts: $REGISTRY_AUTH_FILE; $DOCKER_CONFIG/config.json; podman's
$XDG_RUNTIME_DIR/containers/auth.json and $XDG_CONFIG_HOME/containers/auth.json (containers-auth.json(5));
~/.docker/config.json. In a file: a helper named for the host (`credHelpers`), an entry of `auths` (podman's may go for
a part of a registry: HOST/NAMESPACE), the helper for everything (`credsStore`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..values import frozen
from .strict_json import decode_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .reference import Reference
    from .strict_json import JsonObject

__all__ = ["Credentials", "find_credentials"]

_HELPER_TIMEOUT_S = 60  # it may ask the person in a window of its own
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TOKEN_USER = "<token>"  # noqa: S105  in a helper's answer: the secret is an identity token
_HUB = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")
_NOT_FOUND = "credentials not found"  # how helpers say that they know nothing of a host


@frozen
class Credentials:
    """A user and password, or an identity token (OAuth 2 refresh token) instead. `origin`: where they stand."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    origin: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, origin={self.origin!r})"  # no secret in logs and tracebacks

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header. Spec: RFC 7617."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


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
    hosts = _HUB if reference.domain == "docker.io" else (reference.domain,)
    for host in hosts:
        if host in helpers:
            return _from_helper(helpers[host], host, reference, environ)
    server = hosts[0]
    if auths is not None:
        for key in _keys(auths, hosts, reference):
            found = _from_entry(auths, key, reference)
            if found is not None:
                return found
            server = key  # an empty entry: the secret is with the helper, under this name
    store = top.text("credsStore")
    return _from_helper(store, server, reference, environ) if store else None


def _keys(auths: JsonObject, hosts: tuple[str, ...], reference: Reference) -> list[str]:
    """The entries that are about this repository, the most particular first."""
    places = set(hosts)
    for host in hosts:
        parts = reference.path.split("/")
        places.update("/".join((host, *parts[:count])) for count in range(1, len(parts) + 1))
    found = [key for key in auths.values if key in places or _host_of(key) in hosts]
    return sorted(found, key=lambda key: (key in places, len(key)), reverse=True)


def _host_of(key: str) -> str:
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


def _from_helper(name: str, server: str, reference: Reference, environ: Mapping[str, str]) -> Credentials | None:
    """Ask `docker-credential-NAME get`. Spec: docker-credential-helpers, README, "Development"."""
    ref, program = str(reference), f"docker-credential-{name}"
    if not _HELPER_NAME.fullmatch(name):
        raise SourceError(f"{name!r} is not the name of a credential helper", ref=ref)
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_HELPER_TIMEOUT_S,
            env=dict(environ),
            check=False,
        )
    except FileNotFoundError:
        # Docker Desktop leaves such a configuration behind; what is public must stay within reach.
        return None
    except OSError as error:
        raise SourceError(f"cannot run {program}: {error.strerror}", ref=ref) from None
    except subprocess.TimeoutExpired:
        raise SourceError(f"{program} gave no answer in {_HELPER_TIMEOUT_S} s", ref=ref) from None
    said = done.stdout.decode(errors="replace").strip()
    if done.returncode:
        if _NOT_FOUND in said.lower():
            return None
        words = "".join(char for char in (said or done.stderr.decode(errors="replace")) if char.isprintable())[:200]
        raise SourceError(f"{program} failed for {server}: {words}", ref=ref)
    return _answer(said, program, ref)


def _answer(said: str, program: str, ref: str) -> Credentials | None:
    try:
        fields = json.loads(said)
        user, secret = str(fields["Username"]), str(fields["Secret"])
    except (ValueError, TypeError, KeyError):
        raise SourceError(f"{program} answered something other than credentials", ref=ref) from None
    if user == _TOKEN_USER:
        return Credentials(identity_token=secret, origin=program)
    return Credentials(username=user, password=secret, origin=program) if user else None
