"""Making mounts before they have a place: most functions return a detached mount as a descriptor.

A mount that exists before it is attached can be attached after the machine's own tree is gone, and then no
path of an image, symlink or not, can lead there. Interface: fsopen(2), open_tree(2), move_mount(2).
"""

from __future__ import annotations

import errno
import os

from .. import syscalls
from .failure import SetupError, explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host

__all__ = ["QUIET", "attach", "bind", "filesystem", "inside", "overlay"]

QUIET = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV | syscalls.MOUNT_ATTR_NOEXEC

_FSCONFIG_LIMIT = 255  # the kernel refuses longer strings: strndup_user(value, 256) in fs/fsopen.c


def filesystem(kind: bytes, options: tuple[tuple[bytes, bytes], ...] = (), attributes: int = 0) -> int:
    """A new filesystem of that kind; an option without a value is a flag."""
    context = syscalls.fsopen(kind)
    try:
        if not any(key == b"source" for key, _ in options):
            syscalls.fsconfig_string(context, b"source", kind)  # what df and mount show
        for key, value in options:
            if value:
                syscalls.fsconfig_string(context, key, value)
            else:
                syscalls.fsconfig_flag(context, key)
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, attributes)
    finally:
        os.close(context)


def overlay(lowers: list[bytes], upper: bytes, work: bytes, *, host: Host) -> int:
    """Layers, bottom first, with changes going to `upper` (b"": none can be made)."""
    try:
        context = syscalls.fsopen(b"overlay")
    except OSError as exc:
        raise explained("cannot mount layers", exc) from exc
    opened: list[int] = []
    try:
        syscalls.fsconfig_string(context, b"source", b"overlay")
        for folder in reversed(lowers):
            syscalls.fsconfig_string(context, b"lowerdir+", _short(folder, opened))
        if upper:
            syscalls.fsconfig_string(context, b"upperdir", _short(upper, opened))
            syscalls.fsconfig_string(context, b"workdir", _short(work, opened))
        for key, value in _options(upper=upper, userxattr=host.in_userns):
            if value:
                syscalls.fsconfig_string(context, key, value)
            else:
                syscalls.fsconfig_flag(context, key)
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context)
    except OSError as exc:
        log = _kernel_log(context)
        if b"'lowerdir+'" in log or _knows_no_options(log, exc):
            return _overlay_of_old(lowers, upper, work, host=host)
        if log:
            raise SetupError(f"cannot mount {len(lowers)} layers: {os.fsdecode(log)}") from exc
        raise explained(f"cannot mount {len(lowers)} layers", exc) from exc
    finally:
        for fd in (context, *opened):
            os.close(fd)


def _knows_no_options(log: bytes, refused: OSError) -> bool:
    """Whether this is a kernel before 6.5, whose overlayfs looks at no option by itself (fs/fs_context.c, legacy_*).

    It takes them as they come, into one page, and says in dmesg what was wrong with them together.
    """
    return refused.errno == errno.EINVAL and (not log or b"VFS: Legacy" in log)


def _options(*, upper: bytes, userxattr: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Layers must stay portable: no index, no redirects, no metadata-only copies, whatever the kernel defaults to.

    "nofollow" rather than "off": with "userxattr" the kernel accepts only that, and it means the same here.
    "volatile": a step's sync(2) need not reach the disk, since a crash throws its layer away anyway.
    """
    options = [(b"index", b"off"), (b"metacopy", b"off"), (b"redirect_dir", b"nofollow")]
    if upper:
        options.append((b"volatile", b""))
    if userxattr:
        options.append((b"userxattr", b""))
    return tuple(options)


def _short(path: bytes, opened: list[int]) -> bytes:
    """A name for `path` that fits into fsconfig and holds nothing overlayfs would unescape."""
    if len(path) <= _FSCONFIG_LIMIT and b"\\" not in path:
        return path
    opened.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    return b"/proc/self/fd/%d" % opened[-1]


def _overlay_of_old(lowers: list[bytes], upper: bytes, work: bytes, *, host: Host) -> int:
    """The same by mount(2), whose options must fit into one page: so layers are named by their descriptors.

    Relative to /proc/self/fd a name is 2 to 4 bytes, enough for the 500 layers overlayfs can take.
    """
    before = os.open(b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened: list[int] = []
    try:
        opened.extend(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in reversed(lowers))
        options = [b"lowerdir=" + b":".join(b"%d" % fd for fd in opened)]
        for key, path in ((b"upperdir", upper), (b"workdir", work)):
            if path:
                opened.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
                options.append(key + b"=%d" % opened[-1])
        for key, value in _options(upper=upper, userxattr=host.in_userns):
            options.append(key + b"=" + value if value else key)
        os.chdir(b"/proc/self/fd")
        syscalls.mount(b"overlay", host.stage, b"overlay", 0, b",".join(options))
    except OSError as exc:
        raise explained(f"cannot mount {len(lowers)} layers", exc) from exc
    finally:
        os.fchdir(before)
        for fd in (before, *opened):
            os.close(fd)
    return syscalls.open_tree(host.stage)


def bind(source: bytes, *, dir_fd: int = syscalls.AT_FDCWD, attributes: int = 0) -> int:
    """A second view of a file or folder and of everything mounted below it."""
    tree = syscalls.open_tree(source, dir_fd=dir_fd, recursive=True)
    if attributes:
        syscalls.mount_setattr(tree, attributes=attributes, recursive=True)
    return tree


def attach(tree: int, folder: int, name: bytes = b"") -> int:
    """Put a mount at `name` in `folder` ("": `folder` itself) and return it; one that has a place moves from there."""
    syscalls.move_mount(tree, name, dir_fd=folder)
    return tree


def inside(folder: int, selector: bytes) -> int:
    """The file or folder at `selector` in `folder`, as a descriptor; links are followed, but never out of it."""
    resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
    return syscalls.openat2(selector.lstrip(b"/") or b".", os.O_PATH, dir_fd=folder, resolve=resolve)


def _kernel_log(context: int) -> bytes:
    """What the kernel has to say about a failed mount: lines like "e overlay: ..." (fsopen(2), "Message retrieval")."""
    lines: list[bytes] = []
    while True:
        try:
            line = os.read(context, 4096)
        except OSError as exc:
            if exc.errno != errno.ENODATA:
                raise
            return b"; ".join(lines)
        lines.append(line.partition(b" ")[2].strip())
