"""Logging in and out, on disk: docker's `config.json`, changed in place and never half.

The file is $REGISTRY_AUTH_FILE, else $DOCKER_CONFIG/config.json, else ~/.docker/config.json. What it says of helpers
(`credHelpers`, `credsStore`) decides where the secret itself goes; then the file gets an empty entry, as docker's does.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import SourceError
from ..strict_json import decode_json
from .credential_helpers import CredentialHelper
from .credential_search import HUB_NAMES, host_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .credentials import Credentials

__all__ = ["erase_credentials", "store_credentials"]

_INDENT = "\t"  # docker's


def store_credentials(domain: str, credentials: Credentials, environ: Mapping[str, str]) -> str:
    """Keep them for a registry (`docker.io` is Docker Hub); where they are now: a path, or a helper's program.

    Blocks. Raises SourceError; then nothing has changed in the file.
    """
    with _opened(domain, environ) as file:
        helper = _helper(file.values, domain, environ)
        entry: dict[str, Any] = {}
        if helper is not None:
            helper.store(credentials)
        elif credentials.identity_token:
            user = base64.b64encode(f"{credentials.username}:".encode()).decode()
            entry = {"auth": user, "identitytoken": credentials.identity_token}
        else:
            entry = {"auth": credentials.basic.removeprefix("Basic ")}
        auths = file.table("auths")
        for key in _entries(auths, domain):
            del auths[key]
        auths[_names(domain)[0]] = entry
        file.write()
        return file.path if helper is None else helper.program


def erase_credentials(domain: str, environ: Mapping[str, str]) -> list[str]:
    """Forget them; where they were. Blocks. Raises SourceError."""
    with _opened(domain, environ) as file:
        found = []
        helper = _helper(file.values, domain, environ)
        if helper is not None and helper.erase():
            found.append(helper.program)
        auths = file.table("auths")
        entries = _entries(auths, domain)
        if entries:
            if helper is None or any(auths[key] for key in entries):
                found.append(file.path)
            for key in entries:
                del auths[key]
            file.write()
        return found


def _names(domain: str) -> tuple[str, ...]:
    """What a registry is called in these files, docker's name for it first."""
    return HUB_NAMES if domain == "docker.io" else (domain,)


def _entries(auths: Mapping[str, object], domain: str) -> list[str]:
    """The keys that are about the whole registry, in any spelling."""
    names = _names(domain)
    return [key for key in auths if key in names or host_of(key) in names]


def _helper(values: Mapping[str, Any], domain: str, environ: Mapping[str, str]) -> CredentialHelper | None:
    helpers, names = values.get("credHelpers"), _names(domain)
    if isinstance(helpers, dict):
        for name in names:
            if isinstance(helpers.get(name), str):
                return CredentialHelper(helpers[name], name, domain, environ)
    store = values.get("credsStore")
    return CredentialHelper(store, names[0], domain, environ) if isinstance(store, str) and store else None


class _File:
    """The file's whole contents; what is not ours stays as it is."""

    def __init__(self, path: str, domain: str) -> None:
        self.path = os.path.realpath(path)  # a link to where it is kept stays a link
        self._domain = domain
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            data = b""
        self.values: dict[str, Any] = {}
        if data.strip():
            self.values = decode_json(data, what=path, ref=domain).values

    def table(self, key: str) -> dict[str, Any]:
        found = self.values.setdefault(key, {})
        if not isinstance(found, dict):
            raise SourceError(f"{self.path}: {key}: expected an object", ref=self._domain)
        return found

    def write(self) -> None:
        data = f"{json.dumps(self.values, indent=_INDENT)}\n".encode()
        temporary = f"{self.path}.{os.urandom(6).hex()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
                with contextlib.suppress(FileNotFoundError, PermissionError):  # root, for somebody else
                    owner = os.stat(self.path)
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.rename(temporary, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


@contextmanager
def _opened(domain: str, environ: Mapping[str, str]) -> Iterator[_File]:
    """The file, for us alone as far as llbuild goes: two logins at once both stay."""
    path = _path(domain, environ)
    try:
        folder = os.path.dirname(os.path.realpath(path))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield _File(path, domain)
        finally:
            os.close(lock)
    except OSError as error:
        raise SourceError(f"cannot change {path}: {error.strerror}", ref=domain) from None


def _path(domain: str, environ: Mapping[str, str]) -> str:
    if named := environ.get("REGISTRY_AUTH_FILE"):
        return named
    if folder := environ.get("DOCKER_CONFIG"):
        return os.path.join(folder, "config.json")
    home = environ.get("HOME", "")
    if not home:
        raise SourceError("no home folder to keep a login in ($HOME is not set)", ref=domain, hint="set $DOCKER_CONFIG")
    return os.path.join(home, ".docker/config.json")
