"""Which stages are needed, what they are built on, and what they read.

Everything asked of the lookup is asked here, for all reachable stages before any answer is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...llb import Metadata
from ...platforms import normalize_platform, parse_written_platform
from ...values import replace
from . import instructions as ins
from .contexts import RESERVED_NAMES, find_context, image_attrs, load_context, read_reference
from .drafts import SourceDraft
from .imagedraft import ImageDraft, empty_image
from .integer import read_int
from .lint import check_base_platform, check_platform, watch_from
from .parser import parse_trigger
from .reader import read_command
from .stage import Planned, StageState
from .suggest import did_you_mean
from .words import WordError, expand

if TYPE_CHECKING:
    from ...image import ImageConfig, Reference
    from ...platforms import Platform
    from .build import Build

__all__ = ["find_target", "plan_stages", "register_stages", "resolve_stages"]

_SCRATCH = "scratch"
_MOST_NAMED = 8
_TRIGGER_COST = 1000  # reading one costs as much as expanding a text this long
_COMMON_IMAGES = ("alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora")


def register_stages(build: Build, stages: list[ins.Stage], global_args: list[ins.Arg]) -> None:
    """Give every stage its state, base name and platform filled in."""
    known = {**build.global_args, **{arg.key.text: "" for instruction in global_args for arg in instruction.args}}
    for number, stage in enumerate(stages):
        start = stage.start
        watch_from(build, known, start)
        base = build.expander.word(start.base, build.global_args)
        if not base:
            raise DockerfileError(
                f"the base image {start.base.text} is empty",
                at=start.base.at,
                hint="give its ARG a default before the first FROM, or --build-arg",
            )
        state = StageState(base, start.at, stage=stage)
        state.platform = _stage_platform(build, start)
        if stage.name:
            _check_name(stage.name, start)
            wanted = state.platform or build.target
            state.named_context = find_context(build.options, stage.name, wanted, start.at)
        state.name = stage.name
        if not stage.name and state.named_context is None:
            state.name = f"stage-{number}"
        build.stages.add(state)
        if state.named_context is not None:
            state.base = None  # the context stands for the whole stage
            continue
        state.total = int(base != _SCRATCH and state.base is None)
        state.total += sum(isinstance(item, (ins.Add, ins.Copy, ins.Run, ins.Workdir)) for item in stage.commands)
        state.ignore_cache = build.options.ignores_cache(stage.name)
    build.expander.unset = None


def _check_name(name: str, start: ins.From) -> None:
    """A context may take the stage's place, so that its name must be one for a context: an image reference."""
    if not name.isalnum() and name not in RESERVED_NAMES:
        read_reference(name, start.at, f"{name!r} cannot name a stage: ")


def _stage_platform(build: Build, start: ins.From) -> Platform | None:
    word = start.platform
    if word is None or not word.text:
        return None
    expansion = build.expander.expansion(word, build.global_args)
    check_platform(build, start, word, expansion)
    hint = next((found for name in expansion.missing if (found := did_you_mean(name, build.global_args))), "")
    if not expansion.text:
        raise DockerfileError(f"the platform {word.text} is empty", at=word.at, hint=hint)
    try:
        return parse_written_platform(expansion.text)
    except ValueError as error:
        raise DockerfileError(f"--platform: {error}", at=word.at, hint=hint) from None


def find_target(build: Build) -> StageState:
    """The stage to build: the one asked for, or the last."""
    name = build.options.target
    if not name:
        return build.stages.states[-1]
    target = build.stages.find(name)
    if target is None:
        names = [known for known in build.stages.names() if known]
        last = build.stages.states[-1].at
        hint = did_you_mean(name, names) or "there are " + ", ".join(names)
        raise DockerfileError(f"there is no stage {name!r} to build (--target)", at=last, hint=hint)
    return target


def plan_stages(build: Build) -> None:
    """Link every command to the stages it reads. Raises DockerfileError when stages read each other in a ring."""
    for state in list(build.stages.states):
        assert state.stage is not None
        state.planned = [_plan(build, state, command) for command in state.stage.commands]
    cycle = build.stages.find_cycle()
    if cycle:
        ring = [repr(state.name or state.base_name) for state, _ in [*cycle, cycle[0]]]
        if len(ring) > _MOST_NAMED:
            ring[_MOST_NAMED - 2 : -1] = ["…"]
        _, command = cycle[0]
        raise DockerfileError(f"stages read each other in a circle: {' reads '.join(ring)}", at=command.at)
    if len(build.stages.states) == 1:
        build.stages.states[0].name = ""  # the only stage needs no name in front of its steps


def _plan(build: Build, state: StageState, command: ins.Command) -> Planned:
    sources: list[StageState | None] = []
    if isinstance(command, ins.Copy) and command.origin is not None:
        sources.append(_copy_source(build, command))
    elif isinstance(command, ins.Run) and command.mounts:
        from .mounts import mount_origin

        sources.extend(_named_source(build, mount_origin(word) or _SCRATCH, command) for word in command.mounts)
    for source in sources:
        assert source is not None
        state.reads[source] = command
        if source.hidden:
            build.stages.add(source)
    return Planned(command, sources)


def _copy_source(build: Build, command: ins.Copy) -> StageState:
    word = command.origin
    assert word is not None
    try:
        expanded = expand(word.text, {}, escape=build.expander.escape).text
    except WordError as error:
        raise DockerfileError(error.message, at=word.at) from None
    if expanded != word.text:
        raise DockerfileError(
            "--from takes no variables", at=word.at, hint="give the image a stage of its own: FROM $IMAGE AS name"
        )
    number = read_int(word.text)
    if number is None:
        return _named_source(build, word.text, command)
    if not 0 <= number < len(build.stages.states):
        raise DockerfileError(
            f"there is no stage number {number}", at=word.at, hint="stages count from 0; better give them names"
        )
    return build.stages.states[number]


def _named_source(build: Build, name: str, command: ins.Command) -> StageState:
    """The stage of that name, else an image."""
    return build.stages.find(name) or StageState(name, command.at)


def resolve_stages(build: Build, target: StageState, *, all_stages: bool = False) -> set[StageState]:
    """Everything reachable (or simply everything), with its base known and the ONBUILD triggers of bases taken over.

    Triggers may read further stages and images, so this goes on until nothing new turns up.
    """
    while True:
        reachable = {*build.stages.states} if all_stages else build.stages.reachable(target)
        failure: DockerfileError | None = None
        for state in build.stages.states:
            if state.base is None and not state.dispatched and not state.resolved:
                try:
                    _resolve(build, state, reachable=state in reachable)
                except DockerfileError as error:
                    failure = error  # of several BuildKit, too, mostly names the last
        if failure is not None:
            raise failure
        if build.waiting:
            return reachable
        if not any([_take_triggers(build, state) for state in reachable]):  # noqa: C419  every stage must take its own
            return reachable


def _resolve(build: Build, state: StageState, *, reachable: bool) -> None:
    if state.base_name == _SCRATCH and state.named_context is None:
        state.resolved = reachable
        state.image = ImageDraft(empty_image(build.target))
        state.platform = build.target
        state.dispatched = state.hidden
        return
    what = f"no stage is named {state.base_name!r}, and as an image: " if state.hidden else ""
    at = state.stage.start.base.at if state.stage is not None else state.at
    reference = read_reference(state.base_name, at, what)
    if not reachable:
        return
    platform = state.platform or build.target
    if state.named_context is not None:
        _replace_stage(build, state, platform)
    else:
        context = find_context(build.options, str(reference), platform, at)
        if context is not None:
            loaded = load_context(build, context, platform, state.paths, at)
            if loaded is not None:
                _stand_on(state, loaded.draft, loaded.config or empty_image(platform), platform)
                if loaded.config is not None:
                    _enter(state, loaded.config)
                state.state_platform = normalize_platform(platform)
                state.resolved = True
        else:
            _from_image(build, state, reference, platform)
    state.dispatched |= state.hidden and state.resolved


def _replace_stage(build: Build, state: StageState, platform: Platform) -> None:
    """A named context stands for the whole stage: nothing of it is run."""
    assert state.named_context is not None
    loaded = load_context(build, state.named_context, platform, state.paths, state.at)
    if loaded is None:
        return
    state.resolved = state.dispatched = True
    state.draft = loaded.draft
    state.image = ImageDraft(loaded.config or _bare_config())
    if loaded.config is not None:
        _enter(state, loaded.config)
        if loaded.config.platform.architecture and loaded.config.platform.os:
            state.platform = loaded.config.platform


def _bare_config() -> ImageConfig:
    from ...image import ImageConfig

    return ImageConfig()


def _stand_on(state: StageState, draft: SourceDraft | None, config: ImageConfig, platform: Platform) -> None:
    state.draft = draft
    state.image = ImageDraft(config)
    state.platform = platform


def _enter(state: StageState, config: ImageConfig) -> None:
    """See what a process in the image would see."""
    for item in config.config.env:
        key, _, value = item.partition("=")
        if key:
            state.set_env(key, value)
    working_dir = config.config.working_dir
    state.cwd = working_dir if working_dir.startswith("/") else "/" + working_dir
    if config.platform.architecture and config.platform.os:
        state.state_platform = normalize_platform(config.platform)


def _from_image(build: Build, state: StageState, reference: Reference, platform: Platform) -> None:
    at = state.stage.start.base.at if state.stage is not None else state.at
    try:
        found = build.image(str(reference), platform, at)
    except DockerfileError as error:
        hint = error.hint or did_you_mean(state.base_name, [*build.stages.names(), *_COMMON_IMAGES])
        raise DockerfileError(error.message, at=error.at, hint=hint) from error.__cause__
    if found is None:
        return
    state.resolved = True
    if state.platform is None and not build.explicit_target:
        platform = _detected(found.config, platform, build.build_platform)
    pinned = str(replace(reference, digest=found.digest))
    image = ImageDraft(found.config)
    state.image = image
    if image.without_layers:
        state.platform = platform
        return
    check_base_platform(build, state, platform, image.platform)
    title = state.label(f"FROM {pinned}", build.platform_label(state, platform))
    text = state.stage.start.text if state.stage is not None else ""
    state.draft = SourceDraft(
        identifier=f"docker-image://{pinned}",
        attrs=lambda: image_attrs(build.options.resolve_mode),
        platform=platform,
        metadata=Metadata(name=title, spans=(state.at,), description=(("com.docker.dockerfile.v1.command", text),)),
    )
    state.platform, state.state_platform = platform, normalize_platform(platform)


def _detected(config: ImageConfig, target: Platform, build_platform: Platform) -> Platform:
    """Where no platform was asked for, an image of the build machine's other platform is taken as that."""
    found = config.platform
    if (target.os, target.architecture) == (found.os, found.architecture):
        return target
    if (build_platform.os, build_platform.architecture) == (found.os, found.architecture):
        return build_platform
    return target


def _take_triggers(build: Build, state: StageState) -> bool:
    """Put the base's ONBUILD triggers before the stage's own commands. Whether they read other stages."""
    state.inherit()
    triggers = list(state.image.on_build) if state.image is not None else []
    if state.base is not None and not state.onbuild_taken:
        commands = (planned.command for planned in state.base.planned)
        triggers += [command.trigger for command in commands if isinstance(command, ins.Onbuild)]
        state.onbuild_taken = True
    if not triggers:
        return False
    taken = []
    for text in triggers:
        build.expander.charge(_TRIGGER_COST + len(text), state.at)
        planned = _plan(build, state, read_command(parse_trigger(text, state.at)))
        planned.from_onbuild = True
        taken.append(planned)
    state.planned[:0] = taken
    state.total += len(taken)
    if state.image is not None:
        state.image.on_build = []
    return any(planned.sources for planned in taken)
