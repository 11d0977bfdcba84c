"""What befalls pulls, pushes and builds between here and a registry: each recovers, or ends in one clear error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.faultproxy import serve_fault_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.faultproxy import FaultProxy
    from llbuild.tests.fixtures_registry import Registry

LAYER_BYTES = 3 << 20


@pytest.fixture(name="name", scope="module")
def _name(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with one layer of 3 MiB, in the registry; its repository and tag."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "files").mkdir()
    (folder / "files/noise").write_bytes(os.urandom(LAYER_BYTES))
    maker, name = Llbuild(root=folder / "state"), "faulty/image:1"
    maker("import", folder / "files", f"{registry.address}/{name}")
    maker("push", f"{registry.address}/{name}")
    return name


@pytest.fixture(name="proxy")
def _proxy(registry: Registry) -> Iterator[FaultProxy]:
    with serve_fault_proxy(registry.address) as proxy:
        yield proxy


@pytest.fixture(name="here")
def _here(tmp_path: Path) -> Llbuild:
    return Llbuild(root=tmp_path / "here")


def is_whole(here: Llbuild, image: str) -> bool:
    here("verify")
    return [image.rpartition(":")[0]] == [line.split()[0] for line in here("images").stdout.splitlines()[1:]]


def left_over(here: Llbuild) -> list[str]:
    """What broken downloads leave behind."""
    folder = here.root / "content/ingest"
    return os.listdir(folder) if folder.exists() else []


RECOVERED = [
    pytest.param("GET .*manifests", {"status": 503}, "trying again in 1 s", id="a busy registry"),
    pytest.param("HEAD .*manifests", {"cut": 0}, "trying again in 1 s", id="a registry that hangs up"),
    pytest.param("GET .*blobs", {"cut": 0}, "trying again in 1 s", id="a config that hangs up"),
    pytest.param("GET .*blobs", {"short": 100, "times": 2}, "trying again in 1 s", id="truncated"),
    pytest.param("GET .*blobs", {"status": 429, "headers": {"Retry-After": "1"}}, "limits the rate", id="too many"),
    pytest.param("GET .*blobs", {"pause_s": 0.02, "times": 9}, "", id="slow"),
]


@pytest.mark.parametrize(("match", "fault", "said"), RECOVERED)
def test_a_pull_outlives(
    here: Llbuild, proxy: FaultProxy, name: str, match: str, fault: dict[str, object], said: str
) -> None:
    proxy.add(match, **fault)
    image = f"{proxy.address}/{name}"
    assert said in here("pull", image).stderr
    assert is_whole(here, image)
    assert not left_over(here)


def test_a_pull_asks_for_everything_once(here: Llbuild, proxy: FaultProxy, name: str) -> None:
    here("pull", f"{proxy.address}/{name}")
    kinds = [f"{request.split()[0]} {request.split('/')[-2]}" for request in proxy.requests]
    assert kinds == ["HEAD manifests", "GET manifests", "GET blobs", "GET blobs"]
    here("pull", f"{proxy.address}/{name}")
    assert len(proxy.requests) == 5  # one more HEAD


def test_a_pull_goes_on_where_the_connection_broke(here: Llbuild, proxy: FaultProxy, name: str) -> None:
    proxy.add("GET .*blobs", cut=1 << 20, times=4)
    image = f"{proxy.address}/{name}"
    assert "trying again" not in here("pull", image).stderr
    assert is_whole(here, image)
    ranges = [request.partition("bytes=")[2] for request in proxy.seen("bytes=")]
    assert ranges == ["1048576-", "2097152-", "3145728-"]


def test_a_pull_starts_again_where_ranges_are_not_known(here: Llbuild, proxy: FaultProxy, name: str) -> None:
    proxy.add("GET .*blobs", cut=1 << 20, times=2)
    proxy.add("GET .*blobs", strip="Range", times=9)
    image = f"{proxy.address}/{name}"
    here("pull", image)
    assert is_whole(here, image)


GIVEN_UP = [
    pytest.param("GET .*manifests", {"flip": 40}, "sent other bytes than asked for", id="a damaged manifest"),
    pytest.param("GET .*blobs", {"flip": 9}, "sent other bytes than asked for", id="a damaged config or layer"),
    pytest.param("GET .*manifests", {"status": 404}, "not found at 127.0.0.1", id="no image"),
    pytest.param("GET .*blobs", {"status": 404}, "not found at 127.0.0.1", id="no blob"),
    pytest.param("GET .*blobs", {"status": 403}, "access denied by 127.0.0.1", id="not allowed"),
]


@pytest.mark.parametrize(("match", "fault", "said"), GIVEN_UP)
def test_a_pull_ends_in_one_error(
    here: Llbuild, proxy: FaultProxy, name: str, match: str, fault: dict[str, object], said: str
) -> None:
    proxy.add(match, times=99, **fault)
    outcome = here("pull", f"{proxy.address}/{name}", exit_code=1)
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, outcome
    assert said in errors[0]
    assert not here.image_names()
    assert not left_over(here)


def test_a_rate_limit_is_told_as_the_registry_tells_it(here: Llbuild, proxy: FaultProxy, name: str) -> None:
    headers = {
        "Retry-After": "3600",
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "0;w=21600",
        "docker-ratelimit-source": "192.0.2.1",
    }
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}'
    proxy.add("HEAD .*manifests", times=99, status=429, headers=headers)
    proxy.add("GET .*manifests", times=99, status=429, headers=headers, body=body)
    outcome = here("pull", f"{proxy.address}/{name}", exit_code=1)
    assert "127.0.0.1 limits the rate of requests" in outcome.stderr
    assert "; 100 requests in 6 h, 0 left, counted by 192.0.2.1\n" in outcome.stderr
    assert "hint: try again in 60 min, or log in: who is known may be allowed more" in outcome.stderr
    assert len(proxy.requests) == 1  # it was not bothered again


@pytest.mark.slow
def test_a_build_outlives_a_broken_base_image(
    llbuild: Llbuild, proxy: FaultProxy, name: str, context: Callable[..., Path]
) -> None:
    proxy.add("HEAD .*manifests", status=503)
    proxy.add("GET .*manifests", status=429, headers={"Retry-After": "1"})
    proxy.add("GET .*blobs", cut=0)
    proxy.add("GET .*blobs", cut=1 << 20, times=3)
    folder = context(
        f"FROM {proxy.address}/{name} AS base\nFROM busybox\nCOPY --from=base /noise /\nRUN wc -c /noise\n"
    )
    assert f"{LAYER_BYTES} /noise" in llbuild.build(folder).step("RUN wc").output.decode()


def test_a_build_takes_no_damaged_base_image(
    llbuild: Llbuild, proxy: FaultProxy, name: str, context: Callable[..., Path]
) -> None:
    proxy.add("GET .*blobs", flip=1000, times=99)
    folder = context(f"FROM {proxy.address}/{name} AS base\nFROM busybox\nCOPY --from=base /noise /\n")
    outcome = llbuild("build", folder, exit_code=1)
    assert "sent other bytes than asked for" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not left_over(llbuild)


@pytest.fixture(name="own")
def _own(here: Llbuild, tmp_path: Path) -> Llbuild:
    """With an image `own` that no registry has."""
    return with_image(here, tmp_path, 4 << 20)


def with_image(here: Llbuild, folder: Path, size_bytes: int) -> Llbuild:
    (folder / "files").mkdir()
    (folder / "files/noise").write_bytes(os.urandom(size_bytes))
    here("import", folder / "files", "own")
    return here


PUSHED = [
    pytest.param("POST .*uploads", {"status": 503}, "trying again in 1 s", id="a busy registry"),
    pytest.param("POST .*uploads", {"cut": 0}, "trying again in 1 s", id="a registry that hangs up"),
    pytest.param("PUT .*uploads", {"cut_request": 1 << 20}, "trying again in 1 s", id="half an upload"),
    pytest.param("PUT .*uploads", {"cut": 0}, "trying again in 1 s", id="an upload without an answer"),
    pytest.param("PUT .*uploads", {"status": 500}, "trying again in 1 s", id="an end that fails"),
    pytest.param("PUT .*manifests", {"status": 502}, "trying again in 1 s", id="a manifest that fails"),
    pytest.param("PUT .*manifests", {"status": 429, "headers": {"Retry-After": "1"}}, "limits the rate", id="too many"),
]


@pytest.mark.parametrize(("match", "fault", "said"), PUSHED)
def test_a_push_outlives(
    own: Llbuild, proxy: FaultProxy, match: str, fault: dict[str, object], said: str, tmp_path: Path
) -> None:
    proxy.add(match, **fault)
    image = f"{proxy.address}/pushed/faulty:{os.urandom(4).hex()}"
    own("tag", "own", image)
    assert said in own("push", image).stderr
    there = Llbuild(root=tmp_path / "there")
    there("pull", image)
    assert is_whole(there, image)


@pytest.mark.slow
def test_chunks_that_arrived_are_not_sent_again(here: Llbuild, proxy: FaultProxy, tmp_path: Path) -> None:
    own = with_image(here, tmp_path, 130 << 20)
    proxy.add("PATCH .*uploads")  # the first goes well
    proxy.add("PATCH .*uploads", status=503)
    image = f"{proxy.address}/pushed/half:1"
    own("tag", "own", image)
    own("push", image)
    starts = [request.rpartition(" ")[2].partition("-")[0] for request in proxy.seen("^PATCH")]
    assert starts == ["0", "67108864", "67108864", "134217728"]


def test_a_push_that_is_refused_is_one_error(own: Llbuild, proxy: FaultProxy) -> None:
    body = b'{"errors":[{"code":"DENIED","message":"this repository is read-only"}]}'
    proxy.add("PUT .*manifests", status=403, body=body, times=9)
    image = f"{proxy.address}/pushed/refused:1"
    own("tag", "own", image)
    outcome = own("push", image, exit_code=1)
    assert "access denied by 127.0.0.1 (this repository is read-only)" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.slow
def test_a_registry_that_stays_away_is_given_up_after_five_tries(here: Llbuild, proxy: FaultProxy, name: str) -> None:
    proxy.add("manifests", status=503, times=99)
    outcome = here("pull", f"{proxy.address}/{name}", exit_code=1)
    assert "127.0.0.1 answered 503" in outcome.stderr
    assert "trying again in 8 s" in outcome.stderr
    assert len(proxy.requests) == 5
