"""COPY and ADD: one file op a line, a copy action for each source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...llb import FileCopy, FileMkfile, Metadata, ProgressGroup
from ...values import replace
from . import instructions as ins
from .drafts import FileDraft, MergeDraft, SourceDraft
from .lint import check_source
from .owner import parse_owner
from .paths import clean, join, normalize, strip_drive, to_slash
from .run import step_label

if TYPE_CHECKING:
    from ...llb import FileAction
    from .build import Build
    from .drafts import Draft
    from .heredoc import Heredoc
    from .source import Word
    from .stage import Planned, StageState

__all__ = ["apply_copy"]

_SYMBOLIC = r"[augo]*(?:[-+=][rwxXstugo]*)+(?:,[augo]*(?:[-+=][rwxXstugo]*)+)*"


class _Copying:
    """One COPY or ADD under way."""

    def __init__(
        self, build: Build, state: StageState, command: ins.Copy | ins.Add, origin: Draft | None, template: FileCopy
    ) -> None:
        self.build = build
        self.state = state
        self.command = command
        self.origin = origin
        self.template = template  # what all actions of the line share
        self.label = ""
        self.checksum = ""

    @property
    def system(self) -> str:
        return self.state.platform.os if self.state.platform is not None else ""

    @property
    def is_add(self) -> bool:
        return isinstance(self.command, ins.Add)


def apply_copy(build: Build, state: StageState, planned: Planned, command: ins.Copy | ins.Add) -> None:
    """Add the copy to the stage and a layer to its history."""
    expander, env, image = build.expander, state.env, state.image
    assert image is not None
    _demand(build, command)
    chown = expander.word(command.chown, env) if command.chown is not None else ""
    chmod = expander.word(command.chmod, env) if command.chmod is not None else ""
    checksum = ""
    if isinstance(command, ins.Add) and command.checksum is not None:
        checksum = expander.word(command.checksum, env)
    sources = [expander.word(word, env) for word in command.sources]
    target = expander.word(command.dest, env)
    texts = [expander.document(heredoc, env) for heredoc in command.documents]
    origin, wanted = _origin(build, state, planned, command)
    copying = _Copying(build, state, command, origin, _template(build, state, command, (chown, chmod, target)))
    copying.checksum = checksum
    _check_checksum(copying, sources)
    # Every source becomes an action with all of this in it.
    repeated = len(state.cwd) + len(target) + len(chown) + sum(len(word.text) + 8 for word in command.excludes)
    expander.charge(repeated * (len(sources) + len(texts)) // 4, command.at)
    copying.label = step_label(build, state, planned, expander.display(command.text, env, command.at))
    steps = [_source_step(copying, word, text) for word, text in zip(command.sources, sources, strict=True)]
    steps += [_document_step(copying, doc, text) for doc, text in zip(command.documents, texts, strict=True)]
    _apply(copying, steps, linked=command.link is not None and not chmod)
    wanted.update(_wanted(copying, sources))
    said = ["ADD" if copying.is_add else "COPY"]
    if isinstance(command, ins.Copy) and command.parents is not None:
        said.append("--parents")
    said += [f"--{name}={value}" for name, value in (("chown", chown), ("chmod", chmod)) if value]
    said += [*sources, *(f"<<{heredoc.name}" for heredoc in command.documents), target]
    image.commit(" ".join(said) + " # buildkit", build.created, layer=True)


def _demand(build: Build, command: ins.Copy | ins.Add) -> None:
    """Refuse flags that are not built yet."""
    name = command.name
    flags: dict[str, Word | None] = {"link": command.link}
    if isinstance(command, ins.Copy):
        flags["parents"] = command.parents
    else:
        flags |= {
            "checksum": command.checksum,
            "keep-git-dir": command.keep_git_dir_flag,
            "unpack": command.unpack_flag,
        }
    if command.excludes:
        flags["exclude"] = command.excludes[0]
    for flag, word in flags.items():
        if word is not None:
            build.demand(f"{name} --{flag}", word.at)


def _origin(
    build: Build, state: StageState, planned: Planned, command: ins.Copy | ins.Add
) -> tuple[Draft | None, set[str]]:
    """Where the files come from, and where to note which of them are wanted."""
    if not planned.sources:
        return build.context, state.context_paths
    source = planned.sources[0]
    assert source is not None
    assert isinstance(command, ins.Copy)
    if not source.dispatched:
        name = command.origin.text if command.origin is not None else ""
        raise DockerfileError(
            f"stage {name!r} stands after this one",
            at=command.origin.at if command.origin is not None else command.at,
            hint="move it up: a stage can only copy from earlier ones",
        )
    return source.draft, source.paths


def _template(build: Build, state: StageState, command: ins.Copy | ins.Add, words: tuple[str, str, str]) -> FileCopy:
    chown, chmod, target = words
    mode, mode_text = -1, ""
    if chmod:
        assert command.chmod is not None
        mode, mode_text = _mode(chmod, command.chmod)
        if mode_text:
            build.demand(f"a symbolic --chmod on {command.name}", command.chmod.at)
    excludes = tuple(word.text for word in command.excludes)
    return FileCopy(
        src="",
        dest=_destination(state, target, command.dest),
        owner=parse_owner(chown, 0 if _has_base(state, command, chmod) else -1) if chown else None,
        mode=mode,
        mode_text=mode_text,
        create_dest_path=True,
        exclude_patterns=excludes,
    )


def _has_base(state: StageState, command: ins.Copy | ins.Add, chmod: str) -> bool:
    """Names in --chown are looked up in the stage; a linked copy stands on nothing."""
    linked = command.link is not None and not chmod
    return state.draft is not None and not linked


def _mode(text: str, word: Word) -> tuple[int, str]:
    """An octal number, or a symbolic mode as text with 0."""
    if text.strip("01234567") == "" and len(text) <= 12 and int(text, 8) <= 0o7777:
        return int(text, 8), ""
    if not text[0].isdigit() and re.fullmatch(_SYMBOLIC, text):
        return 0, text
    raise DockerfileError(f"--chmod is an octal number up to 7777 or like u=rwX,go=rX, not {text!r}", at=word.at)


def _destination(state: StageState, target: str, word: Word) -> str:
    """Absolute, clean, a slash at the end kept: it says that the target is a folder."""
    system = state.platform.os if state.platform is not None else ""
    try:
        path = strip_drive(target, system, keep_slash=True)
        if not path.startswith("/") and path in ("", "."):
            path = "./"
        path = normalize("/" if path.startswith("/") else state.cwd, path, system, keep_slash=True)
    except ValueError as error:
        raise DockerfileError(f"destination {error}", at=word.at) from None
    cleaned = clean(path)
    if path.endswith("/") and not cleaned.endswith("/"):
        cleaned += "/"
    elif path.endswith("/."):
        cleaned = (cleaned if cleaned == "/" else cleaned + "/") + "."
    return cleaned


def _check_checksum(copying: _Copying, sources: list[str]) -> None:
    if not copying.checksum:
        return
    assert isinstance(copying.command, ins.Add)
    assert copying.command.checksum is not None
    at = copying.command.checksum.at
    if len(sources) != 1:
        raise DockerfileError("--checksum is for one source", at=at)
    if not _is_remote(sources[0]):
        raise DockerfileError("--checksum is for a URL or a git repository", at=at)


def _is_remote(text: str) -> bool:
    return text.startswith(("http://", "https://")) or _may_be_git(text)


def _may_be_git(text: str) -> bool:
    """Cheap: only then is the git parser loaded."""
    if "://" not in text and not ("@" in text and ":" in text) and not text.startswith("github.com/"):
        return False
    from .remote import is_git

    return is_git(text)


def _source_step(copying: _Copying, word: Word, text: str) -> tuple[FileAction, Draft | None]:
    if _may_be_git(text) or text.startswith(("http://", "https://")):
        return _remote_step(copying, word, text)
    if copying.origin is copying.build.context and copying.build.excludes:
        check_source(copying.build, copying.command, word, text)
    patterns: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    command, system, src = copying.command, copying.system, text
    try:
        if isinstance(command, ins.Copy) and command.parents is not None:
            src, pivot, pattern = text.partition("/./")
            if not pivot:
                src, pattern = "/", text
            pattern = normalize("/", pattern, system, keep_slash=False)
            patterns = (pattern.removeprefix("/"),)
            if not _has_wildcard(src) and not _has_wildcard(pattern):
                required = (normalize("/", join(src, pattern), system, keep_slash=False),)
        src = normalize("/", src, system, keep_slash=False)
    except ValueError as error:
        raise DockerfileError(f"source {error}", at=word.at) from None
    unpack = isinstance(command, ins.Add) and (command.unpack is None or command.unpack)
    action = replace(
        copying.template,
        src=clean(src),
        follow_symlink=True,
        dir_copy_contents=True,
        attempt_unpack=unpack,
        allow_wildcard=True,
        allow_empty_wildcard=True,
        include_patterns=patterns,
        required_paths=required,
    )
    return action, copying.origin


def _has_wildcard(text: str) -> bool:
    at = 0
    while at < len(text):
        if text[at] in "*?[":
            return True
        at += 2 if text[at] == "\\" else 1
    return False


def _remote_step(copying: _Copying, word: Word, text: str) -> tuple[FileAction, Draft | None]:
    """ADD of a URL or a git repository."""
    from .remote import git_draft, http_draft

    command = copying.command
    git = _may_be_git(text)
    if not isinstance(command, ins.Add):
        what = "a git repository" if git else "a URL"
        raise DockerfileError(f"COPY cannot take {what}", at=word.at, hint="ADD can")
    draft: SourceDraft
    if git:
        draft, copying.checksum = git_draft(command, word, text, copying.checksum, copying.label)
        return replace(copying.template, src="/"), draft
    draft, name = http_draft(command, word, text, copying.checksum, copying.label)
    return replace(copying.template, src=join("/", name), attempt_unpack=bool(command.unpack)), draft


def _document_step(copying: _Copying, heredoc: Heredoc, text: str) -> tuple[FileAction, Draft | None]:
    """A heredoc: a file made from nothing, then copied."""
    try:
        name = to_slash(strip_drive(heredoc.name, copying.system), copying.system)
    except ValueError as error:
        raise DockerfileError(f"heredoc {error}", at=heredoc.word.at) from None
    path = join("/", name)
    file = FileMkfile(path=path, mode=0o644, data=text.encode("utf-8", "surrogateescape"))
    draft = FileDraft(
        base=None,
        steps=[(file, None)],
        metadata=Metadata(name="[internal] preparing inline document", spans=(heredoc.word.at,)),
    )
    return replace(copying.template, src=path), draft


def _apply(copying: _Copying, steps: list[tuple[FileAction, Draft | None]], *, linked: bool) -> None:
    state, at = copying.state, copying.command.at
    metadata = Metadata(name=copying.label, spans=(at,), ignore_cache=state.ignore_cache)
    if not linked:
        state.draft = FileDraft(base=state.draft, steps=steps, metadata=metadata)
        return
    copying.build.links += 1
    group = ProgressGroup(id=f"link-{copying.build.links}", name=copying.label, weak=True)
    copy = FileDraft(base=None, steps=steps, metadata=replace(metadata, progress_group=group))
    if state.draft is None:  # a merge with nothing is the copy itself
        state.draft = copy
        return
    head, bracket, rest = copying.label.partition("] ")
    metadata = replace(metadata, name=f"{head}{bracket}LINK {rest}", progress_group=replace(group, weak=False))
    state.draft = MergeDraft(parts=[state.draft, copy], metadata=metadata)


def _wanted(copying: _Copying, sources: list[str]) -> list[str]:
    """The paths to ask of where the files come from."""
    return [join("/", text) for text in sources if not (copying.is_add and text.startswith(("http://", "https://")))]
