"""Nodes to instructions: which arguments and flags each has, and what is wrong with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...regexes import lazy_regex
from . import instructions as ins
from .flags import Flag, Flags, read_flags
from .lint import check_description, check_keywords
from .readcopy import read_add, read_copy
from .readhealth import read_healthcheck
from .suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...llb import CdiDevice
    from .lint import Linter
    from .parser import Document, Node
    from .source import Word

__all__ = ["read_command", "read_instruction", "read_stages"]

_STAGE_NAME = lazy_regex(r"[a-z][a-z0-9-_.]*")
_NO_FLAGS: dict[str, Flag] = {}
_RUN = {"mount": Flag.VALUES, "network": Flag.VALUE, "security": Flag.VALUE, "device": Flag.VALUES}


def read_stages(document: Document, lint: Linter | None = None) -> tuple[list[ins.Arg], list[ins.Stage]]:
    """The ARGs before the first FROM, and the stages. Raises DockerfileError."""
    globals_: list[ins.Arg] = []
    stages: list[ins.Stage] = []
    start: ins.From | None = None
    commands: list[ins.Command] = []
    for node in document.nodes:
        if lint is not None:
            check_keywords(lint, node)
        instruction = read_instruction(node)
        if lint is not None and node.comments:
            check_description(lint, instruction)
        if isinstance(instruction, ins.From):
            if start is not None:
                stages.append(ins.Stage(start=start, commands=tuple(commands)))
            start, commands = instruction, []
        elif start is not None:
            commands.append(instruction)
        elif isinstance(instruction, ins.Arg):
            globals_.append(instruction)
        else:
            raise DockerfileError(
                f"{node.name} stands before the first FROM",
                at=node.line.at,
                hint="only ARG may; begin with FROM image",
            )
    if start is None:
        last = document.nodes[-1]
        raise DockerfileError("no FROM, so there is no stage to build", at=last.line.at, hint="add FROM image")
    stages.append(ins.Stage(start=start, commands=tuple(commands)))
    return globals_, stages


def read_command(node: Node) -> ins.Command:
    """An instruction that may stand inside a stage."""
    instruction = read_instruction(node)
    if isinstance(instruction, ins.From):
        raise DockerfileError("FROM cannot be an ONBUILD trigger", at=node.line.at)
    return instruction


def read_instruction(node: Node) -> ins.Command | ins.From:
    """Check one node and give it its type. Raises DockerfileError at what is wrong."""
    read = _READERS.get(node.name)
    if read is None:
        hint = did_you_mean(node.keyword.text, _READERS, ignore_case=True)
        raise DockerfileError(f"unknown instruction {node.keyword.text!r}", at=node.keyword.at, hint=hint)
    return read(node)


def _from(node: Node) -> ins.From:
    words = node.arguments.words
    name = ""
    if len(words) == 3 and words[1].text.lower() == "as":
        name = words[2].text.lower()
        if not _STAGE_NAME.fullmatch(name):
            raise DockerfileError(
                f"{words[2].text!r} cannot name a stage",
                at=words[2].at,
                hint="a letter first, then letters, digits, '-', '_' and '.'",
            )
    elif len(words) != 1:
        at = words[1].at if len(words) > 1 else node.line.at
        raise DockerfileError("FROM takes 'image' or 'image AS name'", at=at)
    flags = read_flags(node, {"platform": Flag.VALUE})
    return ins.From(node=node, base=words[0], stage_name=name, platform=flags.word("platform"))


def _arg(node: Node) -> ins.Arg:
    words = node.arguments.words
    if not words:
        raise _missing(node, "a name")
    args = []
    for word in words:
        key, equals, _ = word.text.partition("=")
        if not key and equals:
            raise DockerfileError("ARG has no name before '='", at=word.at)
        default = word.part(len(key) + 1, len(word.text)) if equals else None
        args.append(ins.ArgName(key=word.part(0, len(key)), default=default))
    return ins.Arg(node=node, args=tuple(args))


def _env(node: Node) -> ins.Env:
    _check_pairs(node)
    return ins.Env(node=node, pairs=node.arguments.pairs)


def _label(node: Node) -> ins.Label:
    _check_pairs(node)
    return ins.Label(node=node, pairs=node.arguments.pairs)


def _check_pairs(node: Node) -> None:
    read_flags(node, _NO_FLAGS)
    if not node.arguments.pairs:
        raise _missing(node, "name=value")
    for pair in node.arguments.pairs:
        if not pair.key.text:
            raise DockerfileError(f"{node.name} has no name before '='", at=pair.value.at)


def _run(node: Node) -> ins.Run:
    flags = read_flags(node, _RUN)
    return ins.Run(
        node=node,
        words=_texts(node),
        shell=not node.arguments.json,
        heredocs=node.heredocs,
        devices=tuple(_devices(flags.words("device"))),
        mounts=_mounts(flags.words("mount")),
        network=_choice(flags, "network", ("default", "none", "host")),
        security=_choice(flags, "security", ("sandbox", "insecure")),
    )


def _devices(words: tuple[Word, ...]) -> Iterator[CdiDevice]:
    if words:
        from .devices import read_device

        yield from map(read_device, words)


def _mounts(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Their keys and values wait for variables; what must hold before that is checked here."""
    if words:
        from .mounts import mount_origin

        for word in words:
            mount_origin(word)
    return words


def _choice(flags: Flags, name: str, known: tuple[str, ...]) -> Word | None:
    word = flags.word(name)
    if word is not None and word.text not in known:
        *others, last = known
        expected = f"{', '.join(others)} or {last}"
        hint = did_you_mean(word.text, known)
        raise DockerfileError(f"--{name} is {expected}, not {word.text!r}", at=word.at, hint=hint)
    return word


def _cmd(node: Node) -> ins.Cmd:
    read_flags(node, _NO_FLAGS)
    return ins.Cmd(node=node, words=_texts(node), shell=not node.arguments.json)


def _entrypoint(node: Node) -> ins.Entrypoint:
    read_flags(node, _NO_FLAGS)
    return ins.Entrypoint(node=node, words=_texts(node), shell=not node.arguments.json)


def _workdir(node: Node) -> ins.Workdir:
    return ins.Workdir(node=node, path=_only(node))


def _user(node: Node) -> ins.User:
    return ins.User(node=node, user=_only(node))


def _maintainer(node: Node) -> ins.Maintainer:
    return ins.Maintainer(node=node, author=_only(node).text)


def _only(node: Node) -> Word:
    if len(node.arguments.words) != 1:
        raise _missing(node, "one argument")
    read_flags(node, _NO_FLAGS)
    return node.arguments.words[0]


def _stopsignal(node: Node) -> ins.Stopsignal:
    if len(node.arguments.words) != 1:
        raise _missing(node, "a signal")
    return ins.Stopsignal(node=node, signal=node.arguments.words[0])


def _expose(node: Node) -> ins.Expose:
    words = node.arguments.words
    if not words:
        raise _missing(node, "a port")
    read_flags(node, _NO_FLAGS)
    return ins.Expose(node=node, ports=tuple(sorted(words, key=lambda word: word.text.encode())))


def _volume(node: Node) -> ins.Volume:
    words = node.arguments.words
    if not words:
        raise _missing(node, "a path")
    read_flags(node, _NO_FLAGS)
    paths = []
    for word in words:
        stripped = word.text.strip()
        if not stripped:
            raise DockerfileError("VOLUME has an empty path", at=word.at)
        start = word.text.index(stripped)
        paths.append(word if stripped == word.text else word.part(start, start + len(stripped)))
    return ins.Volume(node=node, paths=tuple(paths))


def _shell(node: Node) -> ins.Shell:
    read_flags(node, _NO_FLAGS)
    words = _texts(node)
    if not words:
        raise _missing(node, "a program")
    if not node.arguments.json:
        raise DockerfileError(
            "SHELL takes a JSON array", at=node.arguments.rest.at, hint='write SHELL ["/bin/bash", "-c"]'
        )
    return ins.Shell(node=node, words=words)


def _onbuild(node: Node) -> ins.Onbuild:
    trigger = node.trigger
    if trigger is None:
        raise _missing(node, "an instruction")
    read_flags(node, _NO_FLAGS)
    if trigger.name == "ONBUILD":
        raise DockerfileError("ONBUILD cannot hold another ONBUILD", at=trigger.keyword.at)
    if trigger.name in ("FROM", "MAINTAINER"):
        raise DockerfileError(f"{trigger.name} cannot be an ONBUILD trigger", at=trigger.keyword.at)
    text = re.sub(r"^\s*ONBUILD\s*", "", node.line.text, count=1, flags=re.IGNORECASE)
    for heredoc in node.heredocs:
        text += f"\n{heredoc.content}{heredoc.name}"
    return ins.Onbuild(node=node, trigger=text)


def _texts(node: Node) -> tuple[str, ...]:
    return tuple(word.text for word in node.arguments.words)


def _missing(node: Node, what: str) -> DockerfileError:
    return DockerfileError(f"{node.name} needs {what}", at=node.line.at)


_READERS: dict[str, Callable[[Node], ins.Command | ins.From]] = {
    "ADD": read_add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": read_copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": read_healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
