"""RUN: one process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...llb import ExecOp, FileMkfile, Metadata, Mount, MountType, NetMode, SecurityMode, TmpfsOptions
from .drafts import ExecDraft, FileDraft
from .heredoc import parse_heredoc
from .words import SPACES

if TYPE_CHECKING:
    from .build import Build
    from .heredoc import Heredoc
    from .instructions import Run
    from .mounts import RunMounts
    from .stage import Planned, StageState

__all__ = ["apply_run"]

_PIPES = "/dev/pipes/"
_SHM = "/dev/shm"  # noqa: S108  a mount point in the container, not a file of ours
_NETWORKS = {"default": None, "none": NetMode.NONE, "host": NetMode.HOST}
_SECURITIES = {"sandbox": SecurityMode.SANDBOX, "insecure": SecurityMode.INSECURE}


def apply_run(build: Build, state: StageState, planned: Planned, command: Run) -> None:
    """Add the process to the stage and a layer to its history."""
    image = state.image
    assert image is not None
    state.paths.add("/")  # a process may read any file
    network, security = _network(build, state, command), _security(build, command)
    args, title, script = _command_line(state, command)
    _check_text(command, script)
    if command.shell:
        args = (*image.default_shell, " ".join(args))
    if command.devices:
        _demand_devices(build, command)
    extras = _mounts(build, state, planned, command)
    mounts = list(extras.mounts) if extras else []
    if script is not None:
        mounts.insert(0, (Mount(dest=_PIPES, selector="/", readonly=True), script))
    if build.options.shm_size > 0:
        tmpfs = TmpfsOptions(size_bytes=build.options.shm_size)
        mounts.append((Mount(dest=_SHM, mount_type=MountType.TMPFS, tmpfs=tmpfs), None))
    env = state.env_strings(build.expander, command.at)
    if extras and extras.ssh_socket and "SSH_AUTH_SOCK" not in state.env:
        env = (*env, f"SSH_AUTH_SOCK={extras.ssh_socket}")
    options = build.options
    make = partial(
        ExecOp,
        args=args,
        env=env,
        cwd=state.cwd,
        user=state.user,
        network=network,
        security=security,
        hostname=state.hostname,
        extra_hosts=options.extra_hosts,
        ulimits=options.ulimits,
        cgroup_parent=options.cgroup_parent,
        proxy_env=options.proxy,
        secret_env=tuple(extras.secret_env) if extras else (),
        cdi_devices=command.devices,
        remove_mount_stubs_recursive=True,
    )
    metadata = Metadata(
        name=_label(build, state, planned, title, extras),
        spans=(command.at,),
        ignore_cache=state.ignore_cache,
        resources=options.resources,
        description=(("com.docker.dockerfile.v1.command", command.text),),
    )
    line = _history_text(build, state, command, args)

    def finish(mounts: tuple[Mount, ...]) -> ExecOp:
        if not args:  # everything else that is wrong is said before
            raise DockerfileError("RUN has no program to run", at=command.at, hint='write RUN ["program", "argument"]')
        return make(mounts=mounts)

    state.draft = ExecDraft(
        finish,
        state.draft,
        mounts=mounts,
        extra=list(extras.tail) if extras else [],
        platform=state.state_platform or build.target,
        metadata=metadata,
    )
    image.commit(line, build.created, layer=True)


def _command_line(state: StageState, command: Run) -> tuple[tuple[str, ...], str, FileDraft | None]:
    """The arguments before the shell, the text to show, and the script that a heredoc is, if it is one."""
    if not command.heredocs:
        return command.words, command.text, None
    (text,) = command.words
    first = command.heredocs[0]
    if not _is_heredoc_alone(command):
        # Not ours to take apart: the shell gets the command and every body.
        bodies = (f"\n{_utf8(heredoc.content)}{heredoc.name}" for heredoc in command.heredocs)
        return (text + "".join(bodies),), command.text, None
    title = f"{command.text} ({_summary(first)})"
    body = first.text
    if state.image is not None and state.image.platform.os != "windows" and body.startswith("#!"):
        data = body.encode("utf-8", "surrogateescape")
        script = FileDraft(
            base=None,
            steps=[(FileMkfile(path="/" + first.name, mode=0o755, data=data), None)],
            metadata=Metadata(name="[internal] preparing inline document", spans=(command.at,)),
        )
        return (_PIPES + first.name,), title, script
    return (_utf8(body),), title, None


def _check_text(command: Run, script: FileDraft | None) -> None:
    """Arguments are text. A script is a file, and holds any bytes."""
    bodies = () if script is not None else command.heredocs
    if command.shell and (command.node.line.replaced or any(_utf8(body.content) != body.content for body in bodies)):
        raise DockerfileError("RUN holds bytes that are no UTF-8", at=command.at, hint="save the file as UTF-8")


def _is_heredoc_alone(command: Run) -> bool:
    try:
        return parse_heredoc(command.node.arguments.words[0]) is not None
    except DockerfileError:
        return False


def _utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _summary(heredoc: Heredoc) -> str:
    first, newline, _ = _utf8(heredoc.content).strip(SPACES).replace("\r\n", "\n").partition("\n")
    return first + "..." if newline else first


def _label(build: Build, state: StageState, planned: Planned, title: str, extras: RunMounts | None) -> str:
    env = state.env if extras is None or not extras.secret_env else {**state.env, **extras.masked}
    shown = build.expander.display(title, env, planned.command.at, keep=True)
    return step_label(build, state, planned, shown, cross=True)


def step_label(build: Build, state: StageState, planned: Planned, text: str, *, cross: bool = False) -> str:
    """The name of a step's vertex. cross: by the state's own platform, as RUN has it."""
    keyword, blank, rest = text.partition(" ")
    text = keyword.upper() + blank + rest
    if planned.from_onbuild and state.total:
        text = "ONBUILD " + text
    platform = state.state_platform if cross else state.platform
    return state.label(text, build.platform_label(state, platform))


def _history_text(build: Build, state: StageState, command: Run, args: tuple[str, ...]) -> str:
    """`RUN |2 A=1 B=2 /bin/sh -c make # buildkit`: the build arguments in scope stand before the command."""
    scope = state.args_in_scope()
    if scope:
        scope.insert(0, f"|{len(scope)}")
    text = "RUN " + " ".join([*scope, *args]) + " # buildkit"
    build.expander.charge(len(text) // 2, command.at)
    return text


def _demand_devices(build: Build, command: Run) -> None:
    if not build.labs:
        raise DockerfileError(
            "RUN --device is an experimental feature",
            at=command.at,
            hint="begin the file with # syntax=docker/dockerfile:1-labs",
        )
    build.demand("RUN --device", command.at)


def _mounts(build: Build, state: StageState, planned: Planned, command: Run) -> RunMounts | None:
    if not command.mounts:
        return None
    from .mounts import read_mounts

    return read_mounts(build, state, planned, command)


def _network(build: Build, state: StageState, command: Run) -> NetMode:
    word = command.network
    if word is None:
        return state.network
    wanted = _NETWORKS[word.text]
    if wanted is not None:
        build.demand("RUN --network", word.at)
    return state.network if wanted is None else wanted


def _security(build: Build, command: Run) -> SecurityMode:
    word = command.security
    if word is None:
        return SecurityMode.SANDBOX
    if word.text == "insecure":
        build.demand("RUN --security=insecure", word.at)
    return _SECURITIES[word.text]
