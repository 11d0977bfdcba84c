"""The addresses of the steps' network."""

from __future__ import annotations

import socket
import struct

import pytest
from llbuild.worker.executor.subnet import Subnet, free_subnet, has_default_route, routes_here

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def table(*networks: str) -> str:
    """As proc_pid_net(5) has it: numbers as the processor keeps them."""
    lines = []
    for network in networks:
        address, _, bits = network.partition("/")
        (place,) = struct.unpack("=I", socket.inet_aton(address))
        (mask,) = struct.unpack("=I", struct.pack(">I", 0xFFFFFFFF << (32 - int(bits)) & 0xFFFFFFFF))
        lines.append(f"eth0\t{place:08X}\t00000000\t0001\t0\t0\t0\t{mask:08X}\t0\t0\t0\n")
    return HEAD + "".join(lines)


@pytest.mark.parametrize(
    ("networks", "prefix"),
    [
        ([], "10.0.2"),
        (["0.0.0.0/0", "192.168.1.0/24"], "10.0.2"),
        (["0.0.0.0/0", "10.0.2.0/24"], "10.0.66"),
        (["10.0.2.15/32"], "10.0.66"),
        (["10.0.0.0/16"], "172.29.254"),
        (["10.0.0.0/8", "172.16.0.0/12"], "192.168.219"),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], "10.219.66"),
    ],
)
def test_steps_get_addresses_that_lead_nowhere_else(networks: list[str], prefix: str) -> None:
    assert free_subnet(table(*networks)) == Subnet(prefix)


def test_they_are_used_as_slirp4netns_does() -> None:
    subnet = Subnet("10.0.2")
    assert (subnet.cidr, subnet.gateway, subnet.resolver, subnet.address) == (
        *("10.0.2.0/24", "10.0.2.2", "10.0.2.3", "10.0.2.100"),
    )


def test_a_default_route_is_one_to_everywhere() -> None:
    assert has_default_route(table("0.0.0.0/0"))
    assert not has_default_route(table("10.0.2.0/24"))
    assert not has_default_route(HEAD)
    assert has_default_route("")  # not known


def test_the_machines_routes_can_be_read() -> None:
    assert routes_here().startswith("Iface")
