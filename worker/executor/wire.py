"""What passes between the client and the helper, and how it is framed.

Settings: once, on a pipe, when the helper starts.
Control socket (SOCK_SEQPACKET): for each step one 1-byte message, "s", that carries descriptors: the step's channel,
its stdin, stdout and stderr, for a terminal a socket on which its master side comes back, and mounts that the client
has made itself. "n" with a channel alone asks whether the steps' network is there; what comes back is an outcome.
Closing it ends the helper.
Channel (SOCK_STREAM), one per step: the client sends one message, the `Step`; the helper one, the `Outcome`. When
the client shuts down its sending side, that means "kill". End of file without an outcome: the helper is gone.
A message is its length (4 bytes, little endian) and that many bytes of msgpack. All text is bytes as the kernel
will see them, so that the helper never decodes anything and names that are not UTF-8 survive.

Imported by the helper, hence so little here; TYPE_CHECKING is defined rather than imported to save `typing`.
"""

from __future__ import annotations

import msgpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, NotRequired, TypeAlias, TypedDict

    Network: TypeAlias = Literal["machine", "none", "shared"]  # shared: that of all steps of this helper

    class Settings(TypedDict):
        """What holds for all steps of one helper."""

        filter: bytes  # struct sock_filter[]: what steps may call; b"": anything
        id_calls: bytes  # what `seccomp.notify_program` makes; b"": ids are real
        runtime: list[bytes]  # the OCI runtime that is to run steps, and its flags; []: none
        chroot: bool  # steps have no namespaces, see chrooted.py
        network: list[bytes]  # the program that connects the steps' network, see network.py; []: they share none

    class Root(TypedDict):
        lowers: list[bytes]
        upper: bytes
        work: bytes
        readonly: bool
        folder: bytes  # b"": none
        lent: int  # which of the step's lent mounts it is; -1: none

    class Mount(TypedDict):
        kind: Literal["bind", "overlay", "secret", "tmpfs"]
        dest: bytes
        readonly: bool
        source: NotRequired[bytes]  # bind
        selector: NotRequired[bytes]  # bind, overlay
        lowers: NotRequired[list[bytes]]  # overlay
        upper: NotRequired[bytes]  # overlay; b"": read-only
        work: NotRequired[bytes]
        lent: NotRequired[int]  # overlay; see Root
        size: NotRequired[int]  # tmpfs
        data: NotRequired[bytes]  # secret
        uid: NotRequired[int]
        gid: NotRequired[int]
        mode: NotRequired[int]

    class Step(TypedDict):
        args: list[bytes]
        env: list[bytes]
        cwd: bytes
        uid: int
        gid: int
        groups: list[int]
        root: Root
        mounts: list[Mount]
        hostname: bytes
        extra_hosts: list[tuple[bytes, bytes]]  # name, address
        network: Network
        resolver: bytes  # address of one in the shared network; b"" elsewhere
        emulator: bytes  # a line for binfmt_misc; b"": none is needed
        insecure: bool
        shm_size: int
        rlimits: list[tuple[str, int, int]]
        cgroups: list[bytes]  # folders of those it is to be in
        lent: int  # mounts that come with the descriptors, last
        own_output: bool  # stdout and stderr are pipes made for this step
        oci: NotRequired[bytes]  # config.json, where an OCI runtime runs the step

    class IdCalls(TypedDict):
        """See seccomp.notify_program."""

        program: bytes
        calls: dict[int, dict[int, str]]

    class Introduction(TypedDict):
        """What a step's first process tells the keeper of ids (idkeeper.py)."""

        insecure: bool
        owners: list[tuple[int, int, int, int]]  # of the layers below: inode, uid, gid, type (owners.py)

    class Outcome(TypedDict, total=False):
        code: int
        signal: int
        user_s: float
        system_s: float
        max_rss_bytes: int
        read_bytes: int
        written_bytes: int
        error: str  # it never ran; the rest is missing but for `hint`
        hint: str

    class Report(TypedDict, total=False):
        """What a step's process tells the helper before it becomes the command; nothing, if all is plain."""

        error: str
        hint: str
        code: int  # and how it ended, where a process of llbuild's stands above it
        signal: int
        made: list[bytes]  # see mountpoints.py
        copied: list[tuple[bytes, int]]


__all__ = [
    "MOST_LENT",
    "FrameReader",
    "decode_id_calls",
    "decode_introduction",
    "decode_outcome",
    "decode_report",
    "decode_settings",
    "decode_step",
    "frame",
    "pack",
]

_LENGTH_BYTES = 4
MOST_LENT = 64  # mounts; the kernel passes 253 descriptors at once, unix(7)


def pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(_LENGTH_BYTES, "little") + body


def decode_settings(body: bytes) -> Settings:
    settings: Settings = msgpack.unpackb(body, raw=False)
    return settings


def decode_step(body: bytes) -> Step:
    step: Step = msgpack.unpackb(body, raw=False)
    return step


def decode_id_calls(body: bytes) -> IdCalls:
    calls: IdCalls = msgpack.unpackb(body, raw=False, strict_map_key=False)
    return calls


def decode_introduction(body: bytes) -> Introduction:
    introduction: Introduction = msgpack.unpackb(body, raw=False)
    return introduction


def decode_report(body: bytes) -> Report:
    report: Report = msgpack.unpackb(body, raw=False)
    return report


def decode_outcome(body: bytes) -> Outcome:
    outcome: Outcome = msgpack.unpackb(body, raw=False)
    return outcome


class FrameReader:
    """Collects the one message of a channel from the pieces that arrive."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> bytes | None:
        """Take some more bytes; the message's msgpack once it is complete, None before."""
        self._data += data
        if len(self._data) < _LENGTH_BYTES:
            return None
        end = _LENGTH_BYTES + int.from_bytes(self._data[:_LENGTH_BYTES], "little")
        return bytes(self._data[_LENGTH_BYTES:end]) if len(self._data) >= end else None
