"""Why a step ran: what its cache key was made of, held against the nearest earlier record. Pure; told in words.

Which record is nearest, `solver.nearest` finds.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from ..values import frozen
from .listing import compare_listings, count_files
from .nearest import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .derivations import Derivation, Input

    ListingOf = Callable[[str], bytes | None]

__all__ = ["Cause", "Reason", "built_on", "explain_miss"]

_SHOWN = 20  # characters of a digest
_LONGEST = 160  # characters of a value shown


class Cause(Enum):
    """What kind of thing made the step run."""

    NEW = "new"  # nothing like it was ever run here
    IGNORED = "cache ignored"
    SOURCE = "source"  # an image or repository is another now
    FILES = "files"
    COMMAND = "command"
    ENVIRONMENT = "environment"
    OPTIONS = "options"  # anything else about the op
    INPUT = "input"  # what it is built on ran again, with another result
    FAILED = "failed before"
    GONE = "result gone"


@frozen
class Reason:
    """One cause: `summary` in a line, `details` one line each, as `- old` and `+ new` or a file per line."""

    cause: Cause
    summary: str
    details: tuple[str, ...] = ()


def explain_miss(now: Derivation, before: Derivation | None, listing_of: ListingOf) -> list[Reason]:
    """What differs between a step that ran and the record it was held against, the telling things first."""
    if now.ignored:
        return [Reason(cause=Cause.IGNORED, summary="the cache was to be ignored (--no-cache)")]
    if before is None:
        return [Reason(cause=Cause.NEW, summary="no step like it was run here before")]
    reasons = [*_source(now, before), *_op(now, before), *_inputs(now, before, listing_of)]
    if reasons:
        return reasons
    if not before.done:
        return [Reason(cause=Cause.FAILED, summary="it failed the last time, so no result of it is stored")]
    return [Reason(cause=Cause.GONE, summary="its stored result is gone")]


def built_on(name: str) -> Reason:
    """The input of that name has another result now."""
    return Reason(cause=Cause.INPUT, summary=f"built on another result of {name}")


def _source(now: Derivation, before: Derivation) -> Iterator[Reason]:
    if now.resolved != before.resolved:
        yield _moved(now.name, before.resolved, now.resolved)


def _moved(name: str, old: str, new: str) -> Reason:
    was, is_now = _short(old), _short(new)
    if was == is_now:  # one index, two of its images
        summary = f"{_plain_source(name)} is wanted {new[new.find(' ') + 1 :]}, where it was {old[old.find(' ') + 1 :]}"
    else:
        summary = f"{_plain_source(name)} moved from {was} to {is_now}"
    return Reason(cause=Cause.SOURCE, summary=summary, details=(f"- {old}", f"+ {new}"))


def _plain_source(name: str) -> str:
    """`base image busybox` for `[stage 1/2] FROM docker.io/library/busybox:latest@sha256:…`."""
    text = text_of(name)
    if text.startswith("FROM "):
        return f"base image {text.removeprefix('FROM ').partition('@')[0]}"
    return text.partition("@")[0]


def _short(resolved: str) -> str:
    """The part of a resolved source that tells it from others, cut for reading."""
    _, _, digest = resolved.partition("@")
    digest, _, _ = (digest or resolved).partition(" ")
    return digest if len(digest) <= _SHOWN else digest[:_SHOWN] + "…"


def _op(now: Derivation, before: Derivation) -> Iterator[Reason]:
    ((kind, new),) = now.op.items()
    ((_, old),) = before.op.items()
    if kind == "exec":
        yield from _command(old.get("args", []), new.get("args", []))
        yield from _environment(old.get("env", []), new.get("env", []))
        old, new = _without(old, "args", "env"), _without(new, "args", "env")
    if kind == "source" and now.resolved:
        return  # told by what it resolved to
    changes = [*_changes("", old, new)]
    if now.platform != before.platform:
        changes.append(("platform", before.platform, now.platform))
    if changes:
        names = ", ".join(dict.fromkeys(path for path, _, _ in changes))
        details = [line for path, was, is_now in changes for line in _sides(f"{path}: ", was, is_now)]
        yield Reason(cause=Cause.OPTIONS, summary=f"{names} changed", details=tuple(details))


def _command(old: Sequence[str], new: Sequence[str]) -> Iterator[Reason]:
    if list(old) != list(new):
        yield Reason(cause=Cause.COMMAND, summary="the command changed", details=_sides("", _line(old), _line(new)))


def _line(args: Sequence[str]) -> str:
    """As written in the build file: the shell is left out."""
    return args[2] if len(args) == 3 and args[1] == "-c" else " ".join(args)


def _environment(old: Sequence[str], new: Sequence[str]) -> Iterator[Reason]:
    """Build args and variables alike: a step sees no difference."""
    was, is_now = _variables(old), _variables(new)
    changed = sorted(name for name in was.keys() | is_now.keys() if was.get(name) != is_now.get(name))
    if changed:
        what = "build arg or variable" if len(changed) == 1 else "build args or variables"
        details = [line for name in changed for line in _sides(f"{name}=", was.get(name), is_now.get(name))]
        yield Reason(cause=Cause.ENVIRONMENT, summary=f"{what} {', '.join(changed)} changed", details=tuple(details))
    elif list(old) != list(new):
        yield Reason(cause=Cause.ENVIRONMENT, summary="the order of build args and variables changed")


def _variables(env: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in env)}


def _without(plain: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name not in names}


def _changes(path: str, old: object, new: object) -> Iterator[tuple[str, object, object]]:
    """Where two plain values differ: (path, old, new), None for what is not there."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _changes(f"{path}.{name}" if path else name, old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (was, is_now) in enumerate(zip(old, new, strict=True)):
            yield from _changes(f"{path}[{number}]" if len(old) > 1 else path, was, is_now)
    elif old != new:
        yield path, old, new


def _sides(head: str, old: object, new: object) -> tuple[str, ...]:
    said = []
    if old is not None:
        said += [f"- {head}{line}" for line in _shown(old)]
    if new is not None:
        said += [f"+ {head}{line}" for line in _shown(new)]
    return tuple(said)


def _shown(value: object) -> list[str]:
    text = value if isinstance(value, str) else f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)
    return [line if len(line) <= _LONGEST else line[:_LONGEST] + "…" for line in text.splitlines() or [""]]


def _inputs(now: Derivation, before: Derivation, listing_of: ListingOf) -> Iterator[Reason]:
    if len(now.inputs) != len(before.inputs):
        yield Reason(cause=Cause.INPUT, summary="it is built on other things")
        return
    for new, old in zip(now.inputs, before.inputs, strict=True):
        if (new.kind, new.value) == (old.kind, old.value):
            continue
        if new.kind == old.kind == "files":
            yield _files(new, old, listing_of)
        elif new.kind == old.kind == "source":
            yield _moved(new.name, old.value, new.value)
        else:
            yield built_on(new.name)


def _files(new: Input, old: Input, listing_of: ListingOf) -> Reason:
    where = new.path or new.name
    before, after = listing_of(old.value), listing_of(new.value)
    if before is None or after is None:
        return Reason(cause=Cause.FILES, summary=f"{where}: files changed (which ones was not kept)")
    changes = compare_listings(before, after)
    if not changes:
        return Reason(cause=Cause.FILES, summary=f"{where}: the same files are selected in another way")
    total = count_files(after) + sum(change.how == "removed" for change in changes)
    few = ", ".join(map(str, changes[:3])) + (", …" if len(changes) > 3 else "")
    noun = "file" if total == 1 else "files"
    return Reason(
        cause=Cause.FILES,
        summary=f"{where}: {len(changes)} of {total} {noun} changed: {few}",
        details=tuple(map(str, changes)),
    )
