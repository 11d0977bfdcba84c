"""Who runs the processes of a build, and what is told when they get less of a wall than they might."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..worker.executor import ChrootExecutor, SandboxExecutor, ignore_notice, network_program, start_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..worker.executor import HelperProcess
    from .security import Confinement

__all__ = ["make_executor", "start_early"]


def start_early(root: Path, confinement: Confinement, *, shared_network: bool) -> HelperProcess | None:
    """The built-in sandbox's helper, to get ready meanwhile; None where another executor is wanted.

    shared_network: whether a step has the network that is for all, which takes a moment to be connected.
    """
    if confinement.isolation != "sandbox":
        return None
    from ..worker.seccomp import filter_program, notify_program

    folder = str(root)
    program = filter_program(folder, confinement.seccomp)
    network = network_program() if shared_network else ()
    return start_helper(folder, program, id_calls=notify_program(folder), network=network)


def make_executor(
    root: Path,
    confinement: Confinement,
    *,
    network: Sequence[str],
    helper: HelperProcess | None = None,
    notice: Callable[[str], None] = ignore_notice,
) -> SandboxExecutor:
    """network: `network_program`. notice: is told once when steps cannot have a network of their own after all."""
    if confinement.isolation == "chroot":
        return ChrootExecutor(root, seccomp=confinement.seccomp, notice=notice)
    if confinement.isolation == "sandbox":
        return SandboxExecutor(root, helper=helper, seccomp=confinement.seccomp, network=network, notice=notice)
    from ..worker.oci import OciExecutor, find_runtime

    runtime = find_runtime(confinement.runtime)
    return OciExecutor(root, runtime, seccomp=confinement.seccomp, network=network, notice=notice)
