"""/etc/hosts and /etc/resolv.conf as a step sees them.

Facts: BuildKit executor/oci/hosts.go, resolvconf.go and util/resolvconf.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wire import Network

__all__ = ["hosts", "machine_resolv_conf", "resolv_conf"]

# What BuildKit falls back to: Google's public resolvers.
_FALLBACK = (b"8.8.8.8", b"8.8.4.4", b"2001:4860:4860::8888", b"2001:4860:4860::8844")


def hosts(hostname: bytes, extra: list[tuple[bytes, bytes]]) -> bytes:
    """localhost and the step's own name, then `extra` (name, address)."""
    lines = [b"127.0.0.1\tlocalhost " + hostname, b"::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += [address + b"\t" + name for name, address in extra]
    return b"\n".join(lines) + b"\n"


def machine_resolv_conf() -> bytes:
    try:
        fd = os.open(b"/etc/resolv.conf", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def resolv_conf(machine: bytes, network: Network, forwarder: bytes) -> bytes:
    """The machine's resolver settings, fit for a step.

    A resolver on loopback is reachable only in the network namespace it runs in. In the shared network, the program
    that connects it asks such a one for the step, under the address `forwarder`; in none, there is nobody to ask. With
    none left, public ones.
    """
    lines = machine.splitlines()
    kept = [line for line in lines if network == "machine" or not _is_loopback(_nameserver(line))]
    if network == "shared" and len(kept) < len(lines):
        kept.insert(0, b"nameserver " + forwarder)
    if not any(_nameserver(line) for line in kept):
        kept += [b"nameserver " + address for address in _FALLBACK]
    elif kept == lines:
        return machine
    return b"\n".join(kept) + b"\n"


def _nameserver(line: bytes) -> bytes:
    words = line.split()
    return words[1] if len(words) > 1 and words[0] == b"nameserver" else b""


def _is_loopback(address: bytes) -> bool:
    return address.startswith(b"127.") or address == b"::1"
