from __future__ import annotations

import pytest
from llbuild.image.registry_hosts import endpoint

ENDPOINTS = [
    ("docker.io", False, "https://registry-1.docker.io"),
    ("registry.example:5000", False, "https://registry.example:5000"),
    ("registry.example:5000", True, "http://registry.example:5000"),
    ("127.0.0.1:5000", False, "http://127.0.0.1:5000"),
    ("localhost", False, "http://localhost"),
]


@pytest.mark.parametrize(("domain", "plain", "expected"), ENDPOINTS)
def test_tls_is_left_out_on_this_machine_and_where_the_config_says_so(domain: str, plain: bool, expected: str) -> None:
    assert endpoint(domain, plain=plain) == expected
