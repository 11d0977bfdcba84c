"""The worker: does what an op says on this machine. Snapshots, processes, file actions, sources, content.

Everything is imported on first use: what only plans or reads the store loads no event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face

if TYPE_CHECKING:
    from .cachemounts import CACHE_MOUNT as CACHE_MOUNT
    from .cachemounts import CacheMounts as CacheMounts
    from .content import ContentStore as ContentStore
    from .content import StoredImage as StoredImage
    from .contexts import LOCAL_SOURCE as LOCAL_SOURCE
    from .contexts import Contexts as Contexts
    from .identity import Identity as Identity
    from .identity import resolve_user as resolve_user
    from .prober import Prober as Prober
    from .records import SCHEMA as SCHEMA
    from .records import LayerRecords as LayerRecords
    from .stacks import Stacks as Stacks
    from .stacks import note_image_layers as note_image_layers
    from .upkeep import LayerFacts as LayerFacts
    from .upkeep import Upkeep as Upkeep
    from .upkeep import UseFacts as UseFacts
    from .upkeep import disk_bytes as disk_bytes
    from .userns import enter_user_namespace as enter_user_namespace
    from .uses import USES_SCHEMA as USES_SCHEMA
    from .uses import UseRecords as UseRecords
    from .worker import LocalWorker as LocalWorker

_HOME = {
    "CACHE_MOUNT": "cachemounts",
    "SCHEMA": "records",
    "CacheMounts": "cachemounts",
    "ContentStore": "content",
    "Contexts": "contexts",
    "Identity": "identity",
    "LOCAL_SOURCE": "contexts",
    "LayerFacts": "upkeep",
    "LayerRecords": "records",
    "LocalWorker": "worker",
    "Prober": "prober",
    "Stacks": "stacks",
    "StoredImage": "content",
    "USES_SCHEMA": "uses",
    "Upkeep": "upkeep",
    "UseFacts": "upkeep",
    "UseRecords": "uses",
    "disk_bytes": "upkeep",
    "enter_user_namespace": "userns",
    "note_image_layers": "stacks",
    "resolve_user": "identity",
}
__all__ = [
    "CACHE_MOUNT",
    "LOCAL_SOURCE",
    "SCHEMA",
    "USES_SCHEMA",
    "CacheMounts",
    "ContentStore",
    "Contexts",
    "Identity",
    "LayerFacts",
    "LayerRecords",
    "LocalWorker",
    "Prober",
    "Stacks",
    "StoredImage",
    "Upkeep",
    "UseFacts",
    "UseRecords",
    "disk_bytes",
    "enter_user_namespace",
    "note_image_layers",
    "resolve_user",
]

__getattr__ = lazy_face(__name__, _HOME)
