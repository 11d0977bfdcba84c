from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import sha256_digest
from llbuild.exporter import assemble
from llbuild.exporter.history import align_history
from llbuild.image import Descriptor, History, LayerBlob, decode_config, decode_manifest
from llbuild.tests.exporter.samples import AMD64, open_store, put_layer, sample_config
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

T0, T1, T2, T3 = (f"2024-01-0{day}T00:00:00Z" for day in (1, 2, 3, 4))


def layer(created: str, *, media_type: str = "application/vnd.oci.image.layer.v1.tar+gzip") -> LayerBlob:
    digest = sha256_digest(created.encode())
    descriptor = Descriptor(
        media_type=media_type,
        digest=digest,
        size_bytes=7,
        annotations=(("buildkit/createdat", "x"), ("containerd.io/uncompressed", "y"), ("kept", "z")),
    )
    return LayerBlob(diff_id=digest, descriptor=descriptor, created=created, created_by=f"made {created}")


def entry(created: str = "", *, empty: bool = False) -> History:
    return History(created=created, created_by="x", empty_layer=empty)


# Rows measured against BuildKit's normalizeLayersAndHistory: history, times of the layers, wanted (time, is empty).
HISTORIES = [
    pytest.param([], [], [], id="nothing"),
    pytest.param([entry(), entry(empty=True)], [T1], [(T1, False), (T1, True)], id="an empty entry after its layer"),
    pytest.param([entry(empty=True), entry()], [T1], [(T1, True), (T1, False)], id="an empty entry before the first"),
    pytest.param(
        [entry(T0), entry(empty=True), entry(), entry(empty=True)],
        [T3, T1],
        [(T0, False), (T1, True), (T1, False), (T1, True)],
        id="what is new takes the first new layer's time, the base keeps its own",
    ),
    pytest.param(
        [entry(T0), entry(empty=True), entry(empty=True)],
        [T3],
        [(T0, False), (T0, True), (T0, True)],
        id="without a new layer the base's last time",
    ),
    pytest.param(
        [entry(), entry(empty=True), entry(), entry(empty=True)],
        [T1, T2],
        [(T1, False), (T2, True), (T2, False), (T2, True)],
        id="the first new time is the one after the first gap",
    ),
    pytest.param([entry(empty=True)] * 2, [], [("", True), ("", True)], id="nobody knows a time"),
    pytest.param([entry(T0)], [T3, T1, T2], [(T0, False), (T1, False), (T2, False)], id="missing entries are added"),
    pytest.param([entry(T0), entry(T1), entry(T2)], [T3], [(T0, False), (T1, True), (T2, True)], id="too many"),
]


@pytest.mark.parametrize(("history", "times", "want"), HISTORIES)
def test_history_is_brought_into_step_with_the_layers(
    history: list[History], times: list[str], want: list[tuple[str, bool]]
) -> None:
    aligned = align_history(history, [layer(time) for time in times])
    assert [(found.created, found.empty_layer) for found in aligned] == want


def test_a_history_entry_that_was_missing_says_where_the_layer_came_from() -> None:
    (first,) = align_history([], [layer(T1)])
    assert (first.created_by, first.comment) == (f"made {T1}", "buildkit.exporter.image.v0")


def test_an_image_is_as_old_as_its_last_history_entry() -> None:
    image = assemble(sample_config(), [layer(T1)])
    assert image.config.created == T1
    assert json.loads(image.config_blob)["created"] == T1


def test_a_creation_time_of_its_own_is_kept() -> None:
    assert assemble(replace(sample_config(), created=T0), [layer(T1)]).config.created == T0


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (assemble(sample_config(), [layer(T1)]) for _ in range(2))
    assert first == second
    assert first.manifest_descriptor.digest == sha256_digest(first.manifest_blob)


def test_diff_ids_are_those_of_the_layers_whatever_the_config_said() -> None:
    config = replace(sample_config(), diff_ids=(sha256_digest(b"stale"),))
    image = assemble(config, [layer(T1)])
    assert decode_config(image.config_blob).diff_ids == (layer(T1).diff_id,)


def test_layer_descriptors_lose_notes_of_other_builders_and_docker_types() -> None:
    docker = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    (found,) = assemble(sample_config(), [layer(T1, media_type=docker)]).layers
    assert found.media_type == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert found.annotations == (("kept", "z"),)


def test_an_image_without_layers_has_empty_lists_not_null() -> None:
    image = assemble(replace(sample_config(), history=()), [])
    assert json.loads(image.manifest_blob)["layers"] == []
    assert json.loads(image.config_blob)["rootfs"]["diff_ids"] == []
    assert "created" not in json.loads(image.config_blob)


def test_an_assembled_image_reads_back(tmp_path: Path) -> None:
    image = assemble(sample_config(), [put_layer(open_store(tmp_path), {"a": b"1"})])
    manifest = decode_manifest(image.manifest_blob)
    assert manifest.media_type == image.manifest_descriptor.media_type
    assert decode_config(image.config_blob) == image.config
    assert image.manifest_descriptor.platform == AMD64
