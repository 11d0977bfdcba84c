"""Which program connects the network of steps, and how it is called: pasta, or else slirp4netns."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

from .netfiles import machine_resolv_conf, resolv_conf
from .network import NAMESPACE, READY_FD
from .subnet import has_default_route, routes_here, steps_subnet

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROGRAMS", "machine_address", "missing_network", "network_program"]

PROGRAMS = ("pasta", "slirp4netns")  # the quicker one first, as far as traffic goes
_PLACES = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_TUN = "/dev/net/tun"
_MTU = 65520


def network_program(names: Sequence[str] = PROGRAMS) -> tuple[str, ...]:
    """Path and arguments for `start_helper`: of the first of these programs; () where none is, or none can work."""
    if not os.access(_TUN, os.R_OK | os.W_OK):
        return ()
    for name in names:
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")
        if path is not None:
            return (os.path.abspath(path), *(_pasta() if name == "pasta" else _slirp()))
    return ()


def machine_address() -> str:
    """The address under which steps reach what this machine offers; not what listens on its loopback only.

    In the machine's own network that is 127.0.0.1; else the one it has towards the rest of the world.
    """
    if not network_program():
        return "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; an address of no machine (RFC 5737)
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


def missing_network() -> str:
    """What is in the way of a network of the steps' own, and what to do about it; for where `network_program` is ()."""
    if not os.path.exists(_TUN):
        return f"there is no {_TUN}: load the module tun"
    if not os.access(_TUN, os.R_OK | os.W_OK):
        return f"{_TUN} may not be opened: chmod 666 {_TUN}"
    return "for one of their own, install pasta (package passt) or slirp4netns"


def _pasta() -> list[str]:
    """passt(1). Nothing is forwarded into the namespace or to the machine's loopback.

    --runas 0: else it would turn to nobody, who may not enter the namespace. It drops its rights by itself, and has
    its own namespaces and filter. With addresses of both kinds it takes half as long again to start. With
    --dns-forward, answers of the machine's resolver come from that address alone: so not where nobody asks it.
    """
    subnet = steps_subnet()
    words = ["--config-net", "--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none"]
    words += ["--quiet", "--netns-only", "--runas", "0"]
    if _has_loopback_resolver():
        words += ["--dns-forward", subnet.resolver]
    if has_default_route(routes_here()):
        words += ["--ipv4-only", "--address", subnet.address, "--netmask", str(subnet.mask_bits)]
        words += ["--gateway", subnet.gateway]
    return [*words, "--netns", NAMESPACE.decode()]


def _slirp() -> list[str]:
    """slirp4netns(1)."""
    words = ["--configure", f"--mtu={_MTU}", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"]
    words.append(f"--cidr={steps_subnet().cidr}")
    return [*words, f"--ready-fd={READY_FD}", "--netns-type=path", NAMESPACE.decode(), "tap0"]


def _has_loopback_resolver() -> bool:
    machine = machine_resolv_conf()
    return resolv_conf(machine, "shared", b"") != machine
