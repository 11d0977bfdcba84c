"""Checks of a stage's instructions, as they are run through, with variables filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..paths import clean, is_abs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .. import instructions as ins
    from ..build import Build
    from ..imagedraft import ImageDraft
    from ..ports import PortSpec
    from ..source import Word
    from ..stage import StageState
    from .linter import Linter

__all__ = [
    "check_arg",
    "check_command_line",
    "check_env",
    "check_healthcheck",
    "check_label",
    "check_port",
    "check_source",
    "check_workdir",
    "watch_variables",
]

_SECRETS = frozenset(
    ("apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token")
)
_HARMLESS = frozenset(("public", "file", "version"))
_DEEPEST = 256  # folders of a path that is compared with ignore patterns
# Arguments that steer scanners; nobody declares them.
_NEVER_DEFINED = frozenset(("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"))


def watch_variables(build: Build, state: StageState, command: ins.Command) -> None:
    """UndefinedVar, for the words of one instruction. A declared ARG without a value is defined."""

    def unset(word: Word, names: frozenset[str]) -> None:
        if build.lint.full:
            return
        for name in sorted(name for name in names if name not in state.args and name not in _NEVER_DEFINED):
            near = build.lint.nearest(name, state.env)
            hint = f" (did you mean ${near}?)" if near else ""
            build.lint.note("UndefinedVar", command.node, name, hint, focus=word.mention(name))

    build.expander.unset = unset


def check_env(lint: Linter, command: ins.Env, pairs: Sequence[tuple[str, str]]) -> None:
    """pairs: expanded."""
    for pair, (key, _) in zip(command.pairs, pairs, strict=True):
        if pair.legacy:
            _legacy(lint, command)
        if _is_secret(key):
            lint.note("SecretsUsedInArgOrEnv", command.node, command.name, key, focus=pair.key.at)


def check_label(lint: Linter, command: ins.Label) -> None:
    if any(pair.legacy for pair in command.pairs):  # then there is but one
        _legacy(lint, command)


def _legacy(lint: Linter, command: ins.Env | ins.Label) -> None:
    lint.note("LegacyKeyValueFormat", command.node, command.name, focus=command.node.arguments.rest.at)


def check_arg(lint: Linter, command: ins.Arg, name: Word) -> None:
    if _is_secret(name.text):
        lint.note("SecretsUsedInArgOrEnv", command.node, command.name, name.text, focus=name.at)


def _is_secret(name: str) -> bool:
    """One of its words, between underscores, says so, and none says that it is no secret after all."""
    words = name.lower().split("_")
    return not _SECRETS.isdisjoint(words) and _HARMLESS.isdisjoint(words)


def check_command_line(lint: Linter, state: StageState, image: ImageDraft, command: ins.Cmd | ins.Entrypoint) -> None:
    """MultipleInstructionsDisallowed and JSONArgsRecommended. Who says SHELL knows what the shell does."""
    _check_once(lint, state, command)
    if command.shell and not image.shell:
        lint.note("JSONArgsRecommended", command.node, command.name, focus=command.node.arguments.rest.at)


def check_healthcheck(lint: Linter, state: StageState, command: ins.Healthcheck) -> None:
    _check_once(lint, state, command)


def _check_once(lint: Linter, state: StageState, command: ins.Cmd | ins.Entrypoint | ins.Healthcheck) -> None:
    """It is the earlier one that has no effect, so it is the one to point at."""
    at = lint.said.get((state, command.name))
    if at is not None:
        lint.note("MultipleInstructionsDisallowed", command.node, command.name, at=at)
    lint.said[state, command.name] = command.at


def check_workdir(lint: Linter, state: StageState, command: ins.Workdir, path: str) -> None:
    """The first WORKDIR of a stage and those it is built on; later relative ones depend on that."""
    if not state.workdir_said:
        system = state.platform.os if state.platform is not None else ""
        if not is_abs(path, system):
            lint.note("WorkdirRelativePath", command.node, path, focus=command.path.at)
        state.workdir_said = True


def check_port(lint: Linter, command: ins.Expose, word: Word, text: str, port: PortSpec) -> None:
    """text: the word, or one of those it expands to."""
    if port.protocol != port.protocol.lower():
        lint.note("ExposeProtoCasing", command.node, text, focus=word.at)
    if port.address or port.host:
        lint.note("ExposeInvalidFormat", command.node, text, focus=word.at)


def check_source(build: Build, command: ins.Copy | ins.Add, word: Word, text: str) -> None:
    """CopyIgnoredFile, for a path of the build context.

    Exceptions (`!`) make that undecidable from the text: of an excluded folder a file may be included again.
    """
    path = clean(text)
    depth = path.count("/") + 1
    if depth > _DEEPEST or build.lint.full or not build.lint.affords(depth * len(build.excludes)):
        return
    ignored = build.ignored
    if ignored is None or ignored.has_exceptions:
        return
    if path in (".", "/") and not any(line in ("*", "**", "**/*") for line in build.excludes):
        return  # the whole context; only such lines exclude all of it
    folders, folder = [path], path
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        folders.append(folder)
    if any(ignored.step(one)[0] for one in folders):
        build.lint.note("CopyIgnoredFile", command.node, command.name, path, focus=word.at)
