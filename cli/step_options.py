"""How the processes of a build run: flags of `docker build`, as the frontend's options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..llb import NetMode
from ..regexes import lazy_regex
from .parser import suggestion

if TYPE_CHECKING:
    from .pairs import Pairs
    from .parser import CommandParser, Found

__all__ = ["add_step_flags", "parse_bytes", "parse_network", "read_step_options"]

_NETWORKS = {"default": "", "host": "host", "none": "none", "sandbox": ""}
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_BYTES = lazy_regex(r"(\d{1,18}(?:\.\d{0,9})?) ?([bkmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)


def add_step_flags(parser: CommandParser) -> None:
    parser.add_value(
        "--network", metavar="MODE", help="network of RUN steps: default, none, host (which allows it too)"
    )
    parser.add_value("--add-host", metavar="HOST:IP", many=True, help="line of /etc/hosts; IP may be host-gateway")
    parser.add_value("--shm-size", metavar="BYTES", help="size of /dev/shm, like 128m (default: 64m)")
    parser.add_value("--ulimit", metavar="NAME=N[:HARD]", many=True, help="limit of processes, like nofile=1024:2048")
    parser.add_value("--cgroup-parent", metavar="PATH", help="cgroup in which those of the steps are made")


def read_step_options(found: Found) -> Pairs:
    """The frontend's options that these flags mean. Raises UsageError."""
    network = _network(found.network)
    options = {
        "force-network-mode": network,
        "add-hosts": ",".join(_host(text, network) for text in found.add_host or ()),
        "shm-size": str(parse_bytes("--shm-size", found.shm_size)) if found.shm_size is not None else "",
        "ulimit": ",".join(_ulimit(text) for text in found.ulimit or ()),
        "cgroup-parent": found.cgroup_parent or "",
    }
    return tuple((name, value) for name, value in options.items() if value)


def parse_bytes(flag: str, text: str) -> int:
    """A number of bytes, perhaps with a unit of 1024s: 512, 64m, 1.5GiB. Raises UsageError."""
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{flag} {text!r}: expected a number of bytes, like 67108864 or 64m")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def parse_network(text: str) -> NetMode:
    """The network that a flag's text means; "" is the default. Raises UsageError."""
    return NetMode[(_network(text or None) or "sandbox").upper()]


def _network(text: str | None) -> str:
    if text is None:
        return ""
    if text not in _NETWORKS:
        raise UsageError(f"--network {text!r}{suggestion(text, _NETWORKS)}: expected default, none or host")
    return _NETWORKS[text]


def _host(text: str, network: str) -> str:
    """`HOST:IP` or `HOST=IP`; an IPv6 address may stand in brackets."""
    separator = "=" if "=" in text else ":"
    host, _, address = text.partition(separator)
    address = address.strip()
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if not host or not address or any(char in '," \t' for char in text):
        raise UsageError(f"--add-host {text!r}: expected HOST:IP")
    return f"{host}={_machine_address(network) if address == 'host-gateway' else address}"


def _machine_address(network: str) -> str:
    """Where steps reach this machine. Their own networks may be others; an entry of /etc/hosts is the same for all."""
    if network == "host":
        return "127.0.0.1"
    from ..worker.executor import machine_address  # few builds ask for it

    return machine_address()


def _ulimit(text: str) -> str:
    if "=" not in text or "," in text:
        raise UsageError(f"--ulimit {text!r}: expected NAME=SOFT[:HARD]")
    return text
