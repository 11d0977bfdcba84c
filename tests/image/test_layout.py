from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, Layout, MediaType, decode_layout, encode_layout
from llbuild.image.layout import named

if TYPE_CHECKING:
    from pathlib import Path

A = Descriptor(media_type=MediaType.OCI_MANIFEST, digest=sha256_digest(b"a"), size_bytes=1)
B = Descriptor(media_type=MediaType.OCI_MANIFEST, digest=sha256_digest(b"b"), size_bytes=1)

SCALARS = st.none() | st.integers() | st.text(max_size=4) | st.sampled_from([MediaType.OCI_MANIFEST, A.digest])
VALUES = SCALARS | st.dictionaries(st.sampled_from(["org.opencontainers.image.ref.name", "x"]), SCALARS, max_size=2)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.just(MediaType.OCI_MANIFEST) | VALUES,
        "digest": st.just(A.digest) | VALUES,
        "size": st.integers(0, 9) | VALUES,
        "annotations": VALUES,
        "foreign": VALUES,
    },
)
INDEXES = st.fixed_dictionaries(
    {"schemaVersion": st.just(2) | VALUES},
    optional={"manifests": st.lists(ENTRIES | VALUES, max_size=4) | VALUES, "annotations": VALUES, "y": VALUES},
)


def test_an_index_reads_back() -> None:
    both = (named(A, name="docker.io/library/a:1", ref_name="1"), B)
    first, second = decode_layout(encode_layout(both), ref="x")
    assert (first.name, first.ref_name, first.best_name) == ("docker.io/library/a:1", "1", "docker.io/library/a:1")
    assert (first.descriptor, second.descriptor) == both
    assert second.best_name == ""


def test_nameless_images_are_told_apart_by_digest(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    for descriptor in (A, B, A):
        layout.put(descriptor)
    assert [entry.descriptor for entry in layout.entries()] == [A, B]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(INDEXES)
def test_any_index_takes_an_image_and_keeps_the_rest_or_is_one_error(tmp_path: Path, index: dict[str, object]) -> None:
    layout = Layout(str(tmp_path))
    path = tmp_path / "index.json"
    path.write_text(json.dumps(index))
    with contextlib.suppress(SourceError):
        layout.put(named(B, name="n", ref_name="r"))
        after = json.loads(path.read_bytes())
        assert {**after, "manifests": None} == {**index, "manifests": None}
        assert after["manifests"][:-1] == (index.get("manifests") or [])
        return
    assert json.loads(path.read_bytes()) == index
