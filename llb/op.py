"""What a vertex does: every op kind, as frozen values with the fields and meaning of BuildKit's `pb.Op`.

Inputs are numbered: an op speaks of "input 2", the vertex that holds it says which edge that is.
Field names follow `solver/pb/ops.proto` (moby/buildkit) in Python's spelling, so that the wire
codec is a renaming. Defaults are the protobuf zero values unless a comment says otherwise.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from typing import TypeAlias

    from .definition import Definition

__all__ = [
    "BuildOp",
    "CacheOptions",
    "CacheSharing",
    "CdiDevice",
    "ChownOptions",
    "ContentCache",
    "DiffOp",
    "ExecOp",
    "FileAction",
    "FileCopy",
    "FileMkdir",
    "FileMkfile",
    "FileOp",
    "FileRm",
    "FileStep",
    "FileSymlink",
    "HostIp",
    "MergeOp",
    "Mount",
    "MountType",
    "NamedUser",
    "NetMode",
    "Op",
    "PassthroughOp",
    "ProxyEnv",
    "SecretEnv",
    "SecretOptions",
    "SecurityMode",
    "SourceOp",
    "SshOptions",
    "TmpfsOptions",
    "Ulimit",
]

Attrs: TypeAlias = "tuple[tuple[str, str], ...]"  # sorted by key: a map that hashes


@frozen
class SourceOp:
    """Something from outside: `docker-image://REF`, `oci-layout://`, `local://NAME`, `git://`, `https://`."""

    identifier: str
    attrs: Attrs = ()

    @property
    def scheme(self) -> str:
        return self.identifier.partition("://")[0]

    @property
    def ref(self) -> str:
        return self.identifier.partition("://")[2]

    def attr(self, key: str) -> str | None:
        return next((value for name, value in self.attrs if name == key), None)


class NetMode(Enum):
    SANDBOX = 0
    HOST = 1
    NONE = 2


class SecurityMode(Enum):
    SANDBOX = 0
    INSECURE = 1


class MountType(Enum):
    BIND = 0
    SECRET = 1
    SSH = 2
    CACHE = 3
    TMPFS = 4


class CacheSharing(Enum):
    SHARED = 0
    PRIVATE = 1
    LOCKED = 2


class ContentCache(Enum):
    DEFAULT = 0
    ON = 1
    OFF = 2


@frozen
class TmpfsOptions:
    size_bytes: int = 0  # 0: no limit of its own


@frozen
class CacheOptions:
    id: str = ""
    sharing: CacheSharing = CacheSharing.SHARED


@frozen
class SecretOptions:
    id: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0
    optional: bool = False


@frozen
class SshOptions:
    id: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0
    optional: bool = False


@frozen
class Mount:
    """One filesystem an exec sees. The mount at `/` is the root."""

    dest: str
    input: int = -1  # index into the vertex's inputs; -1: starts empty
    selector: str = ""  # sub-path of the input
    output: int = -1  # index of the result it becomes; -1: changes are dropped
    readonly: bool = False
    mount_type: MountType = MountType.BIND
    tmpfs: TmpfsOptions | None = None
    cache: CacheOptions | None = None
    secret: SecretOptions | None = None
    ssh: SshOptions | None = None
    result_id: str = ""
    content_cache: ContentCache = ContentCache.DEFAULT


@frozen
class HostIp:
    host: str
    ip: str


@frozen
class Ulimit:
    name: str
    soft: int
    hard: int


@frozen
class ProxyEnv:
    """Proxy settings: part of the process's environment, never of a cache key."""

    http_proxy: str = ""
    https_proxy: str = ""
    ftp_proxy: str = ""
    no_proxy: str = ""
    all_proxy: str = ""


@frozen
class SecretEnv:
    id: str
    name: str
    optional: bool = False


@frozen
class CdiDevice:
    name: str
    optional: bool = False


@frozen
class ExecOp:
    """Run a process. Output n is the mount whose `output` is n."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()  # "K=V" in order of last assignment: BuildKit's digests depend on it
    cwd: str = "/"
    user: str = ""  # "" is root; name or id, with an optional ":group"
    mounts: tuple[Mount, ...] = ()
    network: NetMode = NetMode.SANDBOX
    security: SecurityMode = SecurityMode.SANDBOX
    hostname: str = ""
    extra_hosts: tuple[HostIp, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    cgroup_parent: str = ""
    proxy_env: ProxyEnv | None = None
    secret_env: tuple[SecretEnv, ...] = ()
    cdi_devices: tuple[CdiDevice, ...] = ()
    remove_mount_stubs_recursive: bool = False
    valid_exit_codes: tuple[int, ...] = ()  # empty: only 0


@frozen
class NamedUser:
    """A user or group to look up in /etc/passwd or /etc/group of an input."""

    name: str
    input: int = -1


@frozen
class ChownOptions:
    """Owner of what a file action makes; None leaves that half at its default."""

    user: NamedUser | int | None = None
    group: NamedUser | int | None = None


@frozen
class FileCopy:
    src: str
    dest: str
    owner: ChownOptions | None = None
    mode: int = -1  # -1: keep
    mode_text: str = ""  # symbolic form, e.g. "u=rwX,go=rX"
    follow_symlink: bool = False
    dir_copy_contents: bool = False
    attempt_unpack: bool = False  # a local tar archive is unpacked instead of copied
    create_dest_path: bool = False
    allow_wildcard: bool = False
    allow_empty_wildcard: bool = False
    timestamp: int = -1  # nanoseconds since 1970; -1: keep
    include_patterns: tuple[str, ...] = ()
    exclude_patterns: tuple[str, ...] = ()
    always_replace_existing: bool = False
    required_paths: tuple[str, ...] = ()


@frozen
class FileMkfile:
    path: str
    mode: int
    data: bytes = b""
    owner: ChownOptions | None = None
    timestamp: int = -1


@frozen
class FileMkdir:
    path: str
    mode: int
    make_parents: bool = False
    owner: ChownOptions | None = None
    timestamp: int = -1


@frozen
class FileRm:
    path: str
    allow_not_found: bool = False
    allow_wildcard: bool = False


@frozen
class FileSymlink:
    old_path: str
    new_path: str
    owner: ChownOptions | None = None
    timestamp: int = -1


FileAction: TypeAlias = "FileCopy | FileMkfile | FileMkdir | FileRm | FileSymlink"


@frozen
class FileStep:
    """One action and what it works on.

    `input` and `secondary_input` below the number of the vertex's inputs name an input; from there
    on they name the result of step (value - number of inputs). -1 is an empty filesystem.
    """

    action: FileAction
    input: int = -1
    secondary_input: int = -1
    output: int = -1


@frozen
class FileOp:
    """A chain of file actions."""

    steps: tuple[FileStep, ...]


@frozen
class MergeOp:
    """The inputs laid over each other, later ones on top; deletions count."""

    inputs: tuple[int, ...]


@frozen
class DiffOp:
    """What `upper` changed, counted from `lower`; -1 is an empty filesystem."""

    lower: int = -1
    upper: int = -1


@frozen
class BuildOp:
    """A nested build whose definition is `definition` or a file of an input."""

    builder: int
    inputs: tuple[tuple[str, int], ...] = ()  # name -> input, sorted by name
    definition: Definition | None = None
    attrs: Attrs = ()


@frozen
class PassthroughOp:
    """Forwards the selected inputs unchanged, so that one state can require others."""

    id: str = ""
    outputs: tuple[int, ...] = ()


Op: TypeAlias = "SourceOp | ExecOp | FileOp | MergeOp | DiffOp | BuildOp | PassthroughOp"
