"""The worker: does what an op says on this machine. Snapshots, processes, file actions, sources, content.

Everything is imported on first use: what only plans or reads the store loads no event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face

if TYPE_CHECKING:
    from .adoption import adopt_layers as adopt_layers
    from .cache_mounts import CacheMounts as CacheMounts
    from .cache_mounts import MountSeed as MountSeed
    from .cache_mounts import PackedMount as PackedMount
    from .cache_mounts import cache_ids as cache_ids
    from .cacheholds import CacheHolds as CacheHolds
    from .client import Client as Client
    from .content import ContentStore as ContentStore
    from .content import StoredImage as StoredImage
    from .contexts import Contexts as Contexts
    from .contexts import HandedFile as HandedFile
    from .execcaches import unwanted_caches as unwanted_caches
    from .forms import LayerForm as LayerForm
    from .forms import LayerForms as LayerForms
    from .identity import Identity as Identity
    from .identity import resolve_user as resolve_user
    from .idmap import in_user_namespace as in_user_namespace
    from .idmap import marks_in_user_attributes as marks_in_user_attributes
    from .prober import Prober as Prober
    from .records import SCHEMA as SCHEMA
    from .records import LayerRecords as LayerRecords
    from .stacks import Stacks as Stacks
    from .stacks import note_image_layers as note_image_layers
    from .support import unsupported as unsupported
    from .upkeep import LayerFacts as LayerFacts
    from .upkeep import Upkeep as Upkeep
    from .upkeep import UseFacts as UseFacts
    from .upkeep import disk_bytes as disk_bytes
    from .userns import enter_user_namespace as enter_user_namespace
    from .uses import USES_SCHEMA as USES_SCHEMA
    from .uses import UseRecords as UseRecords
    from .views import root_mount as root_mount
    from .worker import LocalWorker as LocalWorker

_HOME = {
    "CACHE_MOUNT": "uses",
    "CacheMounts": "cache_mounts",
    "CacheHolds": "cacheholds",
    "Client": "client",
    "ContentStore": "content",
    "Contexts": "contexts",
    "HandedFile": "contexts",
    "Identity": "identity",
    "LayerFacts": "upkeep",
    "LayerForm": "forms",
    "LayerForms": "forms",
    "LayerRecords": "records",
    "LocalWorker": "worker",
    "MountSeed": "cache_mounts",
    "PackedMount": "cache_mounts",
    "Prober": "prober",
    "SCHEMA": "records",
    "Stacks": "stacks",
    "StoredImage": "content",
    "USES_SCHEMA": "uses",
    "Upkeep": "upkeep",
    "UseFacts": "upkeep",
    "UseRecords": "uses",
    "adopt_layers": "adoption",
    "cache_ids": "cache_mounts",
    "disk_bytes": "upkeep",
    "enter_user_namespace": "userns",
    "in_user_namespace": "idmap",
    "marks_in_user_attributes": "idmap",
    "note_image_layers": "stacks",
    "resolve_user": "identity",
    "root_mount": "views",
    "unsupported": "support",
    "unwanted_caches": "execcaches",
}
__all__ = [
    "SCHEMA",
    "USES_SCHEMA",
    "CacheHolds",
    "CacheMounts",
    "Client",
    "ContentStore",
    "Contexts",
    "HandedFile",
    "Identity",
    "LayerFacts",
    "LayerForm",
    "LayerForms",
    "LayerRecords",
    "LocalWorker",
    "MountSeed",
    "PackedMount",
    "Prober",
    "Stacks",
    "StoredImage",
    "Upkeep",
    "UseFacts",
    "UseRecords",
    "adopt_layers",
    "cache_ids",
    "disk_bytes",
    "enter_user_namespace",
    "in_user_namespace",
    "marks_in_user_attributes",
    "note_image_layers",
    "resolve_user",
    "root_mount",
    "unsupported",
    "unwanted_caches",
]

__getattr__ = lazy_face(__name__, _HOME)
