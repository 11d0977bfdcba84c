"""EXPOSE: `80`, `80/udp`, `8000-8010/tcp`, and the `ip:host:container` forms that are read and dropped."""

from __future__ import annotations

from .integer import read_int

__all__ = ["PortSpec", "split_port"]


class PortSpec:
    """One word's parts as text. Only the protocol is known to be right."""

    __slots__ = ("address", "host", "numbers", "protocol")

    def __init__(self, address: str, host: str, numbers: str, protocol: str) -> None:
        self.address = address
        self.host = host
        self.numbers = numbers
        self.protocol = protocol

    def ports(self) -> list[str]:
        """What is exposed, like "80/tcp". Raises ValueError saying what is wrong with the parts."""
        if self.address:
            _check_address(self.address)
        first, last = _range(self.numbers)
        if self.host:
            low, high = _range(self.host)
            if last - first != high - low and last != first:
                raise ValueError(f"{self.host} and {self.numbers} are ranges of different lengths")
        return [f"{number}/{self.protocol.lower()}" for number in range(first, last + 1)]


def split_port(text: str) -> PortSpec:
    """Raises ValueError: no port, or an unknown protocol."""
    *front, container = text.split(":")
    numbers, _, protocol = container.partition("/")
    if not numbers:
        raise ValueError(f"{text!r} names no port")
    protocol = protocol or "tcp"
    if protocol.lower() not in ("tcp", "udp", "sctp"):
        raise ValueError(f"{protocol!r} is not a protocol; there are tcp, udp and sctp")
    return PortSpec(":".join(front[:-1]), front[-1] if front else "", numbers, protocol)


def _range(text: str) -> tuple[int, int]:
    start, dash, end = text.partition("-")
    first = _number(start, text)
    last = _number(end, text) if dash and end != start else first
    if last < first:
        raise ValueError(f"{text} is a range that goes backwards")
    return first, last


def _number(text: str, whole: str) -> int:
    number = read_int(text)
    if number is None or not 0 <= number <= 65535:
        raise ValueError(f"{whole!r} is not a port: expected 0 to 65535, or a range like 8000-8010")
    return number


def _check_address(address: str) -> None:
    from ipaddress import ip_address  # rare, and not cheap to import

    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        ip_address(bare)
    except ValueError:
        raise ValueError(f"{address!r} is not an IP address") from None
