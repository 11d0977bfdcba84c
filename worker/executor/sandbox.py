"""The built-in executor, seen from llbuild: an async client of the helper process."""

from __future__ import annotations

import os
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from ...blocking import run_blocking
from ...llb import NetMode
from ...log import log
from ...values import replace
from ..seccomp import filter_program, notify_program
from .channel import KILL_TIMEOUT_S, StepChannel, exit_status
from .request import encode_step, lent_mounts
from .spec import Stdio
from .start import start_helper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType
    from typing import Self

    from .cgroup import StepCgroup
    from .spec import CgroupSpec, ExecSpec, ExitStatus
    from .start import HelperProcess
    from .wire import Step

__all__ = ["SandboxExecutor", "ignore_notice"]

_READ_BYTES = 1 << 16
_CGROUP_WAIT_S = 0.01  # the kernel takes that long to let go of the last process
_PIPE_BYTES = 1 << 20  # more than a pipe holds unless asked to, pipe(7)


def ignore_notice(_text: str) -> None:
    """For who wants to hear of none."""


class SandboxExecutor:
    """Runs each step in namespaces of its own; see `Executor` for the life cycle.

    folder: kept between builds, on the filesystem of the layers: overlayfs shows steady file numbers only then.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        helper: HelperProcess | None = None,
        seccomp: str = "",
        runtime: Sequence[str] = (),
        network: Sequence[str] = (),
        chroot: bool = False,
        notice: Callable[[str], None] = ignore_notice,
    ) -> None:
        """helper: one that was started for this folder already, by whoever wanted it to get ready meanwhile.

        seccomp: which system calls steps may make, see `filter_program`.
        runtime: an OCI runtime and its flags, to which the steps are handed (`OciExecutor`).
        network: see `start_helper`; the helper that is given must have been started with the same.
        chroot: see `start_helper` (`ChrootExecutor`).
        notice: is told what has to be done otherwise than was wanted.
        """
        self.started = 0
        self._folder = os.fspath(folder)
        self._ready = helper
        self._seccomp = seccomp
        self._runtime = runtime
        self._network = network
        self._chroot = chroot
        self._notice = notice
        self._has_network: bool | None = None  # None: not asked for yet
        self._asking = anyio.Lock()
        self._helper: HelperProcess | None = None

    async def __aenter__(self) -> Self:
        helper, self._ready = self._ready, None
        if helper is None:
            program = await run_blocking(filter_program, self._folder, self._seccomp)
            # A runtime makes the filters of its steps itself; without namespaces a step is whoever llbuild is.
            alone = self._runtime or self._chroot
            id_calls = b"" if alone else await run_blocking(notify_program, self._folder)
            helper = start_helper(
                self._folder,
                program,
                id_calls=id_calls,
                runtime=self._runtime,
                network=self._network,
                chroot=self._chroot,
            )
        self._helper = helper
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        helper, self._helper = self._helper, None
        if helper is None:
            return
        helper.control.close()
        with anyio.move_on_after(KILL_TIMEOUT_S, shield=True):
            await anyio.wait_readable(helper.pidfd)
            helper.reap()

    async def run(self, spec: ExecSpec, output: Callable[[int, bytes], None] | None = None) -> ExitStatus:
        """See `Executor.run`."""
        if self._helper is None:
            raise AssertionError("run: the executor was not entered")
        self.started += 1
        log.debug("process_started", number=self.started)
        if spec.network is NetMode.SANDBOX and self._network and self._has_network is None:
            await self._await_network(self._helper)
        if spec.stdio is Stdio.TERMINAL:
            from .terminal import run_on_terminal

            return await run_on_terminal(self._helper, self._encode(spec), lent_mounts(spec))
        if spec.stdio is Stdio.INHERIT:
            with StepChannel(self._helper) as channel:
                await channel.start(self._encode(spec), (0, 1, 2, *lent_mounts(spec)))
                return exit_status(await channel.wait())
        if spec.cgroup is None:
            return await _run_on_pipes(self._helper, self._encode(spec), lent_mounts(spec), output or _discard)
        async with _own_cgroup(spec.cgroup) as cgroup:
            step = self._encode(spec, cgroup.folders)
            status = await _run_on_pipes(self._helper, step, lent_mounts(spec), output or _discard)
            kills, forks = await run_blocking(_counters, cgroup)
            return replace(status, memory_kills=kills, forks_refused=forks)

    def _encode(self, spec: ExecSpec, cgroups: Sequence[str] = ()) -> Step:
        return encode_step(spec, cgroups, shared_network=self._has_network is True)

    async def _await_network(self, helper: HelperProcess) -> None:
        """The steps' network takes a moment to be connected, once; where it cannot be, they use the machine's."""
        async with self._asking:
            if self._has_network is not None:
                return
            with StepChannel(helper) as channel:
                await channel.ask_network()
                outcome = await channel.wait()
            self._has_network = "error" not in outcome
            if not self._has_network:
                self._notice(f"steps use the network of this machine: {self._network[0]}: {outcome['error']}")


@asynccontextmanager
async def _own_cgroup(spec: CgroupSpec) -> AsyncIterator[StepCgroup]:
    from .cgroup import StepCgroup
    from .cgroupfiles import hierarchies_here

    cgroup = await run_blocking(lambda: StepCgroup(spec, hierarchies_here()))
    try:
        yield cgroup
    finally:
        with anyio.move_on_after(KILL_TIMEOUT_S, shield=True):
            while not await run_blocking(cgroup.remove):  # noqa: ASYNC110  only the kernel knows
                await anyio.sleep(_CGROUP_WAIT_S)


def _counters(cgroup: StepCgroup) -> tuple[int, int]:
    return cgroup.memory_kills(), cgroup.forks_refused()


async def _run_on_pipes(
    helper: HelperProcess, step: Step, lent: Sequence[int], output: Callable[[int, bytes], None]
) -> ExitStatus:
    with ExitStack() as closing:
        channel = closing.enter_context(StepChannel(helper))
        stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        readers, writers = zip(os.pipe(), os.pipe(), strict=True)
        for fd in readers:
            closing.callback(os.close, fd)
            os.set_blocking(fd, False)
        try:
            await channel.start(step, (stdin, *writers, *lent))
        finally:
            for fd in (stdin, *writers):
                os.close(fd)
        async with anyio.create_task_group() as group:
            for number, fd in enumerate(readers, start=1):
                group.start_soon(_follow, number, fd, output)
            outcome = await channel.wait()
            group.cancel_scope.cancel()
        # All writers are gone with the step, unless it passed its stdout on to a process outside through a socket
        # it was given: so read what is there, and do not wait for the end.
        for number, fd in enumerate(readers, start=1):
            _drain(number, fd, output)
        return exit_status(outcome)


async def _follow(number: int, fd: int, output: Callable[[int, bytes], None]) -> None:
    while True:
        await anyio.wait_readable(fd)
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            continue
        if not data:
            return
        output(number, data)


def _drain(number: int, fd: int, output: Callable[[int, bytes], None]) -> None:
    left = _PIPE_BYTES
    while left > 0:
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            return
        output(number, data)
        left -= len(data)


def _discard(_number: int, _data: bytes) -> None:
    pass
