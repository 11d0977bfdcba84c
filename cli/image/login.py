"""`llbuild login`: credentials for a registry, checked there and kept where docker keeps them."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from ...errors import SourceError, UsageError
from ..parser import CommandParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...image import Credentials
    from ..config.values import Config
    from ..parser import Found

__all__ = ["add_registry", "registry_host", "run"]

_MAX_PASSWORD_BYTES = 64 << 10
_HUB = ("", "docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com")


def run(argv: Sequence[str]) -> int:
    """Log in, and say where the password went."""
    parser = CommandParser("login", "Log in to a registry.", usage="llbuild login [flags] [REGISTRY]")
    parser.add_value("-u", "--username", metavar="NAME", help="user")
    parser.add_value("-p", "--password", metavar="PASSWORD", help="password or token; shows in the process list")
    parser.add_flag("--password-stdin", help="take the password from stdin")
    add_registry(parser)
    found, options = parser.begin(argv)
    registry = registry_host(found.registry)
    _check(found)
    if not (found.username or found.password or found.password_stdin) and _logged_in(registry, options.config):
        print("Login Succeeded")
        return 0
    _log_in(registry, _given(found, registry), options.config)
    print("Login Succeeded")
    return 0


def add_registry(parser: CommandParser) -> None:
    parser.add_word("registry", metavar="REGISTRY", nargs="?", default="", help="HOST[:PORT] (default: docker.io)")


def registry_host(text: str) -> str:
    """The registry's name as references have it; a URL, as docker takes it, will do. Raises UsageError."""
    from ...image import is_host

    host = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    host = host.removesuffix("/v1").removesuffix("/v2")
    if host in _HUB:
        return "docker.io"
    if not is_host(host):
        raise UsageError(f"{text!r} is no registry; expected HOST[:PORT]")
    return host


def _check(found: Found) -> None:
    if found.password is not None and found.password_stdin:
        raise UsageError("--password and --password-stdin contradict each other")
    if found.password_stdin and not found.username:
        raise UsageError("--password-stdin needs --username")
    if found.username and ":" in found.username:
        raise UsageError(f"--username {found.username!r}: a user has no colon in its name")  # RFC 7617, section 2
    if found.password is not None:
        print("warning: --password shows in the process list; better is --password-stdin", file=sys.stderr)


def _given(found: Found, registry: str) -> Credentials:
    """What was said, and what is asked for on the terminal."""
    from ...image import Credentials as Known

    if found.password_stdin:
        data = sys.stdin.buffer.read(_MAX_PASSWORD_BYTES + 1)
        if len(data) > _MAX_PASSWORD_BYTES:
            raise UsageError(f"the password on stdin is longer than {_MAX_PASSWORD_BYTES >> 10} KiB")
        password = data.decode("utf-8", "surrogateescape").rstrip("\r\n")
    else:
        username = found.username or _ask(f"Username for {registry}: ", hidden=False)
        password = found.password if found.password is not None else _ask("Password: ", hidden=True)
        found.username = username
    if not password or not found.username:
        raise UsageError(f"the {'password' if found.username else 'username'} is empty")
    return Known(username=found.username, password=password)


def _ask(prompt: str, *, hidden: bool) -> str:
    """An answer from the terminal; a hidden one is not shown. Raises UsageError where there is no terminal."""
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", hint="give --username and --password-stdin")
    try:
        if hidden:
            from getpass import getpass

            return getpass(prompt, stream=sys.stderr)
        print(prompt, end="", file=sys.stderr, flush=True)
        return input().strip()
    except EOFError:
        raise UsageError("nothing was typed") from None


def _logged_in(registry: str, config: Config) -> bool:
    """Whether what is known already still serves. Raises SourceError when it does not, and nobody can be asked."""
    from ...image import Reference, find_credentials

    known = find_credentials(Reference(domain=registry, path=""), os.environ)
    if known is None:
        return False
    print(f"trying the credentials of {known.origin}", file=sys.stderr)
    try:
        _verify(registry, known, config)
    except SourceError as error:
        if not sys.stdin.isatty():
            raise
        print(error.message, file=sys.stderr)
        return False
    return True


def _verify(registry: str, credentials: Credentials, config: Config) -> Credentials:
    import anyio

    from ...image import verify_login

    return anyio.run(partial(verify_login, registry, credentials, config.registries))


def _log_in(registry: str, credentials: Credentials, config: Config) -> None:
    from ...image import Reference, find_credentials, store_credentials

    kept = _verify(registry, credentials, config)
    place = store_credentials(registry, kept, os.environ)
    if place.startswith("/"):
        secret = "identity token" if kept.identity_token else "password"
        print(f"the {secret} stands unencrypted in {place}; a credential helper would hide it", file=sys.stderr)
    first = find_credentials(Reference(domain=registry, path=""), os.environ)
    if first is not None and not (first.password == kept.password and first.identity_token == kept.identity_token):
        print(f"warning: {first.origin} has another login at {registry}, and comes first", file=sys.stderr)
