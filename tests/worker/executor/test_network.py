"""The network that steps share: what is in reach from it, and what is not."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from llbuild.blocking import run_blocking
from llbuild.llb import NetMode
from llbuild.tests.processes import commands
from llbuild.tests.worker.executor.conftest import IN_USERNS, KIND, Lab, executor_for
from llbuild.worker.executor import machine_address, missing_network, network_program
from llbuild.worker.executor.netprogram import PROGRAMS
from llbuild.worker.executor.subnet import steps_subnet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


pytestmark = pytest.mark.needs_namespaces("the network is the machine's")
# Not /sys/class/net: runtimes of ordinary users show the machine's /sys where they join a network.
INTERFACES = "awk -F: 'NR > 2 { print $1 }' /proc/net/dev | tr -d ' '"
ASK = """
import socket
for address in {}:
    try:
        with socket.create_connection((address, {}), timeout=3) as stream:
            print(stream.recv(100).decode().strip())
    except OSError as error:
        print(error)
"""


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found = network_program([request.param])
    if not found:
        pytest.skip(f"needs {request.param}: {missing_network()}")
    return found


@pytest.fixture
async def networked(
    program: tuple[str, ...], tmp_path: Path, busybox_rootfs: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Lab]:
    notices: list[str] = []
    async with executor_for(tmp_path / "executor", request, network=program, notice=notices.append) as executor:
        yield Lab(executor, tmp_path, busybox_rootfs)
    if notices:
        pytest.skip(f"this machine gives {program[0]} no way out: {notices[0]}")


@contextmanager
def server(address: str) -> Iterator[int]:
    """Says "hello" to whoever connects; its port."""
    with socket.create_server((address, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    stream, _ = listener.accept()
                except OSError:
                    return
                with stream:
                    stream.sendall(b"hello\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_a_service_on_the_machines_loopback_is_out_of_reach(networked: Lab) -> None:
    with server("127.0.0.1") as port:
        assert "hello" not in (await networked.python(ASK.format(("127.0.0.1", steps_subnet().gateway), port))).ok
        assert (await networked.python(ASK.format(("127.0.0.1",), port), network=NetMode.HOST)).ok == "hello"


async def test_what_the_machine_offers_to_others_is_reached_by_its_address(networked: Lab) -> None:
    address = await run_blocking(machine_address)
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    with server("0.0.0.0") as port:
        assert (await networked.python(ASK.format((address,), port))).ok == "hello"


async def test_steps_share_it_and_it_is_not_the_machines(networked: Lab) -> None:
    names = [(await networked.run(f"readlink /proc/self/ns/net; {INTERFACES}")).lines for _ in range(2)]
    assert names[0] == names[1]
    assert names[0][0] != os.readlink("/proc/self/ns/net")
    assert "lo" in names[0][1:]
    assert len(names[0]) == 3
    assert (await networked.run(INTERFACES, network=NetMode.NONE)).ok == "lo"


async def test_two_steps_at_once_wait_for_the_same_network(networked: Lab) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.append((await networked.run("readlink /proc/self/ns/net; ip route | grep -c default")).ok)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(look)
    assert len(set(seen)) == 1
    assert seen[0].endswith("\n1")


async def test_a_step_cannot_change_it_or_find_who_connects_it(networked: Lab) -> None:
    outcome = await networked.run("ip link set lo down; ip addr add 10.9.9.9/32 dev lo; ps -o comm")
    assert outcome.stderr.count("Operation not permitted") == 2
    assert set(outcome.lines) <= {"COMMAND", "sh", "ps"}


async def test_the_program_ends_with_the_executor(
    program: tuple[str, ...], tmp_path: Path, busybox_rootfs: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "executor"
    async with executor_for(folder, request, network=program) as executor:
        await Lab(executor, tmp_path, busybox_rootfs).run("true")
        assert running(folder)
    with anyio.fail_after(10):
        while running(folder):  # noqa: ASYNC110  it is another process
            await anyio.sleep(0.01)


def running(folder: Path) -> bool:
    """Is there a process that was told that the namespace is below `folder`?"""
    return any(f"{folder}/stage/network".encode() in command for command in commands().values())


async def test_one_that_cannot_be_connected_is_the_machines_and_that_is_said(
    tmp_path: Path, busybox_rootfs: Path, request: pytest.FixtureRequest
) -> None:
    notices: list[str] = []
    program = ("/bin/sh", "-c", "echo some reason >&2; exit 1")
    async with executor_for(tmp_path / "executor", request, network=program, notice=notices.append) as executor:
        lab = Lab(executor, tmp_path, busybox_rootfs)
        for _ in range(2):
            assert (await lab.run("readlink /proc/self/ns/net")).ok == os.readlink("/proc/self/ns/net")
    assert notices == ["steps use the network of this machine: /bin/sh: some reason"]


@pytest.mark.skipif(IN_USERNS or KIND != "sandbox", reason="the machine's own resolver is asked: once is enough")
async def test_names_are_resolved(networked: Lab) -> None:
    name = next((word for word in ("deb.debian.org", "pypi.org") if resolves(word)), None)
    if name is None:
        pytest.skip("this machine resolves no names")
    found = await networked.run(f"timeout 20 nslookup {name}")
    assert "Address" in found.ok.split("Name:")[-1]


def resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 80))
    except OSError:
        return False
