"""The addresses of the network that steps share: ones that lead nowhere else from this machine.

slirp4netns's own, 10.0.2.0/24, are those of machines behind VirtualBox's or QEMU's NAT too: there, steps would look for
the machine, its neighbours and its resolver among themselves.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

__all__ = ["Subnet", "free_subnet", "has_default_route", "routes_here", "steps_subnet"]

_ROUTES = "/proc/net/route"
_CANDIDATES = ("10.0.2", "10.0.66", "172.29.254", "192.168.219", "10.219.66")
_MASK_BITS = 24


class Subnet(NamedTuple):
    """256 addresses that begin with `prefix`, used as slirp4netns(1) does."""

    prefix: str
    mask_bits: int = _MASK_BITS

    @property
    def cidr(self) -> str:
        return f"{self.prefix}.0/{self.mask_bits}"

    @property
    def gateway(self) -> str:
        return f"{self.prefix}.2"

    @property
    def resolver(self) -> str:
        """Where the program that connects the network answers for a resolver on the machine's loopback."""
        return f"{self.prefix}.3"

    @property
    def address(self) -> str:
        """The steps'. Not the machine's: that one leads to the machine, as from a container of docker."""
        return f"{self.prefix}.100"


@cache
def steps_subnet() -> Subnet:
    """The one for the steps of this process; the machine's routes are looked at once, by whoever starts the network."""
    return free_subnet(routes_here())


def free_subnet(routes: str) -> Subnet:
    """The first one that no route leads to, or where all are taken, the last. routes: proc_pid_net(5), route."""
    taken = [(network, mask) for network, mask in _networks(routes) if mask]
    for prefix in _CANDIDATES:
        first = _number(prefix)
        if not any(first & mask == network or network & 0xFFFFFF00 == first for network, mask in taken):
            return Subnet(prefix)
    return Subnet(_CANDIDATES[-1])


def has_default_route(routes: str) -> bool:
    """Whether the machine reaches the world by IPv4. routes: as above; where they are not known, it is taken to."""
    return not routes or any(mask == network == 0 for network, mask in _networks(routes))


def routes_here() -> str:
    """The machine's IPv4 routes; "" where they cannot be read."""
    try:
        with open(_ROUTES, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _networks(routes: str) -> list[tuple[int, int]]:
    """Destinations and masks, as numbers."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    return [(_swapped(row[1]), _swapped(row[7])) for row in rows if len(row) > 7]


def _swapped(text: str) -> int:
    """The kernel prints addresses as its processor has them, the first byte last."""
    (number,) = struct.unpack(">I", struct.pack("=I", int(text, 16)))
    return int(number)


def _number(prefix: str) -> int:
    high, middle, low = map(int, prefix.split("."))
    return high << 24 | middle << 16 | low << 8
