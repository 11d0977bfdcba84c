"""Where a registry listens and whom to trust there.

What the config file says counts first; then folders of certificates as docker and podman have them, `certs.d/HOST`:
`*.crt` are authorities, `NAME.cert` and `NAME.key` a client certificate (containers-certs.d(5)).
Registries on this machine (127.0.0.0/8, ::1, localhost) are spoken to in plain http, unless there is word of
certificates.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ...errors import SourceError
from ...values import frozen, replace
from .config import RegistryConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["RegistryHost", "find_host", "is_loopback", "trust"]

_DOCKER_HUB = {"docker.io": "registry-1.docker.io"}


@frozen
class RegistryHost:
    """A server as it is spoken to. `url`: its base, without a slash at the end.

    insecure: whoever answers is believed. falls_back: to plain http, where it speaks no TLS. http2: is to be tried.
    """

    domain: str
    url: str
    insecure: bool = False
    falls_back: bool = False
    ca: tuple[str, ...] = ()
    keypair: tuple[tuple[str, str], ...] = ()  # key, cert
    http2: bool = False

    @property
    def is_ordinary(self) -> bool:
        """Whether nothing but its name is known: it can share its connections' settings with all others."""
        return not (self.insecure or self.ca or self.keypair or self.http2)

    def without_tls(self) -> RegistryHost:
        return replace(self, url="http" + self.url.removeprefix("https"), falls_back=False)


def find_host(domain: str, config: RegistryConfig | None, environ: Mapping[str, str]) -> RegistryHost:
    """The server behind the domain of a reference. Reads folders, no file. Raises SourceError."""
    config = config or RegistryConfig(host=domain)
    if config.http2 and find_spec("h2") is None:
        raise SourceError(
            f"registry {domain}: HTTP/2 needs the Python package h2",
            ref=domain,
            hint="pip install 'llbuild[http2]' brings it; or leave http2 out of the config file",
        )
    http, insecure, ca, keypair = config.http, config.insecure, config.ca, config.keypair
    if not (ca or keypair or insecure or http):
        ca, keypair = _certificates(domain, environ)
    if http is None:
        http = is_loopback(domain) and not (ca or keypair or insecure)
    both = http and insecure
    scheme = "http" if http and not both else "https"
    return RegistryHost(
        domain=domain,
        url=f"{scheme}://{_DOCKER_HUB.get(domain, domain)}",
        insecure=insecure,
        falls_back=both,
        ca=ca,
        keypair=keypair,
        http2=config.http2,
    )


def _certificates(domain: str, environ: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What the first of the folders for this host has: authorities, and pairs of key and certificate."""
    for folder in _certificate_folders(environ):
        try:
            names = sorted(os.listdir(f"{folder}/{domain}"))
        except OSError:
            continue
        inside = f"{folder}/{domain}"
        ca = tuple(f"{inside}/{name}" for name in names if name.endswith(".crt"))
        stems = {kind: {name[: -len(kind)] for name in names if name.endswith(kind)} for kind in (".key", ".cert")}
        for stem in sorted(stems[".key"] ^ stems[".cert"]):
            raise SourceError(
                f"{inside}: of {stem}.cert and {stem}.key there is only one", ref=domain, hint="a client has both"
            )
        pairs = [(f"{inside}/{stem}.key", f"{inside}/{stem}.cert") for stem in sorted(stems[".cert"])]
        if ca or pairs:
            return ca, tuple(pairs)
    return (), ()


def _certificate_folders(environ: Mapping[str, str]) -> list[str]:
    home = environ.get("HOME", "")
    own = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
    mine = [f"{own}/containers/certs.d", f"{own}/docker/certs.d"] if own else []
    return [*mine, "/etc/containers/certs.d", "/etc/docker/certs.d"]


def is_loopback(domain: str) -> bool:
    """Whether `host[:port]` is this machine by its very name; nothing is looked up."""
    host = domain[1 : domain.index("]")] if domain.startswith("[") else domain.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def trust(host: RegistryHost | None = None) -> ssl.SSLContext:
    """The system's certificate authorities ($SSL_CERT_FILE and $SSL_CERT_DIR count), or certifi's where it has none;
    what is known of `host` in addition. Raises SourceError for files that are not what they should be.
    """
    named = os.environ.get("SSL_CERT_FILE")
    if named and not os.path.isfile(named):
        raise SourceError(f"there is no file {named}, where $SSL_CERT_FILE says that authorities are", ref=named)
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and not (paths.capath and any(os.scandir(paths.capath))):
        import certifi  # comes with httpx

        context.load_verify_locations(certifi.where())
    if host is None:
        return context
    for path in host.ca:
        with _readable(host, path, "PEM certificates"):
            context.load_verify_locations(cafile=path)
    for key, cert in host.keypair:
        with _readable(host, f"{cert} and {key}", "a PEM certificate and its key"):
            context.load_cert_chain(cert, key, password=_refuse_password)
    if host.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _readable(host: RegistryHost, paths: str, what: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        words = error.reason.replace("_", " ").lower() if error.reason else str(error)
        raise SourceError(f"registry {host.domain}: expected {what} in {paths}: {words}", ref=host.domain) from None
    except OSError as error:
        raise SourceError(f"registry {host.domain}: cannot read {paths}: {error.strerror}", ref=host.domain) from None
    except _PasswordError:
        raise SourceError(
            f"registry {host.domain}: the key in {paths} needs a password", ref=host.domain, hint="give one without"
        ) from None


class _PasswordError(Exception):
    """OpenSSL would ask the terminal otherwise, behind everything that is drawn there."""


def _refuse_password() -> str:
    raise _PasswordError
