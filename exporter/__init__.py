"""Exporters: a result and its image config, written to where the user wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face

if TYPE_CHECKING:
    from .archive import stream_archive as stream_archive
    from .assembly import AssembledImage as AssembledImage
    from .assembly import ImageForm as ImageForm
    from .assembly import assemble as assemble
    from .cache import AssembledCache as AssembledCache
    from .cache import assemble_cache as assemble_cache
    from .cache import cache_config as cache_config
    from .cache import export_cache_folder as export_cache_folder
    from .docker_archive import stream_docker_archive as stream_docker_archive
    from .history import squash_history as squash_history
    from .index import AssembledIndex as AssembledIndex
    from .index import assemble_index as assemble_index
    from .mirror import remove_others as remove_others
    from .ocifolder import export_oci_folder as export_oci_folder
    from .push import PushedBlob as PushedBlob
    from .push import push_image as push_image
    from .rootfs import export_rootfs_folder as export_rootfs_folder
    from .rootfs import export_rootfs_tar as export_rootfs_tar
    from .rootfs import import_rootfs as import_rootfs
    from .rootfs import stream_rootfs_tar as stream_rootfs_tar
    from .stored import stored_image as stored_image
    from .targets import export_archive as export_archive
    from .targets import export_store as export_store

# Lazy (PEP 562): a build whose image is ready writes it without loading what packs file systems.
_HOME = {
    "AssembledCache": "cache",
    "AssembledImage": "assembly",
    "AssembledIndex": "index",
    "ImageForm": "assembly",
    "PushedBlob": "push",
    "assemble": "assembly",
    "assemble_cache": "cache",
    "assemble_index": "index",
    "cache_config": "cache",
    "export_cache_folder": "cache",
    "export_oci_folder": "ocifolder",
    "export_archive": "targets",
    "export_rootfs_folder": "rootfs",
    "remove_others": "mirror",
    "stream_docker_archive": "docker_archive",
    "export_rootfs_tar": "rootfs",
    "export_store": "targets",
    "import_rootfs": "rootfs",
    "push_image": "push",
    "squash_history": "history",
    "stored_image": "stored",
    "stream_archive": "archive",
    "stream_rootfs_tar": "rootfs",
}
__all__ = [
    "AssembledCache",
    "AssembledImage",
    "AssembledIndex",
    "ImageForm",
    "PushedBlob",
    "assemble",
    "assemble_cache",
    "assemble_index",
    "cache_config",
    "export_archive",
    "export_cache_folder",
    "export_oci_folder",
    "export_rootfs_folder",
    "export_rootfs_tar",
    "export_store",
    "import_rootfs",
    "push_image",
    "remove_others",
    "squash_history",
    "stored_image",
    "stream_archive",
    "stream_docker_archive",
    "stream_rootfs_tar",
]

__getattr__ = lazy_face(__name__, _HOME)
