"""SOURCE_DATE_EPOCH: the one time of everything a build makes.

A number of seconds, or where to take it from: `context`, a named context, or a stage FROM scratch that does
nothing but ADD one git repository or URL. What has no time of its own (a folder, an image) gives none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError, SourceError
from ..contract import NoTime
from . import instructions as ins
from .contexts import find_context, load_context, read_reference
from .drafts import FileDraft, SourceDraft
from .integer import read_int

if TYPE_CHECKING:
    from ...span import Span
    from .build import Build

__all__ = ["EPOCH", "read_epoch"]

EPOCH = "SOURCE_DATE_EPOCH"
_FIRST, _LAST = -62135596800, 253402300799  # the years 1 to 9999
_SCRATCH = "scratch"


def read_epoch(build: Build, stages: list[ins.Stage], at: Span) -> None:
    """Set `build.epoch`, and the arguments of that name to its number: gone, when there is none.

    at: what an error is about that no line is to blame for. Raises DockerfileError.
    """
    argument = build.options.build_args.get(EPOCH)
    text = build.global_args.get(EPOCH, "") if argument is None else argument
    if argument is None and not text:
        return
    build.epoch = _seconds(build, text, stages, at) if text else None
    for values in (build.options.build_args, build.global_args):
        if EPOCH in values and build.epoch is None:
            del values[EPOCH]
        elif EPOCH in values:
            values[EPOCH] = str(build.epoch)


def _seconds(build: Build, text: str, stages: list[ins.Stage], at: Span) -> int | None:
    number = read_int(text)
    if number is None:
        source = _source(build, text, stages, at)
        return None if source is None else _time_of(build, source, at)
    if not _FIRST <= number <= _LAST:
        raise DockerfileError(f"{EPOCH} {text} is no time between the years 1 and 9999", at=at)
    return number


def _source(build: Build, name: str, stages: list[ins.Stage], at: Span) -> SourceDraft | None:
    """What the time is to be that of; None for nothing that has one."""
    if name == "context":
        context = build.context
        while isinstance(context, FileDraft):  # unpacked, or a folder of it
            (_, origin), *_ = context.steps
            assert origin is not None
            context = origin
        assert isinstance(context, SourceDraft)
        return context
    what = f"{EPOCH} is a number of seconds, a context or a stage, not {name!r}: "
    read_reference(name, at, what)
    named = find_context(build.options, name, build.build_platform, at)
    if named is not None:
        loaded = load_context(build, named, build.build_platform, set(), at)
        return None if loaded is None else loaded.draft
    for stage in stages:
        if stage.name == name.lower():
            try:
                return _stage_source(build, stage)
            except DockerfileError as error:
                error.other_lines = (stage.start.at.line,)  # which is where BuildKit sees all of them
                raise
    raise DockerfileError(what + "there is neither", at=at, hint="date +%s prints the time of now")


def _time_of(build: Build, source: SourceDraft, at: Span) -> int | None:
    if not source.identifier.startswith(("git://", "http://", "https://")):
        return None
    try:
        found = build.lookup.source_time(source.identifier, source.attrs())
    except NoTime:
        return None
    except SourceError as error:
        raise DockerfileError(error.message, at=at, hint=error.hint) from error
    build.waiting |= found is None
    return found


def _stage_source(build: Build, stage: ins.Stage) -> SourceDraft:
    """The one thing that the stage adds. Raises DockerfileError unless it is such a stage."""
    env = {key: value for key, value in build.global_args.items() if key != EPOCH}
    if build.expander.word(stage.start.base, env) != _SCRATCH:
        raise _unfit(stage, "is not FROM scratch")
    source: SourceDraft | None = None
    for command in stage.commands:
        if isinstance(command, ins.Arg):
            _declare(build, command, env)
        elif not isinstance(command, ins.Add):
            raise _unfit(stage, f"has {command.name} on line {command.at.line}")
        elif source is not None:
            raise _unfit(stage, "has more than one ADD")
        else:
            source = _added(build, stage, command, env)
    if source is None:
        raise _unfit(stage, "adds nothing")
    return source


def _unfit(stage: ins.Stage, why: str) -> DockerfileError:
    return DockerfileError(
        f"the time of stage {stage.name!r} cannot be taken for {EPOCH}: it {why}",
        at=stage.start.at,
        hint="it must be FROM scratch and hold one ADD of one URL or git repository",
    )


def _declare(build: Build, command: ins.Arg, env: dict[str, str]) -> None:
    for arg in command.args:
        value = build.options.build_args.get(arg.key.text)
        if value is None and arg.default is not None:
            value = build.expander.word(arg.default, env)
        if value is not None:
            env[arg.key.text] = value


def _added(build: Build, stage: ins.Stage, command: ins.Add, env: dict[str, str]) -> SourceDraft:
    from .remote import git_draft, http_draft, is_git

    if command.documents or len(command.sources) != 1:
        raise _unfit(stage, "adds more than one thing")
    (word,) = command.sources
    text = build.expander.word(word, env)
    checksum = build.expander.word(command.checksum, env) if command.checksum is not None else ""
    if is_git(text):
        return git_draft(command, word, text, checksum, "")[0]
    if text.startswith(("http://", "https://")):
        return http_draft(command, word, text, checksum, "")[0]
    raise _unfit(stage, f"adds {text!r}")
