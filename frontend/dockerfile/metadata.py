"""Instructions that only edit the image config: no process, no layer, one history entry each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...image import Healthcheck
from . import instructions as ins
from .duration import format_duration
from .gofmt import go_list, go_quoted_list
from .lint import check_arg, check_command_line, check_env, check_healthcheck, check_label, check_port
from .ports import split_port
from .signals import is_signal

if TYPE_CHECKING:
    from .arguments import Pair
    from .build import Build
    from .imagedraft import ImageDraft
    from .stage import StageState

__all__ = ["apply_metadata"]

# Build arguments that steer scanners and are never part of an environment.
_NEVER_ENV = ("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE")


def apply_metadata(build: Build, state: StageState, command: ins.Command) -> None:
    """Edit the stage's config, and its environment where the instruction is about that."""
    image = state.image
    assert image is not None
    match command:
        case ins.Arg():
            _arg(build, state, image, command)
        case ins.Env():
            _env(build, state, image, command)
        case ins.Expose():
            _expose(build, state, image, command)
        case ins.Volume():
            _volume(build, state, image, command)
        case ins.Stopsignal():
            _stopsignal(build, state, image, command)
        case ins.Label() | ins.User():
            _label_or_user(build, state, image, command)
        case ins.Cmd() | ins.Entrypoint():
            _process(build, state, image, command)
        case _:
            _fixed(build, state, image, command)


def _fixed(build: Build, state: StageState, image: ImageDraft, command: ins.Command) -> None:
    """The instructions that variables do not reach."""
    match command:
        case ins.Shell():
            image.shell = command.words
            image.commit(f"SHELL {go_list(command.words)}", build.created)
        case ins.Healthcheck():
            check_healthcheck(build.lint, state, command)
            _healthcheck(build, image, command)
        case ins.Maintainer():
            image.author = command.author
            image.commit(f"MAINTAINER {command.author}", build.created)
        case ins.Onbuild():
            image.on_build.append(command.trigger)  # leaves no history entry
        case _:
            raise AssertionError(f"{command.name} makes a layer")


def _label_or_user(build: Build, state: StageState, image: ImageDraft, command: ins.Label | ins.User) -> None:
    if isinstance(command, ins.User):
        state.user = image.user = build.expander.word(command.user, state.env)
        image.commit(f"USER {image.user}", build.created)
        return
    pairs = _expanded(build, state, command.pairs)
    check_label(build.lint, command)
    image.labels.update(pairs)
    image.commit("LABEL" + _joined(pairs), build.created)


def _arg(build: Build, state: StageState, image: ImageDraft, command: ins.Arg) -> None:
    """A build argument wins over the default, the default over a global ARG of the name."""
    said = []
    for arg in command.args:
        key = arg.key.text
        check_arg(build.lint, command, arg.key)
        value = build.options.build_args.get(key)
        if value is None and arg.default is not None:
            value = build.expander.word(arg.default, state.env)
        elif value is None:
            value = build.global_args.get(key)
        if value is not None and key not in _NEVER_ENV:
            state.set_env(key, value)
        state.args[key] = value or ""
        said.append(key if value is None else f"{key}={value}")
    image.commit("ARG " + " ".join(said), build.created)


def _env(build: Build, state: StageState, image: ImageDraft, command: ins.Env) -> None:
    """Every value of the line sees the environment as it was before the line."""
    pairs = _expanded(build, state, command.pairs)
    check_env(build.lint, command, pairs)
    for key, value in pairs:
        state.set_env(key, value)
        image.set_env(key, value)
    image.commit("ENV" + _joined(pairs), build.created)


def _expanded(build: Build, state: StageState, pairs: tuple[Pair, ...]) -> list[tuple[str, str]]:
    expander, env = build.expander, state.env
    filled = [(expander.word(pair.key, env), expander.word(pair.value, env)) for pair in pairs]
    # They are kept in the environment, in its strings, in the image's config and in its history.
    expander.charge(3 * sum(len(value) for _, value in filled), pairs[0].key.at)
    return filled


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "".join(f" {key}={value}" for key, value in pairs)


def _process(build: Build, state: StageState, image: ImageDraft, command: ins.Cmd | ins.Entrypoint) -> None:
    """CMD and ENTRYPOINT. An empty entrypoint resets; a CMD this stage did not say goes with the old entrypoint."""
    check_command_line(build.lint, state, image, command)
    words = (*image.default_shell, " ".join(command.words)) if command.shell else command.words
    if isinstance(command, ins.Cmd):
        image.cmd, image.args_escaped, state.cmd_said = words, True, True
    else:
        image.entrypoint = words or None
        if not state.cmd_said:
            image.cmd = None
    text = f"{command.name} {go_quoted_list(words)}"
    build.expander.charge(len(text), command.at)
    image.commit(text, build.created)


def _expose(build: Build, state: StageState, image: ImageDraft, command: ins.Expose) -> None:
    ports: list[str] = []
    # Variables of all of them first: a word that cannot be expanded is found before a port is looked at.
    expanded = [(word, build.expander.fields(word, state.env)) for word in command.ports]
    for word, text in ((word, text) for word, texts in expanded for text in texts):
        try:
            port = split_port(text)
            check_port(build.lint, command, word, text, port)
            ports.extend(port.ports())
        except ValueError as error:
            raise DockerfileError(f"EXPOSE: {error}", at=word.at) from None
        build.expander.charge(16 * len(ports), word.at)
    image.exposed_ports.update(ports)
    image.commit(f"EXPOSE {go_list(ports)}", build.created)


def _volume(build: Build, state: StageState, image: ImageDraft, command: ins.Volume) -> None:
    paths = []
    for word in command.paths:
        path = build.expander.word(word, state.env)
        if not path:
            raise DockerfileError(f"the VOLUME path {word.text} is empty", at=word.at)
        paths.append(path)
    image.volumes.update(paths)
    image.commit(f"VOLUME {go_list(paths)}", build.created)


def _stopsignal(build: Build, state: StageState, image: ImageDraft, command: ins.Stopsignal) -> None:
    signal = build.expander.word(command.signal, state.env)
    if not is_signal(signal):
        raise DockerfileError(
            f"{signal!r} is not a signal", at=command.signal.at, hint="use a name like SIGTERM or a number like 15"
        )
    image.stop_signal = signal
    image.commit(f"STOPSIGNAL {signal}", build.created)


def _healthcheck(build: Build, image: ImageDraft, command: ins.Healthcheck) -> None:
    image.healthcheck = Healthcheck(
        test=command.test,
        interval_ns=command.interval_ns,
        timeout_ns=command.timeout_ns,
        start_period_ns=command.start_period_ns,
        start_interval_ns=command.start_interval_ns,
        retries=command.retries,
    )
    fields = {
        "Test": go_list(command.test),
        "Interval": format_duration(command.interval_ns),
        "Timeout": format_duration(command.timeout_ns),
        "StartPeriod": format_duration(command.start_period_ns),
        "StartInterval": format_duration(command.start_interval_ns),
        "Retries": str(command.retries),
    }
    text = " ".join(f"{name}:{value}" for name, value in fields.items())
    image.commit(f"HEALTHCHECK {{{text}}}", build.created)
