"""The build graph: ops, edges, vertices, definitions, and `State` to write them with.

What a build that is known already never needs is imported on first use: `State`, and the questions that need networkx.
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
from .naming import vertex_name
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
from .redact import redacted
from .vertex import Edge, Vertex, make_vertex

if TYPE_CHECKING:
    from .graph import critical_path, dependents, implied_inputs, to_networkx, transitive_reduction
    from .inputs import base_inputs
    from .rows import rows_of
    from .state import Exec, Output, State, add_vertex, diff, image, local, marshal, merge, scratch, source
    from .stepname import StepName, parse_step_name

_LAZY = {
    **dict.fromkeys(("critical_path", "dependents", "implied_inputs", "to_networkx", "transitive_reduction"), "graph"),
    "base_inputs": "inputs",
    "rows_of": "rows",
    **dict.fromkeys(
        ("Exec", "Output", "State", "add_vertex", "diff", "image", "local", "marshal", "merge", "scratch", "source"),
        "state",
    ),
    **dict.fromkeys(("StepName", "parse_step_name"), "stepname"),
}

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
    "StepName",
    "TmpfsOptions",
    "Ulimit",
    "Vertex",
    "add_vertex",
    "base_inputs",
    "check_links",
    "critical_path",
    "decode_definition",
    "dependents",
    "diff",
    "encode_definition",
    "image",
    "implied_inputs",
    "local",
    "make_vertex",
    "marshal",
    "merge",
    "merge_metadata",
    "parse_step_name",
    "redacted",
    "rows_of",
    "scratch",
    "source",
    "to_networkx",
    "transitive_reduction",
    "validate",
    "vertex_name",
]

__getattr__ = lazy_face(__name__, _LAZY)
