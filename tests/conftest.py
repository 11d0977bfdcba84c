"""What every test may use, and the rules all tests live under."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

pytest_plugins = ["llbuild.tests.fixtures_git", "llbuild.tests.fixtures_registry"]

# Settings of the person who runs the tests that would change what the program does.
_SCRUBBED = ("BUILDKIT_", "DOCKER_", "LLBUILD_", "NO_COLOR", "FORCE_COLOR", "REGISTRY_", "SOURCE_DATE_EPOCH")

_LONG_BYTES = 16
_ROOMS = ("cli", "exporter", "frontend", "image", "llb", "proto", "solver", "worker")

# What a terminal, a shell or a supervisor sends to end a program, and what tests send to the one under test.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def pytest_configure() -> None:
    """Whoever runs the tests may ignore signals (nohup, `&` in a script, CI): what the tests start must not inherit it.

    A handler is undone by exec(2), being ignored is not: so these stay without effect here, and work in children.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes name no test: they are archives, mostly, and every process that runs tests makes its own."""
    return argname if isinstance(val, bytes) and len(val) > _LONG_BYTES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # With several processes that take what is next, those that take long must not be left to the end.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("needs_root"):
            item.add_marker(pytest.mark.skip(reason=f"needs to run as root (this is uid {os.geteuid()})"))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_SCRUBBED):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LLBUILD_CONFIG", "")  # no config file, whatever this person has


@pytest.fixture(autouse=True)
def _no_blocking_in_the_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """An async test fails when code of the package blocks the loop (disk, sleep, sockets). Test code itself may."""
    if not inspect.iscoroutinefunction(getattr(request, "function", None)):
        yield
        return
    with blockbuster_ctx([f"llbuild.{room}" for room in _ROOMS]):
        yield


@pytest.fixture
def state_root(tmp_path: Path) -> Path:
    """A state folder of the test's own, not yet made."""
    return tmp_path / "state"


@pytest.fixture(scope="session")
def busybox_rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root filesystem folder around a static busybox; do not change it."""
    folder = tmp_path_factory.mktemp("busybox") / "rootfs"
    made = subprocess.run(
        [str(ROOT / "scripts/busybox-rootfs"), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if made.returncode == 3:
        pytest.skip("needs a static busybox (Debian package busybox-static), and it cannot be fetched here")
    assert made.returncode == 0, made.stdout
    return folder
