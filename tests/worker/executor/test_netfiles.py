"""The text of /etc/resolv.conf."""

from __future__ import annotations

import pytest
from llbuild.worker.executor.netfiles import resolv_conf

PUBLIC = b"nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n"


@pytest.mark.parametrize(
    ("machine", "own_network", "want"),
    [
        (b"# mine\nnameserver 10.0.0.1\n", False, b"# mine\nnameserver 10.0.0.1\n"),
        (b"nameserver 127.0.0.53\noptions edns0\n", False, b"nameserver 127.0.0.53\noptions edns0\n"),
        (b"nameserver 127.0.0.53\noptions edns0\n", True, b"options edns0\n" + PUBLIC),
        (b"nameserver ::1\nnameserver 10.0.0.1\nsearch a b\n", True, b"nameserver 10.0.0.1\nsearch a b\n"),
        (b"", False, PUBLIC),
        (b"nameserver\nsearch x\n", False, b"nameserver\nsearch x\n" + PUBLIC),
    ],
)
def test_a_step_gets_resolvers_it_can_reach(machine: bytes, own_network: bool, want: bytes) -> None:
    assert resolv_conf(machine, own_network=own_network) == want
