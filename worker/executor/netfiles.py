"""/etc/hosts and /etc/resolv.conf as a step sees them: pure text.

Facts: BuildKit executor/oci/hosts.go, resolvconf.go and util/resolvconf.
"""

from __future__ import annotations

__all__ = ["hosts", "resolv_conf"]

# What BuildKit falls back to: Google's public resolvers.
_FALLBACK = (b"8.8.8.8", b"8.8.4.4", b"2001:4860:4860::8888", b"2001:4860:4860::8844")


def hosts(hostname: bytes, extra: list[tuple[bytes, bytes]]) -> bytes:
    """localhost and the step's own name, then `extra` (name, address)."""
    lines = [b"127.0.0.1\tlocalhost " + hostname, b"::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += [address + b"\t" + name for name, address in extra]
    return b"\n".join(lines) + b"\n"


def resolv_conf(machine: bytes, *, own_network: bool) -> bytes:
    """The machine's resolver settings, fit for a step.

    A resolver on loopback is reachable only in the network namespace it runs in: with a network of its own, a
    step does without those. With none left, public ones.
    """
    lines = machine.splitlines()
    kept = [line for line in lines if not (own_network and _is_loopback(_nameserver(line)))]
    if not any(_nameserver(line) for line in kept):
        kept += [b"nameserver " + address for address in _FALLBACK]
    elif len(kept) == len(lines):
        return machine
    return b"\n".join(kept) + b"\n"


def _nameserver(line: bytes) -> bytes:
    words = line.split()
    return words[1] if len(words) > 1 and words[0] == b"nameserver" else b""


def _is_loopback(address: bytes) -> bool:
    return address.startswith(b"127.") or address == b"::1"
