"""From the machine's root to the step's: everything is prepared detached, then the machine's tree goes, then it is
put in place. No path of the image is ever resolved while a path of the machine can still be reached.
"""

from __future__ import annotations

import os
import stat

from .. import syscalls
from . import kernelfs, netfiles
from .failure import SetupError, explained
from .mountpoints import MountPoints
from .mounts import QUIET, bind, filesystem, inside, overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host
    from .wire import Mount, Step

__all__ = ["RootFilesystem"]

_RDONLY = syscalls.MOUNT_ATTR_RDONLY


class RootFilesystem:
    """One step's root in the making: `prepare` what every step has, `build` what this one asks for, `enter`, `furnish`.

    Up to `enter` the machine's tree is still there.
    """

    def __init__(self, host: Host, *, insecure: bool) -> None:
        self._host = host
        self._insecure = insecure
        self._extra: list[tuple[Mount, int]] = []
        self._own_files: list[tuple[bytes, int]] = []
        self.mount_points = MountPoints()

    def prepare(self) -> None:
        host, insecure = self._host, self._insecure
        # Each more than its text needs: programs rewrite these files.
        self._scratch = filesystem(b"tmpfs", ((b"mode", b"0755"), (b"size", b"4m")), QUIET)
        # Attached below the place of the root, where it goes away with the machine's tree; before Linux 6.15 only
        # an attached mount can be cloned.
        syscalls.move_mount(self._scratch, host.stage)
        os.mkdir(b"empty", 0o555, dir_fd=self._scratch)
        self._empty = syscalls.open_tree(b"empty", dir_fd=self._scratch)
        # Before the machine's tree is gone: the kernel grants a new /proc or /sys to a user namespace only where
        # one is already visible (mount_too_revealing in fs/namespace.c).
        self._proc = kernelfs.new_proc()
        self._sys = kernelfs.new_sys(writable=insecure)
        self._cgroup = kernelfs.new_cgroup(writable=insecure) if host.cgroup2 and not host.in_userns else -1
        self._dev = kernelfs.DeviceFolder(host, insecure=insecure)

    def build(self, step: Step) -> None:
        host, root = self._host, step["root"]
        self._readonly = root["readonly"] or not root["upper"]
        self._dev.add_shm(step["shm_size"])
        self._prepare_own_files(step)
        for wanted in step["mounts"]:
            self._extra.append((wanted, self._prepare_extra(wanted)))
        self.mount_points.use(root["upper"])
        if root["lowers"] or root["upper"]:
            lowers = [host.stubs, *root["lowers"]]
            self._root = overlay(lowers, root["upper"], root["work"], host=host)
        else:  # overlayfs refuses a single layer
            self._root = bind(host.stubs)
        if not self._insecure:
            syscalls.mount_setattr(self._root, attributes=syscalls.MOUNT_ATTR_NODEV)

    def enter(self) -> None:
        """Change the root and let go of the machine's tree, after pivot_root(2), "pivot_root(".", ".")"."""
        syscalls.move_mount(self._root, self._host.stage)
        os.fchdir(self._root)
        syscalls.pivot_root(b".", b".")
        syscalls.umount2(b".", syscalls.MNT_DETACH)
        os.chdir(b"/")

    def furnish(self) -> None:
        for path, tree in ((b"/proc", self._proc), (b"/sys", self._sys)):
            self._attach(path, tree)
        if self._cgroup >= 0 and os.path.isdir(b"/sys/fs/cgroup"):
            self._attach(b"/sys/fs/cgroup", self._cgroup)
        dev = self._plain_folder(b"/dev")
        self._dev.attach(dev)
        os.close(dev)
        for path, tree in self._own_files:
            self._attach_at_link(path, tree)
        for wanted, tree in self._extra:
            self._attach_extra(wanted, tree)
        if not self._insecure:
            kernelfs.mask(self._empty)

    def protect(self) -> None:
        """Make the root read-only if it is to be; the last act, since nothing can be made in it afterwards."""
        if self._readonly:
            syscalls.mount_setattr(self._root, attributes=_RDONLY)

    def _prepare_own_files(self, step: Step) -> None:
        """/etc/hosts and /etc/resolv.conf on a tmpfs of the step: it may write them, and no layer gets them."""
        texts = {
            b"hosts": netfiles.hosts(step["hostname"], step["extra_hosts"]),
            b"resolv.conf": netfiles.resolv_conf(_machine_resolv_conf(), own_network=step["own_network"]),
        }
        for name, text in texts.items():
            fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=self._scratch)
            os.write(fd, text)
            os.close(fd)
            self._own_files.append((b"/etc/" + name, syscalls.open_tree(name, dir_fd=self._scratch)))

    def _prepare_extra(self, wanted: Mount) -> int:
        attributes = _RDONLY if wanted["readonly"] else 0
        attributes |= 0 if self._insecure else syscalls.MOUNT_ATTR_NODEV
        try:
            if wanted["kind"] == "tmpfs":
                options = ((b"size", b"%d" % wanted["size"]),) if wanted["size"] else ()
                return filesystem(b"tmpfs", options, syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV)
            if wanted["kind"] == "bind" and not wanted["selector"]:
                return bind(wanted["source"], attributes=attributes)
            if wanted["kind"] == "bind":
                whole = os.open(wanted["source"], os.O_PATH | os.O_CLOEXEC)
            else:
                whole = self._prepare_layers(wanted)
                syscalls.move_mount(whole, self._host.stage)
            part = inside(whole, wanted["selector"])
            tree = bind(b"", dir_fd=part, attributes=attributes)
            os.close(part)
            os.close(whole)
            return tree
        except OSError as exc:
            raise explained(f"cannot prepare the mount at {os.fsdecode(wanted['dest'])}", exc) from exc

    def _prepare_layers(self, wanted: Mount) -> int:
        host = self._host
        empty = host.stubs + b"/proc"  # overlayfs wants two layers where there is no upper one
        lowers = [empty, *wanted["lowers"]]
        if len(lowers) == 1 and not wanted["upper"]:
            return bind(empty)
        return overlay(lowers, wanted["upper"], wanted["work"], host=host)

    def _attach(self, path: bytes, tree: int) -> None:
        mount_point = self._plain_folder(path)
        syscalls.move_mount(tree, dir_fd=mount_point)
        os.close(mount_point)
        os.close(tree)

    def _attach_at_link(self, path: bytes, tree: int) -> None:
        mount_point = self.mount_points.find(path, folder=False)
        syscalls.move_mount(tree, dir_fd=mount_point)
        os.close(mount_point)
        os.close(tree)

    def _attach_extra(self, wanted: Mount, tree: int) -> None:
        dest = wanted["dest"]
        kind = os.fstat(tree)
        mount_point = self.mount_points.find(dest, folder=stat.S_ISDIR(kind.st_mode))
        covered = os.fstat(mount_point)
        if stat.S_ISDIR(kind.st_mode) != stat.S_ISDIR(covered.st_mode):
            raise SetupError(f"cannot mount at {os.fsdecode(dest)}: one is a folder, the other is a file")
        if wanted["kind"] == "tmpfs" and dest.strip(b"/") not in self.mount_points.made:
            os.chmod(b"/proc/self/fd/%d" % tree, stat.S_IMODE(covered.st_mode))  # as runc does
        try:
            syscalls.move_mount(tree, dir_fd=mount_point)
        except OSError as exc:
            raise explained(f"cannot mount at {os.fsdecode(dest)}", exc) from exc
        os.close(mount_point)
        os.close(tree)

    def _plain_folder(self, path: bytes) -> int:
        """A mount point of the kernel's filesystems. A link there is an attack or a mistake; runc refuses it too."""
        resolve = syscalls.RESOLVE_NO_SYMLINKS
        try:
            return syscalls.openat2(path, os.O_PATH | os.O_DIRECTORY, resolve=resolve)
        except FileNotFoundError:  # deleted by a layer, which hides the stub
            return self.mount_points.find(path, folder=True)
        except OSError as exc:
            raise SetupError(f"{os.fsdecode(path)} must be an ordinary folder in the image: {exc.strerror}") from exc


def _machine_resolv_conf() -> bytes:
    try:
        fd = os.open(b"/etc/resolv.conf", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)
