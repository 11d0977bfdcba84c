"""An image whose documents are wrong in one place each: a generated list, and strategies for what no list has."""

from __future__ import annotations

import copy
import json
import random
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from llbuild.digest import sha256_digest
from llbuild.image import MediaType

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DOCUMENTS", "documents", "one_by_one", "wrong_documents"]

DIFF_ID = sha256_digest(b"a layer")
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "variant": "v1",
    "os.features": ["x"],
    "created": "2024-05-01T10:20:30.5Z",
    "author": "somebody",
    "config": {
        "User": "0",
        "Env": ["A=b"],
        "Cmd": ["x"],
        "Entrypoint": ["y"],
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/v": {}},
        "Labels": {"a": "b"},
        "ArgsEscaped": True,
        "Healthcheck": {"Test": ["NONE"], "Interval": 5},
        "OnBuild": ["RUN x"],
    },
    "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]},
    "history": [{"created": "2024-05-01T10:20:30Z", "created_by": "x", "empty_layer": True}, {"comment": "y"}],
}


def _descriptor(media_type: str, document: object, **more: Any) -> dict[str, Any]:
    data = json.dumps(document).encode()
    return {"mediaType": media_type, "digest": sha256_digest(data), "size": len(data), **more}


MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": MediaType.OCI_MANIFEST,
    "config": _descriptor(MediaType.OCI_CONFIG, CONFIG),
    "layers": [{"mediaType": MediaType.OCI_LAYER, "digest": DIFF_ID, "size": 7, "annotations": {"a": "b"}}],
    "annotations": {"a": "b"},
    "subject": _descriptor(MediaType.OCI_MANIFEST, {}),
}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": MediaType.OCI_INDEX,
    "manifests": [
        _descriptor(MediaType.OCI_MANIFEST, MANIFEST, platform={"os": "linux", "architecture": "amd64"}),
        _descriptor(MediaType.OCI_MANIFEST, {}, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
    ],
    "annotations": {"a": "b"},
}
DOCUMENTS = {"index": INDEX, "manifest": MANIFEST, "config": CONFIG}

_VALUES: list[Any] = [None, True, 0, -1, 2**63, 1e308, "", "x", "\ud800", [], [None], ["x"], {}, {"x": 1}, [[]], [{}]]
_TEXTS = [
    *("sha256:", "sha256:" + "0" * 63, "sha256:" + "Z" * 64, "sha512:" + "0" * 64, "blake3:" + "0" * 64, "md5:x"),
    *(
        "../../etc/passwd",
        "a" * 5000,
        "2024-13-01T00:00:00Z",
        "application/vnd.oci.image.layer.v1.tar+rar",
        "\x00\x1b[m",
    ),
]


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _changed(document: dict[str, Any], path: tuple[str | int, ...], value: Any, *, remove: bool = False) -> bytes:
    document = copy.deepcopy(document)
    inner: Any = document
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(document).encode()


def documents(kind: str, data: bytes) -> dict[str, bytes]:
    """The image with this document in place of its own, and those above that point at it: all by name."""
    found = {"config": json.dumps(CONFIG).encode(), kind: data}
    if kind != "manifest":
        config = _pointing(MANIFEST["config"], found["config"])
        found["manifest"] = json.dumps({**MANIFEST, "config": config}).encode()
    if kind != "index":
        first, second = INDEX["manifests"]
        entries = [_pointing(first, found["manifest"]), second]
        found["index"] = json.dumps({**INDEX, "manifests": entries}).encode()
    return found


def _pointing(descriptor: dict[str, Any], data: bytes) -> dict[str, Any]:
    return {**descriptor, "digest": sha256_digest(data), "size": len(data)}


def one_by_one(count: int) -> list[tuple[str, bytes]]:
    """So many documents that are wrong in one place, each its kind before it: the same ones in every run."""
    choose, found = random.Random(6), []
    for kind, document in DOCUMENTS.items():
        every = [
            (kind, _changed(document, path, value)) for path in _places(document) for value in (*_VALUES, *_TEXTS)
        ] + [(kind, _changed(document, path, None, remove=True)) for path in _places(document)]
        found += choose.sample(every, count // len(DOCUMENTS))
    return found


_json = st.recursive(
    st.sampled_from([*_VALUES, *_TEXTS]) | st.text(max_size=5) | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def wrong_documents(draw: st.DrawFn) -> tuple[str, bytes]:
    """One of the documents with up to three of its values replaced by anything, removed, or cut off anywhere."""
    kind = draw(st.sampled_from(sorted(DOCUMENTS)))
    document = copy.deepcopy(DOCUMENTS[kind])
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if places:
            remove = draw(st.booleans())
            data = _changed(document, draw(st.sampled_from(places)), None if remove else draw(_json), remove=remove)
            document = json.loads(data)
    data = json.dumps(document).encode()
    return kind, data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data
