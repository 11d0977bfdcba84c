"""`llbuild run`: a command in an image of the store, with the caller's own terminal. Nothing of it is kept."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import UsageError
from ..image import DEFAULT_PATH
from ..platforms import host_platform
from ..worker import Stacks, note_image_layers, resolve_user, root_mount
from ..worker.executor import ExecSpec, Stdio, network_program
from ..worker.snapshot import MergedTree
from ..worker.snapshotter import choose, open_snapshotter
from ..worker.source import ImageSource
from .executors import make_executor
from .state import open_state

if TYPE_CHECKING:
    from ..image import ContainerConfig
    from ..worker.snapshotter import Snapshotter, View
    from .pairs import Pairs
    from .run import RunOptions
    from .state import State

__all__ = ["run_container"]

HOSTNAME = "llbuild"


def run_container(options: RunOptions) -> int:
    """Run the image's command, or another one in it; returns its exit code. Raises LlbuildError."""
    state = open_state(options.globals.root)
    if os.geteuid() != 0:
        from ..worker import enter_user_namespace

        enter_user_namespace(state.folder)
    chroot = options.confinement.isolation == "chroot"
    # Before there are threads: it may have to be tried out
    name = "native" if chroot else options.snapshotter or choose(state.folder)
    with state.leases.take():
        return anyio.run(_run, options, state, open_snapshotter(name, state.layers))


async def _run(options: RunOptions, state: State, snapshotter: Snapshotter) -> int:
    async with ImageSource(state.content, registries=options.globals.config.registries) as images:
        resolved = await images.resolve(f"docker-image://{options.image}", host_platform(), "default")
        origin = f"docker-image://{options.image}"
        ref = await run_blocking(note_image_layers, state.records, state.layers, origin, resolved)
        stacks = Stacks(layers=state.layers, content=state.content, records=state.records, images=images)
        snapshot = await stacks.unpacked(ref, _quiet)
    folders = state.layers.folders(snapshot.layers)
    view = await run_blocking(partial(snapshotter.prepare, folders, writable=True))
    try:
        spec = await run_blocking(_spec, options, resolved.config.config, state, view)
        network = await run_blocking(network_program)
        async with make_executor(state.root, options.confinement, network=network) as executor:
            return (await executor.run(spec)).code
    finally:
        with anyio.CancelScope(shield=True):
            await run_blocking(snapshotter.discard, view)
            await run_blocking(snapshotter.close)


def _spec(options: RunOptions, config: ContainerConfig, state: State, view: View) -> ExecSpec:
    """What the image says, and the options over it."""
    args = _command(options, config)
    tree = MergedTree(view.layers, userxattr=state.layers.userxattr)
    identity = resolve_user(tree, options.user or config.user)
    env = _environment(config, options.env, home=identity.home, terminal=options.terminal)
    return ExecSpec(
        args=args,
        root=root_mount(view),
        env=env,
        cwd=options.workdir or config.working_dir or "/",
        uid=identity.uid,
        gid=identity.gid,
        groups=identity.groups,
        hostname=HOSTNAME,
        network=options.network,
        stdio=Stdio.TERMINAL if options.terminal else Stdio.INHERIT,
    )


def _command(options: RunOptions, config: ContainerConfig) -> tuple[str, ...]:
    """Entrypoint and command as docker joins them: another entrypoint forgets the image's command."""
    if options.entrypoint is not None:
        args = (*((options.entrypoint,) if options.entrypoint else ()), *options.command)
    else:
        args = (*(config.entrypoint or ()), *(options.command or config.cmd or ()))
    if not args:
        raise UsageError("the image names no command", hint="say what to run: llbuild run IMAGE COMMAND")
    return args


def _environment(config: ContainerConfig, extra: Pairs, *, home: str, terminal: bool) -> tuple[str, ...]:
    found = {"PATH": DEFAULT_PATH, "HOSTNAME": HOSTNAME, "HOME": home}
    if terminal:
        found["TERM"] = os.environ.get("TERM", "xterm")
    found.update(entry.partition("=")[::2] for entry in config.env)
    found.update(extra)
    return tuple(f"{name}={value}" for name, value in found.items())


def _quiet(what: str, current: int, total: int) -> None:
    """Progress nobody watches: the terminal belongs to the command."""
