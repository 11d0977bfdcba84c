"""Who is who in a step, where there is one id: a process beside the step that answers its calls about users and owners.

In a user namespace of a single id the kernel refuses to become anybody else or to give files away. So the step's filter
hands such calls over (seccomp/notify.py), and this process answers as if all ids existed: which process has which
(credentials.py), which file belongs to whom (ownedfiles.py). It is a child of the helper, in the step's root and mount
namespace but not among its processes, and has the step's capabilities and two more: to read the memory of those
who ask (CAP_SYS_PTRACE), and to mark them (CAP_SYS_NICE). So whoever tricks it gains nothing that the step may not do.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct

from .. import syscalls
from ..owners import recall
from . import capabilities, credentials
from .credentials import BASE_SLACK_NS, Ids, IdSets
from .newfiles import NewFiles
from .notified import CONTINUE, Listener
from .ownedfiles import Links, OwnedFiles
from .steppaths import StepPaths
from .wire import FrameReader, decode_introduction, frame, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .host import Host
    from .notified import Call
    from .wire import Introduction

__all__ = ["introduce", "keep_ids"]

_CAP_SYS_PTRACE, _CAP_SYS_NICE = 19, 23
_PR_SET_TIMERSLACK = 29
_READ_BYTES = 1 << 16
_ALL_FDS = 1 << 16
_SHOWN = frozenset({errno.EPERM, errno.EROFS, errno.EINVAL, errno.EAGAIN, errno.EEXIST, errno.ENOSPC, errno.EDQUOT})


def introduce(channel: socket.socket, host: Host, introduction: Introduction, folders: list[int]) -> None:
    """In the step's first process, just before it becomes the step's user: have its calls answered from now on.

    folders: of the new layer and its content, open; none where nothing is kept.
    """
    syscalls.prctl(_PR_SET_TIMERSLACK, BASE_SLACK_NS)
    assert host.notify is not None
    listener = syscalls.set_seccomp_filter(host.notify, listen=True)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener, *folders]))]
    message = frame(pack(introduction))
    sent = channel.sendmsg([message], rights, socket.MSG_NOSIGNAL)
    if sent < len(message):  # an empty rest would be an error: the other side has closed by now
        channel.sendall(message[sent:], socket.MSG_NOSIGNAL)
    for fd in (listener, *folders):
        os.close(fd)
    channel.close()


def keep_ids(host: Host, channel: socket.socket, child: int) -> NoReturn:
    """The process itself. It ends with the step."""
    try:
        os.closerange(3, min(channel.fileno(), host.proc))
        os.closerange(min(channel.fileno(), host.proc) + 1, max(channel.fileno(), host.proc))
        os.closerange(max(channel.fileno(), host.proc) + 1, _ALL_FDS)
        syscalls.name_process(b"llbuild-ids")
        introduction, fds = _receive(channel)
        step = os.pidfd_open(child)
        syscalls.setns(step, syscalls.CLONE_NEWNS)
        os.close(step)
        root = os.open(b"/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fchdir(host.proc)
        if not introduction["insecure"]:
            kept = (capabilities.DEFAULT | 1 << _CAP_SYS_PTRACE | 1 << _CAP_SYS_NICE) & host.permitted
            syscalls.capset(effective=kept, permitted=kept, inheritable=0)
        listener, *folders = fds
        layer, upper = folders or (-1, -1)
        owners = {inode: (uid, gid, kind) for inode, uid, gid, kind in introduction["owners"]}
        _Keeper(host, Listener(listener), Links(owners, layer, upper), root).serve()
    finally:
        os._exit(0)


def _receive(channel: socket.socket) -> tuple[Introduction, list[int]]:
    reader = FrameReader()
    fds = array.array("i")
    while True:
        data, ancillary, _, _ = channel.recvmsg(_READ_BYTES, socket.CMSG_SPACE(3 * 4), socket.MSG_CMSG_CLOEXEC)
        if not data:
            os._exit(0)  # the step ended before it began
        for _, _, payload in ancillary:
            fds.frombytes(payload)
        body = reader.feed(data)
        if body is not None:
            channel.close()
            return decode_introduction(body), list(fds)


class _Keeper:
    def __init__(self, host: Host, listener: Listener, links: Links, root: int) -> None:
        self._listener = listener
        self._sets = IdSets()
        self._paths = StepPaths(listener, root, host.proc)
        files = OwnedFiles(listener, self._paths, links, self._ids_of)
        self._names = host.notify_calls
        self._calls: dict[str, Callable[[Call], object]] = {
            "getuid": lambda call: self._ids_of(call).uids[0],
            "geteuid": lambda call: self._ids_of(call).uids[1],
            "getgid": lambda call: self._ids_of(call).gids[0],
            "getegid": lambda call: self._ids_of(call).gids[1],
            "getresuid": lambda call: self._write_three(call, self._ids_of(call).uids),
            "getresgid": lambda call: self._write_three(call, self._ids_of(call).gids),
            "getgroups": self._getgroups,
            "setgroups": self._setgroups,
            "prctl": lambda _: 0,  # PR_SET_TIMERSLACK: it has another use here
            **dict.fromkeys(("chroot", "unshare", "clone", "setns"), self._leave),
            **files.calls,
            **NewFiles(listener, self._paths, files, self._ids_of).calls,
        }
        for kind in ("uid", "gid"):
            self._add_setters(kind)

    def serve(self) -> None:
        """Answer until nobody is left."""
        while True:
            call = self._listener.take()
            if call is None:
                return
            name = self._names[call.abi][call.number]
            result: object = CONTINUE
            try:
                result = CONTINUE if self._paths.of_another_world(call) else self._calls[name](call)
            except OSError as exc:
                # Else the kernel will find the same, and say it better.
                if exc.errno in _SHOWN:
                    result = -exc.errno
            except Exception:  # noqa: BLE001, S110  whatever a step has thought up, it must go on for the others
                pass
            self._listener.answer(call, result)

    def _leave(self, _: Call) -> object:
        self._paths.leave()
        return CONTINUE

    def _add_setters(self, kind: str) -> None:
        """set…id of users or of groups: the same but for what they change."""
        is_user = kind == "uid"

        def setter(
            change: Callable[[tuple[int, int, int, int], list[int], bool], tuple[int, int, int, int]],
        ) -> Callable[[Call], object]:
            def run(call: Call) -> object:
                ids = self._ids_of(call)
                args = [_id(number, call) for number in call.args]
                new = change(ids.uids if is_user else ids.gids, args, ids.privileged)
                self._mark(call, ids, ids.with_uids(new) if is_user else ids.with_gids(new))
                return 0

            return run

        def set_of_files(call: Call) -> object:
            ids = self._ids_of(call)
            old = ids.uids if is_user else ids.gids
            new = credentials.set_of_files(old, _id(call.args[0], call), privileged=ids.privileged)
            self._mark(call, ids, ids.with_uids(new) if is_user else ids.with_gids(new))
            return old[3]

        self._calls.update(
            {
                f"set{kind}": setter(lambda old, args, root: credentials.set_one(old, args[0], privileged=root)),
                f"setre{kind}": setter(lambda old, args, root: credentials.set_two(old, *args[:2], privileged=root)),
                f"setres{kind}": setter(
                    lambda old, args, root: credentials.set_three(old, (args[0], args[1], args[2]), privileged=root)
                ),
                f"setfs{kind}": set_of_files,
            }
        )

    # --- who asks

    def _ids_of(self, call: Call) -> Ids:
        if self._sets.only_root:
            return credentials.ROOT
        with open(b"%d/timerslack_ns" % call.pid, "rb", buffering=0) as file:
            ids = self._sets.of(int(file.read(32)))
        if ids is credentials.ROOT:
            return ids
        return self._elevated(call, ids)

    def _elevated(self, call: Call, ids: Ids) -> Ids:
        """As a set-user-id or set-group-id program makes it, unless it has changed its ids since."""
        path = b"%d/exe" % call.pid
        try:
            program = os.stat(path)
        except OSError:
            return ids
        if not program.st_mode & 0o6000 or (program.st_dev, program.st_ino) == ids.program:
            return ids
        owner = self._owner_of(path)
        uids, gids = ids.uids, ids.gids
        if program.st_mode & 0o4000:
            uids = (uids[0], owner[0], owner[0], owner[0])
        if program.st_mode & 0o2010 == 0o2010:
            gids = (gids[0], owner[1], owner[1], owner[1])
        return Ids(uids, gids, ids.groups, (program.st_dev, program.st_ino))

    @staticmethod
    def _owner_of(path: bytes) -> tuple[int, int]:
        known = recall(path, follow=True)
        return (0, 0) if known is None else known[:2]

    def _mark(self, call: Call, old: Ids, new: Ids) -> None:
        if new.key == old.key:
            return
        slack_ns = self._sets.slack_of(new)
        with open(b"%d/timerslack_ns" % call.pid, "wb", buffering=0) as file:
            if self._listener.waits(call):  # so the file was that of the caller
                file.write(b"%d" % slack_ns)

    # --- calls that move more than a number

    def _write_three(self, call: Call, ids: tuple[int, int, int, int]) -> object:
        width = "H" if self._is_narrow(call) else "I"
        for address, number in zip(call.args[:3], ids[:3], strict=True):
            self._listener.write(call, address, struct.pack(f"={width}", number & (0xFFFF if width == "H" else -1)))
        return 0

    def _getgroups(self, call: Call) -> object:
        count, address = call.args[0] & 0xFFFF_FFFF, call.args[1]
        groups = self._ids_of(call).groups
        if count == 0:
            return len(groups)
        if count < len(groups) or count >> 31:
            return -errno.EINVAL
        if groups:
            width = "H" if self._is_narrow(call) else "I"
            self._listener.write(call, address, struct.pack(f"={len(groups)}{width}", *groups))
        return len(groups)

    def _setgroups(self, call: Call) -> object:
        count, address = call.args[0] & 0xFFFF_FFFF, call.args[1]
        credentials.check_count(count)
        ids = self._ids_of(call)
        if not ids.privileged:
            return -errno.EPERM
        width, size = ("H", 2) if self._is_narrow(call) else ("I", 4)
        data = b"".join(
            self._listener.read(call, address + start, min(_CHUNK, count * size - start))
            for start in range(0, count * size, _CHUNK)
        )
        self._mark(call, ids, credentials.set_groups(ids, struct.unpack(f"={count}{width}", data)))
        return 0

    def _is_narrow(self, call: Call) -> bool:
        """Whether the call is one with ids of 16 bits, which only 32-bit programs have."""
        return call.number in _NARROW.get(call.abi, ())


_CHUNK = 4096
# By the ABI's number in linux/audit.h: 32-bit x86 and Arm, whose old calls have the same numbers.
_OLD_CALLS = frozenset({23, 24, 46, 47, 49, 50, 70, 71, 80, 81, 138, 139, 164, 165, 170, 171})
_NARROW = {0x4000_0003: _OLD_CALLS, 0x4000_0028: _OLD_CALLS}


def _id(number: int, call: Call) -> int:
    """An id as the kernel takes it: 32 bits, or 16 of which -1 stays -1."""
    if call.number in _NARROW.get(call.abi, ()):
        number &= 0xFFFF
        return 0xFFFF_FFFF if number == 0xFFFF else number
    return number & 0xFFFF_FFFF
