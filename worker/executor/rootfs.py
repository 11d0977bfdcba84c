"""From the machine's root to the step's.

What every step has is put together before the step is known, out of sight below the place where its root will be.
Then its root and its own mounts are made, still detached; the root changes; the machine's tree goes; and only then is
any path of the image resolved, except for three folders that must not be links.
"""

from __future__ import annotations

import os
import stat

from .. import syscalls
from ..owners import OwnerTable
from . import netfiles
from .devices import DEFAULT_SHM_BYTES, new_dev, new_shm
from .failure import SetupError, explained
from .kernelfs import mask, new_proc, new_sys
from .mountpoints import MountPoints
from .mounts import QUIET, attach, bind, filesystem, inside, overlay
from .secretfiles import SecretFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host
    from .wire import Introduction, Mount, Root, Step

__all__ = ["RootFilesystem"]

_RDONLY = syscalls.MOUNT_ATTR_RDONLY


class RootFilesystem:
    """One step's root in the making: `prepare` what all have, `build` what this one asks for, `enter`, `furnish`."""

    def __init__(self, host: Host, *, insecure: bool) -> None:
        self._host = host
        self._insecure = insecure
        self._own_files: list[tuple[bytes, int]] = []
        self._extra: list[tuple[Mount, int]] = []
        self._secrets = SecretFiles()
        self.lent: list[int] = []  # mounts of layers that the client has made
        self.mount_points = MountPoints()
        self.introduction: Introduction = {"insecure": insecure, "owners": []}
        self.layer_folders: list[int] = []  # open, with `introduction`: of the new layer, and of its content

    def prepare(self) -> None:
        """What is below the stage goes away with the machine's tree, unless it is moved from there before."""
        host, insecure = self._host, self._insecure
        options = ((b"mode", b"0755"), (b"size", b"4m"))  # more than hosts and resolv.conf need: programs rewrite them
        self._scratch = attach(filesystem(b"tmpfs", options, QUIET), syscalls.AT_FDCWD, host.stage)
        for name in (b"proc", b"sys", b"dev", b"nodes", b"empty"):
            os.mkdir(name, 0o755, dir_fd=self._scratch)
        # Here and not later: the kernel grants a new /proc or /sys to a user namespace only where one is already
        # visible (mount_too_revealing in fs/namespace.c).
        self._proc = new_proc(self._scratch)
        self._sys = new_sys(self._scratch, host, writable=insecure)
        self._dev = new_dev(self._scratch, host, insecure=insecure)
        if not insecure and not host.runtime:
            mask(self._scratch)

    def build(self, step: Step) -> None:
        host, root = self._host, step["root"]
        self._readonly = root["readonly"] or not root["upper"]
        if step["shm_size"] != DEFAULT_SHM_BYTES:
            new_shm(self._dev, step["shm_size"])
        self._prepare_own_files(step)
        for wanted in step["mounts"]:
            self._extra.append((wanted, self._prepare_extra(wanted)))
        self.mount_points.use(root["upper"])
        if host.notify is not None:
            self._recall_owners(root)
        if root["lent"] >= 0:
            self._root = self.lent[root["lent"]]
        elif root["folder"]:
            self._root = bind(root["folder"])
        elif root["lowers"] or root["upper"]:
            self._root = overlay([host.stubs, *root["lowers"]], root["upper"], root["work"], host=host)
        else:  # overlayfs refuses a single layer
            self._root = bind(host.stubs)
        if not self._insecure:
            syscalls.mount_setattr(self._root, attributes=syscalls.MOUNT_ATTR_NODEV)

    def _recall_owners(self, root: Root) -> None:
        for folder in (*root["lowers"], *([root["folder"]] if root["folder"] else ())):
            owners = OwnerTable(os.fsdecode(folder)).owners
            self.introduction["owners"] += [(inode, *known) for inode, known in owners.items()]
        if root["upper"]:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
            self.layer_folders = [os.open(path, flags) for path in (os.path.dirname(root["upper"]), root["upper"])]

    def enter(self) -> None:
        """Change the root and let go of the machine's tree: pivot_root(2), "pivot_root(".", ".")"."""
        attach(self._root, syscalls.AT_FDCWD, self._host.stage)
        os.fchdir(self._root)
        syscalls.pivot_root(b".", b".")
        for path, tree in ((b"/proc", self._proc), (b"/sys", self._sys), (b"/dev", self._dev)):
            mount_point = self._plain_folder(path)
            os.close(attach(tree, mount_point))
            os.close(mount_point)
        syscalls.umount2(b".", syscalls.MNT_DETACH)
        os.chdir(b"/")

    def expose(self) -> bytes:
        """Give the root a place outside, for a runtime to enter it; /proc becomes one that fits this process."""
        stage, scratch = self._host.stage, os.fstat(self._scratch)
        while not os.path.samestat(os.stat(stage), scratch):  # what parts of layers were cloned from lies over it
            syscalls.umount2(stage, syscalls.MNT_DETACH)
        os.mkdir(b"root", 0o755, dir_fd=self._scratch)
        attach(self._root, self._scratch, b"root")
        os.close(attach(bind(b"proc", dir_fd=self._scratch), syscalls.AT_FDCWD, b"/proc"))
        return stage + b"/root"

    def furnish_for_runtime(self) -> None:
        """`furnish`, in a process whose root this one has become by chroot(2). /proc is there only meanwhile."""
        for path in (b"/sys", b"/dev"):
            os.close(self._plain_folder(path))
        mount_point = self._plain_folder(b"/proc")
        attach(self._proc, mount_point)
        os.close(mount_point)
        self.furnish()
        syscalls.umount2(b"/proc", syscalls.MNT_DETACH)

    def furnish(self) -> None:
        for path, tree in self._own_files:
            mount_point = self.mount_points.find(path, folder=False)
            os.close(attach(tree, mount_point))
            os.close(mount_point)
        for wanted, tree in self._extra:
            self._attach_extra(wanted, tree)

    def protect(self) -> None:
        """Make the root read-only if it is to be; the last act, since nothing can be made in it afterwards."""
        if self._readonly:
            syscalls.mount_setattr(self._root, attributes=_RDONLY)

    def _prepare_own_files(self, step: Step) -> None:
        """/etc/hosts and /etc/resolv.conf on a tmpfs of the step: it may write them, and no layer gets them."""
        texts = {
            b"hosts": netfiles.hosts(step["hostname"], step["extra_hosts"]),
            b"resolv.conf": netfiles.resolv_conf(netfiles.machine_resolv_conf(), step["network"], step["resolver"]),
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
            if wanted["kind"] == "secret":
                return self._secrets.add(wanted, self._scratch, self._host)
            if wanted["kind"] == "bind" and not wanted["selector"]:
                return bind(wanted["source"], attributes=attributes)
            if wanted["kind"] == "bind":
                whole = os.open(wanted["source"], os.O_PATH | os.O_CLOEXEC)
            else:  # attached, like the scratch: before Linux 6.15 a part of a detached mount cannot be cloned
                whole = attach(self._prepare_layers(wanted), syscalls.AT_FDCWD, self._host.stage)
            part = inside(whole, wanted["selector"])
            tree = bind(b"", dir_fd=part, attributes=attributes)
            os.close(part)
            os.close(whole)
            return tree
        except OSError as exc:
            raise explained(f"cannot prepare the mount at {os.fsdecode(wanted['dest'])}", exc) from exc

    def _prepare_layers(self, wanted: Mount) -> int:
        if wanted["lent"] >= 0:
            return self.lent[wanted["lent"]]
        empty = self._host.stubs + b"/proc"  # overlayfs wants two layers where there is no upper one
        if not wanted["lowers"] and not wanted["upper"]:
            return bind(empty)
        return overlay([empty, *wanted["lowers"]], wanted["upper"], wanted["work"], host=self._host)

    def _attach_extra(self, wanted: Mount, tree: int) -> None:
        dest = wanted["dest"]
        kind = os.fstat(tree)
        mount_point = self.mount_points.find(dest, folder=stat.S_ISDIR(kind.st_mode))
        covered = os.fstat(mount_point)
        if stat.S_ISDIR(kind.st_mode) != stat.S_ISDIR(covered.st_mode):
            raise SetupError(f"cannot mount at {os.fsdecode(dest)}: one is a folder, the other is a file")
        if wanted["kind"] == "tmpfs" and dest.strip(b"/") not in self.mount_points.made:
            _change_mode(tree, stat.S_IMODE(covered.st_mode))  # as runc does
        try:
            os.close(attach(tree, mount_point))
        except OSError as exc:
            raise explained(f"cannot mount at {os.fsdecode(dest)}", exc) from exc
        os.close(mount_point)

    def _plain_folder(self, path: bytes) -> int:
        """A mount point of the kernel's filesystems. A link there is an attack or a mistake; runc refuses it too."""
        try:
            return syscalls.openat2(path, os.O_PATH | os.O_DIRECTORY, resolve=syscalls.RESOLVE_NO_SYMLINKS)
        except FileNotFoundError:  # deleted by a layer, which hides the stub
            return self.mount_points.find(path, folder=True)
        except OSError as exc:
            raise SetupError(f"{os.fsdecode(path)} must be an ordinary folder in the image") from exc


def _change_mode(tree: int, mode: int) -> None:
    """Not by way of /proc, where something of the image may be mounted by now."""
    folder = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
    os.fchmod(folder, mode)
    os.close(folder)
