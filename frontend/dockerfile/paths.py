"""Paths of an image as Dockerfiles write them, for Linux and for Windows images. Text only: no disk is looked at."""

from __future__ import annotations

import posixpath

from ...image import DEFAULT_PATH

__all__ = ["clean", "default_path_env", "from_slash", "is_abs", "join", "normalize", "strip_drive", "to_slash"]


def clean(path: str) -> str:
    """Go's path.Clean: shortest equal path; "" is "."."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def join(*parts: str) -> str:
    """Go's path.Join: empty parts do not count; the result is clean."""
    used = [part for part in parts if part]
    return clean("/".join(used)) if used else ""


def to_slash(path: str, system: str) -> str:
    return path.replace("\\", "/") if system == "windows" else path


def from_slash(path: str, system: str) -> str:
    return path.replace("/", "\\") if system == "windows" else path


def is_abs(path: str, system: str) -> bool:
    try:
        return strip_drive(path, system).startswith("/")
    except ValueError:
        return False


def strip_drive(path: str, system: str, *, keep_slash: bool = False) -> str:
    """Without the drive letter, slashes forward; a Linux path as it is. Raises ValueError: not on drive C."""
    if system != "windows":
        return path
    if len(path) == 2 and path[1] == ":":
        raise ValueError(f"{path!r} is a drive without a path")
    slashed = to_slash(path, system)
    if slashed.startswith("//"):
        raise ValueError(f"{path!r}: UNC paths are not supported")
    drive, colon, rest = slashed.partition(":")
    if not colon:
        rest = slashed
    elif drive.lower() != "c":
        raise ValueError(f"{path!r} is not on the system drive C:")
    cleaned = clean(rest)
    return cleaned + "/" if keep_slash and len(cleaned) > 1 and rest.endswith("/") else cleaned


def normalize(parent: str, path: str, system: str, *, keep_slash: bool) -> str:
    """`path`, seen from `parent`, absolute and with forward slashes.

    An absolute Linux path is left as written. keep_slash: a `/` or `/.` at the end stays, since COPY gives it a
    meaning. Raises ValueError as strip_drive does.
    """
    path = to_slash(path, system)
    original = path
    parent = strip_drive(to_slash(parent, system) or "/", system, keep_slash=keep_slash)
    if not is_abs(parent, system):
        parent = join("/", parent)
    path = strip_drive(path or parent, system, keep_slash=keep_slash)
    if not is_abs(path, system):
        path = join(parent, path)
    if keep_slash:
        if original.endswith("/") and not path.endswith("/"):
            path += "/"
        elif original.endswith("/."):
            path = (path if path == "/" else path + "/") + "."
    return to_slash(path, system)


def default_path_env(system: str) -> str:
    """PATH where an image says none."""
    if system == "windows":
        return "c:\\Windows\\System32;c:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0"
    return DEFAULT_PATH
