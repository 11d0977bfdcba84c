"""The OCI data model: references, descriptors, configs, manifests, layouts; and the registry client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face

if TYPE_CHECKING:
    from .attestation import ATTESTATION_ARTIFACT as ATTESTATION_ARTIFACT
    from .attestation import ATTESTATION_MANIFEST as ATTESTATION_MANIFEST
    from .attestation import EMPTY_CONFIG as EMPTY_CONFIG
    from .attestation import MAX_STATEMENT_BYTES as MAX_STATEMENT_BYTES
    from .attestation import NO_PLATFORM as NO_PLATFORM
    from .attestation import PREDICATE_TYPE as PREDICATE_TYPE
    from .attestation import REFERENCE_DIGEST as REFERENCE_DIGEST
    from .attestation import REFERENCE_TYPE as REFERENCE_TYPE
    from .attestation import STATEMENT_TYPE as STATEMENT_TYPE
    from .attestation import attested_digest as attested_digest
    from .attestation import images_of as images_of
    from .attestation import is_image as is_image
    from .cache_config import CACHE_CONFIG_TYPE as CACHE_CONFIG_TYPE
    from .cache_config import MAX_CACHE_CONFIG_BYTES as MAX_CACHE_CONFIG_BYTES
    from .cache_config import CacheConfig as CacheConfig
    from .cache_config import CacheLayer as CacheLayer
    from .cache_config import CacheMount as CacheMount
    from .cache_config import CacheRecord as CacheRecord
    from .cache_config import decode_cache_config as decode_cache_config
    from .cache_config import encode_cache_config as encode_cache_config
    from .config import DEFAULT_PATH as DEFAULT_PATH
    from .config import ContainerConfig as ContainerConfig
    from .config import Healthcheck as Healthcheck
    from .config import History as History
    from .config import ImageConfig as ImageConfig
    from .config_json import decode_config as decode_config
    from .config_json import decode_inline_cache as decode_inline_cache
    from .config_json import encode_config as encode_config
    from .descriptor import Descriptor as Descriptor
    from .descriptor import MediaType as MediaType
    from .layer import LayerBlob as LayerBlob
    from .layout import LAYOUT_FILE as LAYOUT_FILE
    from .layout import Layout as Layout
    from .layout import LayoutEntry as LayoutEntry
    from .layout import blob_name as blob_name
    from .layout import decode_layout as decode_layout
    from .layout import encode_layout as encode_layout
    from .layout import named as named
    from .manifest import CONFIG_TYPES as CONFIG_TYPES
    from .manifest import CONFIG_TYPES_OF_ALL as CONFIG_TYPES_OF_ALL
    from .manifest import MANIFEST_TYPES as MANIFEST_TYPES
    from .manifest import Index as Index
    from .manifest import Manifest as Manifest
    from .manifest import decode_manifest as decode_manifest
    from .manifest import encode_index as encode_index
    from .manifest import encode_manifest as encode_manifest
    from .manifest import select_platform as select_platform
    from .moments import encode_moment as encode_moment
    from .reference import Reference as Reference
    from .reference import parse_reference as parse_reference
    from .registry.body import pour as pour
    from .registry.client import RegistryClient as RegistryClient
    from .registry.config import Mirror as Mirror
    from .registry.config import RegistryConfig as RegistryConfig
    from .registry.config import is_host as is_host
    from .registry.config import parse_mirror as parse_mirror
    from .registry.config import with_insecure as with_insecure
    from .registry.credential_search import find_credentials as find_credentials
    from .registry.credential_store import erase_credentials as erase_credentials
    from .registry.credential_store import store_credentials as store_credentials
    from .registry.credentials import Credentials as Credentials
    from .registry.failures import BROKEN_OFF as BROKEN_OFF
    from .registry.failures import PASSING as PASSING
    from .registry.failures import reason_of as reason_of
    from .registry.hosts import is_loopback as is_loopback
    from .registry.hosts import trust as trust
    from .registry.login import verify_login as verify_login
    from .registry.push import RegistryPusher as RegistryPusher
    from .registry.referrers import ReferrersClient as ReferrersClient
    from .strict_json import MAX_DOCUMENT_BYTES as MAX_DOCUMENT_BYTES

# Lazy (PEP 562): a cached build needs a few of these and never the registry client.
_HOME = {
    "ATTESTATION_ARTIFACT": "attestation",
    "ATTESTATION_MANIFEST": "attestation",
    "BROKEN_OFF": "registry.failures",
    "CACHE_CONFIG_TYPE": "cache_config",
    "CONFIG_TYPES": "manifest",
    "CONFIG_TYPES_OF_ALL": "manifest",
    "CacheConfig": "cache_config",
    "CacheLayer": "cache_config",
    "CacheMount": "cache_config",
    "CacheRecord": "cache_config",
    "ContainerConfig": "config",
    "Credentials": "registry.credentials",
    "DEFAULT_PATH": "config",
    "Descriptor": "descriptor",
    "EMPTY_CONFIG": "attestation",
    "Healthcheck": "config",
    "History": "config",
    "ImageConfig": "config",
    "Index": "manifest",
    "LAYOUT_FILE": "layout",
    "LayerBlob": "layer",
    "Layout": "layout",
    "LayoutEntry": "layout",
    "MANIFEST_TYPES": "manifest",
    "MAX_CACHE_CONFIG_BYTES": "cache_config",
    "MAX_DOCUMENT_BYTES": "strict_json",
    "MAX_STATEMENT_BYTES": "attestation",
    "Manifest": "manifest",
    "MediaType": "descriptor",
    "NO_PLATFORM": "attestation",
    "PASSING": "registry.failures",
    "PREDICATE_TYPE": "attestation",
    "REFERENCE_DIGEST": "attestation",
    "REFERENCE_TYPE": "attestation",
    "Reference": "reference",
    "Mirror": "registry.config",
    "ReferrersClient": "registry.referrers",
    "RegistryClient": "registry.client",
    "RegistryConfig": "registry.config",
    "RegistryPusher": "registry.push",
    "STATEMENT_TYPE": "attestation",
    "attested_digest": "attestation",
    "blob_name": "layout",
    "decode_cache_config": "cache_config",
    "decode_config": "config_json",
    "decode_inline_cache": "config_json",
    "decode_layout": "layout",
    "decode_manifest": "manifest",
    "encode_cache_config": "cache_config",
    "encode_config": "config_json",
    "encode_index": "manifest",
    "encode_layout": "layout",
    "encode_manifest": "manifest",
    "encode_moment": "moments",
    "erase_credentials": "registry.credential_store",
    "find_credentials": "registry.credential_search",
    "is_host": "registry.config",
    "images_of": "attestation",
    "is_image": "attestation",
    "is_loopback": "registry.hosts",
    "named": "layout",
    "parse_mirror": "registry.config",
    "parse_reference": "reference",
    "pour": "registry.body",
    "reason_of": "registry.failures",
    "select_platform": "manifest",
    "store_credentials": "registry.credential_store",
    "trust": "registry.hosts",
    "verify_login": "registry.login",
    "with_insecure": "registry.config",
}
__all__ = [
    "ATTESTATION_ARTIFACT",
    "ATTESTATION_MANIFEST",
    "BROKEN_OFF",
    "CACHE_CONFIG_TYPE",
    "CONFIG_TYPES",
    "CONFIG_TYPES_OF_ALL",
    "DEFAULT_PATH",
    "EMPTY_CONFIG",
    "LAYOUT_FILE",
    "MANIFEST_TYPES",
    "MAX_CACHE_CONFIG_BYTES",
    "MAX_DOCUMENT_BYTES",
    "MAX_STATEMENT_BYTES",
    "NO_PLATFORM",
    "PASSING",
    "PREDICATE_TYPE",
    "REFERENCE_DIGEST",
    "REFERENCE_TYPE",
    "STATEMENT_TYPE",
    "CacheConfig",
    "CacheLayer",
    "CacheMount",
    "CacheRecord",
    "ContainerConfig",
    "Credentials",
    "Descriptor",
    "Healthcheck",
    "History",
    "ImageConfig",
    "Index",
    "LayerBlob",
    "Layout",
    "LayoutEntry",
    "Manifest",
    "MediaType",
    "Mirror",
    "Reference",
    "ReferrersClient",
    "RegistryClient",
    "RegistryConfig",
    "RegistryPusher",
    "attested_digest",
    "blob_name",
    "decode_cache_config",
    "decode_config",
    "decode_inline_cache",
    "decode_layout",
    "decode_manifest",
    "encode_cache_config",
    "encode_config",
    "encode_index",
    "encode_layout",
    "encode_manifest",
    "encode_moment",
    "erase_credentials",
    "find_credentials",
    "images_of",
    "is_host",
    "is_image",
    "is_loopback",
    "named",
    "parse_mirror",
    "parse_reference",
    "pour",
    "reason_of",
    "select_platform",
    "store_credentials",
    "trust",
    "verify_login",
    "with_insecure",
]

__getattr__ = lazy_face(__name__, _HOME)
