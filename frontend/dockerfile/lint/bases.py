"""Checks of FROM: its arguments, its platform, and what the image turns out to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import SourceError
from ....image import parse_reference
from ....platforms import parse_written_platform
from ..platformargs import full_platform
from ..suggest import nearest
from ..words import WordError, expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    escape = build.expander.escape
    env = dict(build.global_args)
    try:
        for instruction in declared:
            for arg in instruction.args:
                if arg.default is not None:
                    env[arg.key.text] = expand(arg.default.text, env, escape=escape).text
        for stage in stages:
            base = stage.start.base
            if not _is_reference(expand(base.text, env, escape=escape).text):
                build.lint.report("InvalidDefaultArgInFrom", stage.start.at, base.text, focus=base.at)
    except WordError:
        return


def _is_reference(text: str) -> bool:
    try:
        parse_reference(text)
    except SourceError:
        return False
    return True


def watch_from(build: Build, declared: Iterable[str], start: ins.From) -> None:
    """UndefinedArgInFrom, for the words of one FROM. declared: the names of all ARGs before the first FROM."""

    def unset(word: Word, names: frozenset[str]) -> None:
        known = {*declared, *build.global_args}
        for name in sorted(names - known):
            near = nearest(name, known)
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
