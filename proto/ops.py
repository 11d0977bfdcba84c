"""BuildKit's op messages as tables over our op values: which number, which name, which attribute.

`ops.proto` beside this module is the schema; a test compares the two field by field.
"""

from __future__ import annotations

from typing import Any

from ..llb import (
    BuildOp,
    CacheOptions,
    CacheSharing,
    CdiDevice,
    ChownOptions,
    ContentCache,
    DiffOp,
    ExecOp,
    FileCopy,
    FileMkdir,
    FileMkfile,
    FileOp,
    FileRm,
    FileStep,
    FileSymlink,
    HostIp,
    MergeOp,
    Mount,
    MountType,
    NamedUser,
    NetMode,
    PassthroughOp,
    ProxyEnv,
    SecretEnv,
    SecretOptions,
    SecurityMode,
    SourceOp,
    SshOptions,
    TmpfsOptions,
    Ulimit,
)
from ..platforms import Platform
from .kinds import BLOB, FLAG, INT32, INT64, TEXT, UINT32, enumeration, listed, packed
from .message import Choice, Either, Field, Message, Wrapper, mapping, sub

__all__ = ["BODY", "PLATFORM", "Nested"]


class Nested:
    """A definition inside an op or a source file. Imported late: definitions consist of ops."""

    def encode(self, value: Any) -> bytes:
        from .encode import encode_buildkit

        return encode_buildkit(value)

    def read(self, data: bytes, depth: int) -> Any:
        from .decode import decode_nested

        return decode_nested(data, depth + 1)


def _optional(name: str, make: Any) -> Message:
    """Secrets and ssh sockets say the same things."""
    return Message(
        name,
        make,
        Field(1, "ID", "id", TEXT),
        Field(2, "uid", "uid", UINT32),
        Field(3, "gid", "gid", UINT32),
        Field(4, "mode", "mode", UINT32),
        Field(5, "optional", "optional", FLAG),
    )


PLATFORM = Message(
    "Platform",
    Platform,
    Field(1, "Architecture", "architecture", TEXT),
    Field(2, "OS", "os", TEXT),
    Field(3, "Variant", "variant", TEXT),
    Field(4, "OSVersion", "os_version", TEXT),
    Field(5, "OSFeatures", "os_features", listed(TEXT)),
)
_MOUNT = Message(
    "Mount",
    Mount,
    Field(1, "input", "input", INT64),
    Field(2, "selector", "selector", TEXT),
    Field(3, "dest", "dest", TEXT),
    Field(4, "output", "output", INT64),
    Field(5, "readonly", "readonly", FLAG),
    Field(6, "mountType", "mount_type", enumeration(MountType)),
    Field(19, "TmpfsOpt", "tmpfs", sub(Message("TmpfsOpt", TmpfsOptions, Field(1, "size", "size_bytes", INT64)))),
    Field(
        20,
        "cacheOpt",
        "cache",
        sub(
            Message(
                "CacheOpt",
                CacheOptions,
                Field(1, "ID", "id", TEXT),
                Field(2, "sharing", "sharing", enumeration(CacheSharing)),
            )
        ),
    ),
    Field(21, "secretOpt", "secret", sub(_optional("SecretOpt", SecretOptions))),
    Field(22, "SSHOpt", "ssh", sub(_optional("SSHOpt", SshOptions))),
    Field(23, "resultID", "result_id", TEXT),
    Field(24, "contentCache", "content_cache", enumeration(ContentCache)),
)
_PROXY_ENV = Message(
    "ProxyEnv",
    ProxyEnv,
    Field(1, "http_proxy", "http_proxy", TEXT),
    Field(2, "https_proxy", "https_proxy", TEXT),
    Field(3, "ftp_proxy", "ftp_proxy", TEXT),
    Field(4, "no_proxy", "no_proxy", TEXT),
    Field(5, "all_proxy", "all_proxy", TEXT),
)
_HOST_IP = Message("HostIP", HostIp, Field(1, "Host", "host", TEXT), Field(2, "IP", "ip", TEXT))
_ULIMIT = Message(
    "Ulimit", Ulimit, Field(1, "Name", "name", TEXT), Field(2, "Soft", "soft", INT64), Field(3, "Hard", "hard", INT64)
)
_META = Message(
    "Meta",
    dict,
    Field(1, "args", "args", listed(TEXT)),
    Field(2, "env", "env", listed(TEXT)),
    Field(3, "cwd", "cwd", TEXT),
    Field(4, "user", "user", TEXT),
    Field(5, "proxy_env", "proxy_env", sub(_PROXY_ENV)),
    Field(6, "extraHosts", "extra_hosts", listed(sub(_HOST_IP))),
    Field(7, "hostname", "hostname", TEXT),
    Field(9, "ulimit", "ulimits", listed(sub(_ULIMIT))),
    Field(10, "cgroupParent", "cgroup_parent", TEXT),
    Field(11, "removeMountStubsRecursive", "remove_mount_stubs_recursive", FLAG),
    Field(12, "validExitCodes", "valid_exit_codes", packed(32)),
)
_SECRET_ENV = Message(
    "SecretEnv",
    SecretEnv,
    Field(1, "ID", "id", TEXT),
    Field(2, "name", "name", TEXT),
    Field(3, "optional", "optional", FLAG),
)
_CDI_DEVICE = Message("CDIDevice", CdiDevice, Field(1, "name", "name", TEXT), Field(2, "optional", "optional", FLAG))
_EXEC = Message(
    "ExecOp",
    ExecOp,
    Field(2, "mounts", "mounts", listed(sub(_MOUNT))),
    Field(3, "network", "network", enumeration(NetMode)),
    Field(4, "security", "security", enumeration(SecurityMode)),
    Field(5, "secretenv", "secret_env", listed(sub(_SECRET_ENV))),
    Field(6, "cdiDevices", "cdi_devices", listed(sub(_CDI_DEVICE))),
    part=(1, "meta", _META),
)
_SOURCE = Message(
    "SourceOp", SourceOp, Field(1, "identifier", "identifier", TEXT), Field(2, "attrs", "attrs", mapping(TEXT))
)
_USER = Either(
    "UserOpt",
    {
        NamedUser: (
            1,
            "byName",
            sub(Message("NamedUserOpt", NamedUser, Field(1, "name", "name", TEXT), Field(2, "input", "input", INT64))),
        ),
        int: (2, "byID", UINT32),
    },
)
_OWNER = sub(
    Message("ChownOpt", ChownOptions, Field(1, "user", "user", sub(_USER)), Field(2, "group", "group", sub(_USER)))
)
_COPY = Message(
    "FileActionCopy",
    FileCopy,
    Field(1, "src", "src", TEXT),
    Field(2, "dest", "dest", TEXT),
    Field(3, "owner", "owner", _OWNER),
    Field(4, "mode", "mode", INT32),
    Field(5, "followSymlink", "follow_symlink", FLAG),
    Field(6, "dirCopyContents", "dir_copy_contents", FLAG),
    Field(7, "attemptUnpackDockerCompatibility", "attempt_unpack", FLAG),
    Field(8, "createDestPath", "create_dest_path", FLAG),
    Field(9, "allowWildcard", "allow_wildcard", FLAG),
    Field(10, "allowEmptyWildcard", "allow_empty_wildcard", FLAG),
    Field(11, "timestamp", "timestamp", INT64),
    Field(12, "include_patterns", "include_patterns", listed(TEXT)),
    Field(13, "exclude_patterns", "exclude_patterns", listed(TEXT)),
    Field(14, "alwaysReplaceExistingDestPaths", "always_replace_existing", FLAG),
    Field(15, "modeStr", "mode_text", TEXT),
    Field(16, "required_paths", "required_paths", listed(TEXT)),
)
_MKFILE = Message(
    "FileActionMkFile",
    FileMkfile,
    Field(1, "path", "path", TEXT),
    Field(2, "mode", "mode", INT32),
    Field(3, "data", "data", BLOB),
    Field(4, "owner", "owner", _OWNER),
    Field(5, "timestamp", "timestamp", INT64),
)
_MKDIR = Message(
    "FileActionMkDir",
    FileMkdir,
    Field(1, "path", "path", TEXT),
    Field(2, "mode", "mode", INT32),
    Field(3, "makeParents", "make_parents", FLAG),
    Field(4, "owner", "owner", _OWNER),
    Field(5, "timestamp", "timestamp", INT64),
)
_RM = Message(
    "FileActionRm",
    FileRm,
    Field(1, "path", "path", TEXT),
    Field(2, "allowNotFound", "allow_not_found", FLAG),
    Field(3, "allowWildcard", "allow_wildcard", FLAG),
)
_SYMLINK = Message(
    "FileActionSymlink",
    FileSymlink,
    Field(1, "oldpath", "old_path", TEXT),
    Field(2, "newpath", "new_path", TEXT),
    Field(3, "owner", "owner", _OWNER),
    Field(4, "timestamp", "timestamp", INT64),
)
_ACTION = Message(
    "FileAction",
    FileStep,
    Field(1, "input", "input", INT64),
    Field(2, "secondaryInput", "secondary_input", INT64),
    Field(3, "output", "output", INT64),
    choice=Choice(
        "action",
        {
            FileCopy: (4, "copy", sub(_COPY)),
            FileMkfile: (5, "mkfile", sub(_MKFILE)),
            FileMkdir: (6, "mkdir", sub(_MKDIR)),
            FileRm: (7, "rm", sub(_RM)),
            FileSymlink: (8, "symlink", sub(_SYMLINK)),
        },
    ),
)
_FILE = Message("FileOp", FileOp, Field(2, "actions", "steps", listed(sub(_ACTION))))
_BUILD = Message(
    "BuildOp",
    BuildOp,
    Field(1, "builder", "builder", INT64),
    Field(2, "inputs", "inputs", mapping(sub(Wrapper("BuildInput", "input", INT64)))),
    Field(3, "def", "definition", sub(Nested())),
    Field(4, "attrs", "attrs", mapping(TEXT)),
)
_MERGE = Message("MergeOp", MergeOp, Field(1, "inputs", "inputs", listed(sub(Wrapper("MergeInput", "input", INT64)))))
_DIFF = Message(
    "DiffOp",
    DiffOp,
    Field(1, "lower", "lower", sub(Wrapper("LowerDiffInput", "input", INT64)), required=True),
    Field(2, "upper", "upper", sub(Wrapper("UpperDiffInput", "input", INT64)), required=True),
)
_PASSTHROUGH = Message(
    "PassthroughOp", PassthroughOp, Field(1, "id", "id", TEXT), Field(2, "outputs", "outputs", packed(64))
)

BODY = {
    ExecOp: (2, "exec", sub(_EXEC)),
    SourceOp: (3, "source", sub(_SOURCE)),
    FileOp: (4, "file", sub(_FILE)),
    BuildOp: (5, "build", sub(_BUILD)),
    MergeOp: (6, "merge", sub(_MERGE)),
    DiffOp: (7, "diff", sub(_DIFF)),
    PassthroughOp: (8, "passthrough", sub(_PASSTHROUGH)),
}
