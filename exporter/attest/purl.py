"""Package URLs: one name for packages and images of every kind. Spec: github.com/package-url/purl-spec."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ...errors import SourceError
from ...image import parse_reference
from ...platforms import normalize_platform
from ...values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...image import Reference
    from ...platforms import Platform

__all__ = ["image_purl", "package_url"]


def package_url(
    kind: str, namespace: str, name: str, version: str = "", qualifiers: Mapping[str, str] | None = None
) -> str:
    """`pkg:KIND/NAMESPACE/NAME@VERSION?KEY=VALUE`; what is empty is left out, qualifiers are sorted."""
    parts = [*namespace.strip("/").split("/"), name] if namespace else [name]
    path = "/".join(_quoted(part) for part in parts if part)
    text = f"pkg:{kind}/{path}" + (f"@{_quoted(version)}" if version else "")
    pairs = [f"{key}={_quoted(value)}" for key, value in sorted((qualifiers or {}).items()) if value]
    return text + (f"?{'&'.join(pairs)}" if pairs else "")


def image_purl(name: Reference | str, platform: Platform | None, *, kind: str = "docker", digest: str = "") -> str:
    """An image by its name: BuildKit's form, `pkg:docker/alpine@3.20?platform=linux%2Famd64`.

    kind: oci for a layout; what is then no reference (the path of a folder) is named as it is.
    """
    try:
        reference = parse_reference(name) if isinstance(name, str) else name
    except SourceError:
        return package_url(kind, "", str(name), "", _qualifiers(platform, digest))
    digest = digest or str(reference.digest or "")
    familiar = replace(reference, tag="", digest=None).familiar()
    namespace, _, last = familiar.rpartition("/")
    return package_url(kind, namespace, last, reference.tag, _qualifiers(platform, digest))


def _qualifiers(platform: Platform | None, digest: str) -> dict[str, str]:
    return {"digest": digest, "platform": "" if platform is None else str(normalize_platform(platform))}


def _quoted(text: str) -> str:
    """Percent-encoded but for what purl-spec leaves as it is: letters, digits, `.-_~` and colons."""
    return quote(text.encode("utf-8", "replace"), safe=":")
