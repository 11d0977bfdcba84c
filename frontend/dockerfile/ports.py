"""EXPOSE: `80`, `80/udp`, `8000-8010/tcp`, and the `ip:host:container` forms that are read and dropped."""

from __future__ import annotations

from .integer import read_int

__all__ = ["Exposed", "parse_port"]


class Exposed:
    """What one word exposes: `ports` like "80/tcp", and what lint wants to know."""

    __slots__ = ("host_parts", "odd_case", "ports")

    def __init__(self, ports: list[str], *, odd_case: bool, host_parts: bool) -> None:
        self.ports = ports
        self.odd_case = odd_case
        self.host_parts = host_parts


def parse_port(text: str) -> Exposed:
    """Raises ValueError saying what is wrong."""
    *front, container = text.split(":")
    host = front[-1] if front else ""
    address = ":".join(front[:-1])
    numbers, _, protocol = container.partition("/")
    if not numbers:
        raise ValueError(f"{text!r} names no port")
    protocol = protocol or "tcp"
    if protocol.lower() not in ("tcp", "udp", "sctp"):
        raise ValueError(f"{protocol!r} is not a protocol; there are tcp, udp and sctp")
    if address:
        _check_address(address)
    first, last = _range(numbers)
    if host:
        low, high = _range(host)
        if last - first != high - low and last != first:
            raise ValueError(f"{host} and {numbers} are ranges of different lengths")
    return Exposed(
        [f"{number}/{protocol.lower()}" for number in range(first, last + 1)],
        odd_case=protocol != protocol.lower(),
        host_parts=bool(address or host),
    )


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
