"""A request to LLB: read, resolve, run through the stages, and make the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError, LlbuildError, UsageError
from ...llb import FileMkdir, Metadata, SourceFile, marshal
from ...platforms import Platform, normalize_platform
from ...values import replace
from ..contract import Compiled, MoreNeeded, NoSuchFile, PlatformResult
from . import instructions as ins
from .build import Build
from .buildfile import find_dockerfile
from .contexts import local_attrs
from .copying import apply_copy
from .drafts import FileDraft, SourceDraft, finish
from .ignorefile import parse_ignore_file
from .lint import Linter, check_continuations, check_defaults, check_stages, check_workdir, watch_variables
from .metadata import apply_metadata
from .options import Options, read_options
from .owner import parse_owner
from .parser import parse
from .paths import clean, default_path_env, from_slash, normalize, to_slash
from .platformargs import automatic_args
from .reader import read_stages
from .resolve import find_target, plan_stages, register_stages, resolve_stages
from .run import apply_run, step_label
from .support import NOT_YET

if TYPE_CHECKING:
    from ...span import Span
    from ..contract import Lookup, Request
    from .drafts import Draft
    from .imagedraft import ImageDraft
    from .parser import Document
    from .stage import Planned, StageState

__all__ = ["Compilation", "compile_request", "prepare"]

CHECK_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
EPOCH = "SOURCE_DATE_EPOCH"


def compile_request(request: Request, lookup: Lookup, *, not_yet: frozenset[str] = NOT_YET) -> Compiled:
    """What `docker build` makes of the request. Pure; see `frontend.contract` for `lookup` and MoreNeeded.

    not_yet: features to refuse, by the names in `support`.
    """
    lint = Linter()
    try:
        results = [compilation.finish() for compilation in prepare(request, lookup, lint, not_yet)]
        lint.conclude()
    except LlbuildError as error:
        error.warnings = tuple(lint.found)
        raise
    return Compiled(results=tuple(results), warnings=tuple(lint.found))


def prepare(
    request: Request, lookup: Lookup, lint: Linter, not_yet: frozenset[str], *, all_stages: bool = False
) -> list[Compilation]:
    """Read everything, and look up everything that is needed: a compilation for each platform, to be finished.

    all_stages: the target needs them all, as when the whole file is to be checked.
    Raises MoreNeeded, and LlbuildError for what is wrong. Several platforms see the same file: the first is linted.
    """
    options = read_options(request)
    found = find_dockerfile(options, lookup)
    excludes = _ignored(options, lookup)
    path, data = found.path, found.data
    if data is None or excludes is None:
        raise MoreNeeded
    source = SourceFile(path=path, data=data)
    document = parse(data, path)
    argument = options.build_args.get(CHECK_ARGUMENT)
    if argument is not None or document.directives.check or data.startswith(b"#!"):
        from .lint.config import read_config

        lint.config = read_config(source, document.directives, argument)
    check_continuations(lint, document)
    linters = (lint, *(Linter(silent=True) for _ in options.platforms[1:]))
    compilations = [
        Compilation(request, options, lookup, (source, document, excludes, found.context), platform, not_yet, linter)
        for platform, linter in zip(options.platforms or (None,), linters, strict=True)
    ]
    for compilation in compilations:
        compilation.resolve(all_stages=all_stages)
    if any(compilation.build.waiting for compilation in compilations):
        raise MoreNeeded
    return compilations


def _ignored(options: Options, lookup: Lookup) -> tuple[str, ...] | None:
    """The ignore patterns of the main context: `<Dockerfile>.dockerignore`, else its `.dockerignore`."""
    if options.context:
        return ()
    answers: list[bytes | None] = []
    for local, path in ((options.dockerfile_local, options.filename + ".dockerignore"), ("context", ".dockerignore")):
        try:
            answers.append(lookup.file(local, path))
        except NoSuchFile:
            answers.append(b"")
            continue
        if answers[-1] is not None:
            break
    if None in answers:
        return None
    patterns = parse_ignore_file(answers[-1] or b"")
    if any("[" in pattern or "\\" in pattern or pattern == "!" for pattern in patterns):  # only these can be malformed
        from ...patterns import IgnoreList

        try:
            IgnoreList(patterns)
        except ValueError as error:
            raise UsageError(f"{path}: {error}") from None
    return patterns


class Compilation:
    """One platform's way through the Dockerfile."""

    def __init__(
        self,
        request: Request,
        options: Options,
        lookup: Lookup,
        given: tuple[SourceFile, Document, tuple[str, ...], Draft | None],
        platform: Platform | None,
        not_yet: frozenset[str],
        lint: Linter,
    ) -> None:
        self.source, self.document, excludes, context = given
        self.global_args: list[ins.Arg] = []
        self.target: StageState
        self.build = Build(
            options,
            lookup,
            directives=self.document.directives,
            target=platform,
            platforms=(request.platform, request.build_platform),
            not_yet=not_yet,
        )
        self.build.lint, self.build.excludes = lint, excludes
        self.build.context = context or self._local_context(options, excludes)

    def _local_context(self, options: Options, excludes: tuple[str, ...]) -> SourceDraft:
        """The client's folder. Which of its files are wanted is known when all stages have been run through."""
        return SourceDraft(
            identifier="local://context",
            attrs=lambda: local_attrs(options, "context", "context", excludes, self.build.context_paths),
            platform=None,
            metadata=Metadata(name="[internal] load build context"),
        )

    def resolve(self, *, all_stages: bool) -> None:
        """Find the target, and ask for all that it needs."""
        build, lint = self.build, self.build.lint
        self.global_args, stages = read_stages(self.document, lint)
        check_stages(lint, stages)
        target_name = build.options.target or stages[-1].name
        build.global_args = automatic_args(build.build_platform, build.target, target_name, build.options.build_args)
        check_defaults(build, self.global_args, stages)
        for instruction in self.global_args:
            _declare(build, instruction)
        if build.options.build_args.get(EPOCH) is not None or EPOCH in build.global_args:
            _read_epoch(build, self.global_args, stages)
        register_stages(build, stages, self.global_args)
        self.target = find_target(build)
        plan_stages(build)
        self.reachable = resolve_stages(build, self.target, all_stages=all_stages)

    def finish(self) -> PlatformResult:
        """Run through the reachable stages and make the graph of the target."""
        build, target = self.build, self.target
        for state in build.stages.states:
            if state in self.reachable and not state.dispatched:
                state.inherit()
                build.expander.charge(state.weight, state.at)
                state.dispatched = True
                _run_through(build, state)
                self.build.context_paths |= state.context_paths
        target.paths.add("/")
        image = target.image
        assert image is not None
        image.labels.update(build.options.labels)
        if build.explicit_target:
            image.platform = _image_platform(build.target, image.platform)
        image.platform = normalize_platform(image.platform)
        definition = marshal(finish(target.draft), (self.source,))
        return PlatformResult(platform=build.target, definition=definition, image=image.freeze(), epoch_s=build.epoch)


def _declare(build: Build, instruction: ins.Arg) -> None:
    """A global ARG: build arguments win over its default."""
    for arg in instruction.args:
        key = arg.key.text
        value = build.options.build_args.get(key)
        if value is None and arg.default is not None:
            value = build.expander.word(arg.default, build.global_args)
        if value is not None:
            build.global_args.pop(key, None)
            build.global_args[key] = value


def _read_epoch(build: Build, global_args: list[ins.Arg], stages: list[ins.Stage]) -> None:
    from .epoch import read_epoch

    declared = (arg.key for instruction in global_args for arg in instruction.args)
    place = next((key.at for key in declared if key.text == EPOCH), stages[-1].start.at)
    read_epoch(build, stages, place)


def _run_through(build: Build, state: StageState) -> None:
    """All commands of a stage, triggers of its base first."""
    image = state.image
    assert image is not None
    state.platform = state.platform or Platform()  # unknown after a context that is no image took a stage's place
    if not any(item.partition("=")[0] == "PATH" for item in image.env) and state.platform.os != "windows":
        image.env.append("PATH=" + default_path_env(state.platform.os))
    for item in image.env:
        key, _, value = item.partition("=")
        state.set_env(key, value)
    if build.options.hostname:
        state.hostname = build.options.hostname
    if image.working_dir:
        _enter_folder(state, image, image.working_dir, state.at)
    if image.user:
        state.user = image.user
    state.network = build.options.network
    for planned in state.planned:
        _apply(build, state, planned)


def _apply(build: Build, state: StageState, planned: Planned) -> None:
    command = planned.command
    watch_variables(build, state, command)
    if isinstance(command, ins.Run):
        apply_run(build, state, planned, command)
    elif isinstance(command, (ins.Copy, ins.Add)):
        apply_copy(build, state, planned, command)
    elif isinstance(command, ins.Workdir):
        _workdir(build, state, planned, command)
    else:
        apply_metadata(build, state, command)


def _workdir(build: Build, state: StageState, planned: Planned, command: ins.Workdir) -> None:
    """A layer of its own: the folder is made, for the current user."""
    image, platform = state.image, state.platform
    assert image is not None
    assert platform is not None
    text = build.expander.word(command.path, state.env)
    check_workdir(build.lint, state, command, text)
    path = _enter_folder(state, image, text, command.path.at)
    build.expander.charge(4 * len(path), command.at)  # a relative one grows line by line
    if path != "/":
        owner = parse_owner(image.user, -1 if state.draft is None else 0) if image.user else None
        action = FileMkdir(path=clean(path), mode=0o755, make_parents=True, owner=owner, timestamp=build.timestamp)
        title = build.expander.display(command.text, state.env, command.at)
        metadata = Metadata(name=step_label(build, state, planned, title), spans=(command.at,))
        state.draft = FileDraft(base=state.draft, steps=[(action, None)], metadata=metadata)
    image.commit(f"WORKDIR {path}", build.created, layer=path != "/")


def _enter_folder(state: StageState, image: ImageDraft, path: str, at: Span) -> str:
    """Make the folder the current one; its path with forward slashes."""
    system = state.platform.os if state.platform is not None else ""
    try:
        path = normalize(image.working_dir, path, system, keep_slash=False)
    except ValueError as error:
        raise DockerfileError(f"working directory {error}", at=at) from None
    image.working_dir = from_slash(path, system)
    state.cwd = to_slash(image.working_dir, system)
    return state.cwd


def _image_platform(target: Platform, image: Platform) -> Platform:
    """The asked-for platform, with what only the image knows of it."""
    same = (target.os, target.architecture) == (image.os, image.architecture)
    return replace(
        target,
        variant=target.variant or (image.variant if same else ""),
        os_version=target.os_version or (image.os_version if same else ""),
        os_features=target.os_features or image.os_features,
    )
