"""The text of /etc/resolv.conf."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.worker.executor.netfiles import resolv_conf

if TYPE_CHECKING:
    from llbuild.worker.executor.wire import Network

PUBLIC = b"nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n"


@pytest.mark.parametrize(
    ("machine", "network", "want"),
    [
        (b"# mine\nnameserver 10.0.0.1\n", "machine", b"# mine\nnameserver 10.0.0.1\n"),
        (b"nameserver 127.0.0.53\noptions edns0\n", "machine", b"nameserver 127.0.0.53\noptions edns0\n"),
        (b"nameserver 127.0.0.53\noptions edns0\n", "none", b"options edns0\n" + PUBLIC),
        (b"nameserver ::1\nnameserver 10.0.0.1\nsearch a b\n", "none", b"nameserver 10.0.0.1\nsearch a b\n"),
        (b"nameserver 127.0.0.53\noptions edns0\n", "shared", b"nameserver 10.0.2.3\noptions edns0\n"),
        (b"nameserver 10.0.0.1\nnameserver ::1\n", "shared", b"nameserver 10.0.2.3\nnameserver 10.0.0.1\n"),
        (b"nameserver 10.0.0.1\n", "shared", b"nameserver 10.0.0.1\n"),
        (b"", "machine", PUBLIC),
        (b"nameserver\nsearch x\n", "machine", b"nameserver\nsearch x\n" + PUBLIC),
    ],
)
def test_a_step_gets_resolvers_it_can_reach(machine: bytes, network: Network, want: bytes) -> None:
    assert resolv_conf(machine, network, b"10.0.2.3") == want
