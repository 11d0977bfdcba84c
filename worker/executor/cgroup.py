"""A cgroup for one step, where it must not take more than so much: version 2, version 1, or both beside each other.

It lies below the cgroup llbuild itself runs in, whose limits go on to hold, or below one that was asked for; there is
one in each hierarchy that is needed. A limit that cannot be set is an error: a step never runs without it.
"""

from __future__ import annotations

import errno
import os
import posixpath
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from ...errors import SandboxError
from .cgroupfiles import read_file, settings_v1, settings_v2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .cgroupfiles import Hierarchy
    from .spec import CgroupSpec

__all__ = ["StepCgroup"]

_numbers = count()


class StepCgroup:
    """The cgroups of one step. Blocking; remove it when the step is over."""

    def __init__(self, spec: CgroupSpec, found: Iterable[Hierarchy]) -> None:
        """Make and set them. Raises SandboxError naming what cannot be limited here."""
        self.folders: list[str] = []
        self._memory = self._pids = ""  # folders in which these are counted
        wanted = {key.partition(".")[0] for key in settings_v2(spec)} | ({"pids"} if spec.parent else set())
        known = list(found)
        try:
            for hierarchy in known:
                mine = wanted & hierarchy.controllers
                if mine:
                    self._add(hierarchy, spec, mine)
                    wanted -= mine
        except OSError as error:
            self.remove()
            raise _refused(wanted, f"{error.strerror} ({error.filename})" if error.filename else str(error)) from error
        if wanted:
            self.remove()
            raise _refused(wanted, "no cgroup hierarchy that is mounted here has what it takes")

    def memory_kills(self) -> int:
        """How many processes were killed because the memory was used up."""
        file = "memory.oom_control" if os.path.exists(f"{self._memory}/memory.oom_control") else "memory.events"
        return _counter(self._memory, file, "oom_kill")

    def forks_refused(self) -> int:
        """How often a process more than allowed was to be started."""
        return _counter(self._pids, "pids.events", "max")

    def remove(self) -> bool:
        """Says whether all are gone: for a moment after the last process has ended one may still be busy."""
        left = []
        for folder in self.folders:
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                continue
            except OSError:
                left.append(folder)
        self.folders = left
        return not left

    def _add(self, hierarchy: Hierarchy, spec: CgroupSpec, controllers: set[str]) -> None:
        folder = _make_v2(hierarchy, spec, controllers) if hierarchy.unified else _make_v1(hierarchy, spec, controllers)
        self.folders.append(folder)
        settings = settings_v2(spec) if hierarchy.unified else settings_v1(spec)
        for file, value in settings.items():
            if file.partition(".")[0] in controllers:
                _write(f"{folder}/{file}", value)
        self._memory = folder if "memory" in controllers else self._memory
        self._pids = folder if "pids" in controllers else self._pids


def _make_v1(hierarchy: Hierarchy, spec: CgroupSpec, controllers: set[str]) -> str:
    parent = _parent(hierarchy, spec) or hierarchy.own
    for folder in _new_folders(hierarchy.mount, parent):
        os.mkdir(folder)
        if "cpuset" in controllers:
            _inherit_cpuset(folder)
    folder = _new_folder(parent)
    if "cpuset" in controllers:
        _inherit_cpuset(folder)
    return folder


def _inherit_cpuset(folder: str) -> None:
    """A new cpuset of version 1 is empty, and an empty one takes no process."""
    above = os.path.dirname(folder)
    for file in ("cpuset.cpus", "cpuset.mems"):
        _write(f"{folder}/{file}", read_file(f"{above}/{file}").strip())


def _make_v2(hierarchy: Hierarchy, spec: CgroupSpec, controllers: set[str]) -> str:
    """Below our own cgroup; or beside it, since one with processes in it can pass no controller on."""
    asked = _parent(hierarchy, spec)
    parents = (asked,) if asked else (hierarchy.own, os.path.dirname(hierarchy.own))
    for parent in parents:
        if not f"{parent}/".startswith(f"{hierarchy.mount}/"):
            continue
        for above in _on_the_way(hierarchy.mount, parent):
            if not os.path.isdir(above):
                os.mkdir(above)
            missing = controllers - set(read_file(f"{above}/cgroup.subtree_control").split())
            for controller in sorted(missing):
                with suppress(OSError):  # what that means shows below
                    _write(f"{above}/cgroup.subtree_control", f"+{controller}")
        folder = _new_folder(parent)
        if controllers <= set(read_file(f"{folder}/cgroup.controllers").split()):
            return folder
        os.rmdir(folder)
    raise OSError(
        errno.EBUSY, f"the cgroup llbuild runs in passes {', '.join(sorted(controllers))} on to no other", hierarchy.own
    )


def _parent(hierarchy: Hierarchy, spec: CgroupSpec) -> str:
    """The cgroup asked for, which never lies outside the hierarchy; "" for none."""
    if not spec.parent:
        return ""
    return hierarchy.mount + posixpath.normpath(f"/{spec.parent}").rstrip("/")


def _on_the_way(mount: str, folder: str) -> Iterator[str]:
    """The folders from the mount down to `folder`."""
    yield mount
    at = len(mount)
    while at < len(folder):
        at = folder.find("/", at + 1)
        at = len(folder) if at < 0 else at
        yield folder[:at]


def _new_folders(mount: str, folder: str) -> Iterator[str]:
    return (name for name in _on_the_way(mount, folder) if not os.path.isdir(name))


def _new_folder(parent: str) -> str:
    """A cgroup of this process; those of processes that died go. The name tells whose it is."""
    for name in os.listdir(parent):
        prefix, _, rest = name.partition("-")
        if prefix == "llbuild" and not os.path.exists(f"/proc/{rest.partition('-')[0]}"):
            with suppress(OSError):
                os.rmdir(f"{parent}/{name}")
    folder = f"{parent}/llbuild-{os.getpid()}-{next(_numbers)}"
    os.mkdir(folder)
    return folder


def _counter(folder: str, file: str, name: str) -> int:
    for line in read_file(f"{folder}/{file}").splitlines() if folder else ():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def _refused(wanted: Iterable[str], reason: str) -> SandboxError:
    return SandboxError(
        f"cannot limit a step's {' and '.join(sorted(wanted)) or 'resources'}: {reason}",
        hint="run as root, or in a cgroup that is yours and passes these controllers on"
        " (systemd-run --user --scope -p Delegate=yes), or leave the limit out",
    )
