"""The build graph: ops, edges, vertices, definitions, and `State` to write them with.

Graph questions that need networkx are functions of `llbuild.llb.graph`, re-exported here on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face
from .definition import (
    Definition,
    LinuxResources,
    Metadata,
    ProgressGroup,
    SourceFile,
    decode_definition,
    encode_definition,
    merge_metadata,
    validate,
)
from .links import check_links
from .op import (
    BuildOp,
    CacheOptions,
    CacheSharing,
    CdiDevice,
    ChownOptions,
    ContentCache,
    DiffOp,
    ExecOp,
    FileAction,
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
    Op,
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
from .state import Exec, Output, State, add_vertex, diff, image, local, marshal, merge, scratch, source
from .vertex import Edge, Vertex, make_vertex

if TYPE_CHECKING:
    from .graph import critical_path, dependents, to_networkx, transitive_reduction

_LAZY = frozenset({"critical_path", "dependents", "to_networkx", "transitive_reduction"})

__all__ = [
    "BuildOp",
    "CacheOptions",
    "CacheSharing",
    "CdiDevice",
    "ChownOptions",
    "ContentCache",
    "Definition",
    "DiffOp",
    "Edge",
    "Exec",
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
    "LinuxResources",
    "MergeOp",
    "Metadata",
    "Mount",
    "MountType",
    "NamedUser",
    "NetMode",
    "Op",
    "Output",
    "PassthroughOp",
    "ProgressGroup",
    "ProxyEnv",
    "SecretEnv",
    "SecretOptions",
    "SecurityMode",
    "SourceFile",
    "SourceOp",
    "SshOptions",
    "State",
    "TmpfsOptions",
    "Ulimit",
    "Vertex",
    "add_vertex",
    "check_links",
    "critical_path",
    "decode_definition",
    "dependents",
    "diff",
    "encode_definition",
    "image",
    "local",
    "make_vertex",
    "marshal",
    "merge",
    "merge_metadata",
    "scratch",
    "source",
    "to_networkx",
    "transitive_reduction",
    "validate",
]

__getattr__ = lazy_face(__name__, dict.fromkeys(_LAZY, "graph"))
