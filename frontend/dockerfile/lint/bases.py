"""Checks of FROM: its arguments, its platform, and what the image turns out to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import SourceError
from ....image import parse_reference
from ....platforms import parse_written_platform
from ..platformargs import full_platform
from ..words import WordError, expand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....platforms import Platform
    from .. import instructions as ins
    from ..build import Build
    from ..source import Word
    from ..stage import StageState
    from ..words import Expansion

__all__ = ["check_base_platform", "check_defaults", "check_platform", "watch_from"]


def check_defaults(build: Build, declared: Sequence[ins.Arg], stages: Sequence[ins.Stage]) -> None:
    """InvalidDefaultArgInFrom: what FROM names when nobody gives build arguments. Before the arguments are read.

    One that cannot be expanded ends the check: the build will stop there too.
    """
    env = dict(build.global_args)
    try:
        for instruction in declared:
            for arg in instruction.args:
                if arg.default is not None:
                    env[arg.key.text] = _expanded(build, arg.default, env)
        for stage in stages:
            base = stage.start.base
            if not _is_reference(_expanded(build, base, env)):
                build.lint.report("InvalidDefaultArgInFrom", stage.start.at, base.text, focus=base.at)
    except WordError:
        return


def _expanded(build: Build, word: Word, env: Mapping[str, str]) -> str:
    """Raises WordError, also when there is too much of it: the build itself will say so."""
    text = word.text
    if "$" not in text and "'" not in text and '"' not in text and build.expander.escape not in text:
        return text
    expansion = expand(text, env, escape=build.expander.escape)
    if not build.lint.affords(expansion.work):
        raise WordError("the defaults expand to too much", 0)
    return expansion.text


def _is_reference(text: str) -> bool:
    try:
        parse_reference(text)
    except SourceError:
        return False
    return True


def watch_from(build: Build, known: Mapping[str, object], start: ins.From) -> None:
    """UndefinedArgInFrom, for the words of one FROM. known: all arguments, also those without a value."""

    def unset(word: Word, names: frozenset[str]) -> None:
        if build.lint.full:
            return
        for name in sorted(name for name in names if name not in known):
            near = build.lint.nearest(name, known)
            hint = f" (did you mean {near}?)" if near else ""
            build.lint.note("UndefinedArgInFrom", start.node, name, hint, focus=word.mention(name))

    build.expander.unset = unset


def check_platform(build: Build, start: ins.From, word: Word, value: Expansion) -> None:
    """RedundantTargetPlatform and FromPlatformFlagConstDisallowed."""
    lint, found = build.lint, value.found
    target = build.global_args.get("TARGETPLATFORM")
    if not value.missing and found == {"TARGETPLATFORM"} and value.text == target:
        lint.note("RedundantTargetPlatform", start.node, word.text, focus=word.at)
    if found or value.missing:
        return
    try:
        platform = parse_written_platform(value.text)
    except ValueError:
        return  # an error of its own
    # A stage that says in its name which platform it is for means it.
    if platform.os not in start.stage_name and platform.architecture not in start.stage_name:
        lint.note("FromPlatformFlagConstDisallowed", start.node, value.text, focus=word.at)


def check_base_platform(build: Build, state: StageState, wanted: Platform, found: Platform) -> None:
    """InvalidBaseImagePlatform: an image need not be what was asked for."""
    if (wanted.os, wanted.architecture) != (found.os, found.architecture):
        details = (state.base_name, full_platform(found), full_platform(wanted))
        focus = state.stage.start.base.at if state.stage is not None else None
        build.lint.report("InvalidBaseImagePlatform", state.at, *details, focus=focus)
