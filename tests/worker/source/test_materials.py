"""What a build took from elsewhere, as provenance and locks name it."""

from __future__ import annotations

import pytest
from llbuild.llb import SourceOp
from llbuild.platforms import Platform
from llbuild.worker.source import Material, materials_of, pinned_key

HERE = Platform(os="linux", architecture="amd64")
SHA = "a" * 64
COMMIT = "b" * 40


def resolved(identifier: str, words: str, **attrs: str) -> dict[tuple[SourceOp, Platform | None], str]:
    named = {name.replace("_", "."): value for name, value in attrs.items()}
    return {(SourceOp(identifier=identifier, attrs=tuple(sorted(named.items()))), HERE): words}


@pytest.mark.parametrize(
    ("found", "want"),
    [
        (
            resolved(
                f"docker-image://docker.io/library/alpine:3.17@sha256:{SHA}", f"image@sha256:{SHA} for linux/amd64"
            ),
            Material(
                scheme="docker-image", name="docker.io/library/alpine:3.17", digest=f"sha256:{SHA}", platform=HERE
            ),
        ),
        (
            resolved(f"oci-layout:///srv/base@sha256:{SHA}", f"image@sha256:{SHA} for linux/amd64"),
            Material(scheme="oci-layout", name="/srv/base", digest=f"sha256:{SHA}", platform=HERE),
        ),
        (
            resolved("git://example.org/a.git#main:docs", f"git@{COMMIT} folder 'docs'"),
            Material(scheme="git", name="https://example.org/a.git#main", digest=f"sha1:{COMMIT}"),
        ),
        (
            resolved("git://example.org/a.git", f"git@{SHA}", git_fullurl="https://me:secret@example.org/a.git"),
            Material(scheme="git", name="https://xxxxx:xxxxx@example.org/a.git", digest=f"sha256:{SHA}"),
        ),
        (
            resolved("https://me:secret@example.org/f", f"file@sha512:{SHA}{SHA} as 'f' 600 0:0 of 7"),
            Material(scheme="http", name="https://xxxxx:xxxxx@example.org/f", digest=f"sha512:{SHA}{SHA}"),
        ),
    ],
)
def test_a_source_is_named_by_what_was_asked_for_and_by_its_digest(
    found: dict[tuple[SourceOp, Platform | None], str], want: Material
) -> None:
    assert materials_of(found) == (want,)


def test_equal_materials_are_listed_once_and_in_order() -> None:
    whole = resolved("git://example.org/a.git#main", f"git@{COMMIT}")
    part = resolved("git://example.org/a.git#main:docs", f"git@{COMMIT} folder 'docs'")
    file = resolved("https://example.org/f", f"file@sha256:{SHA} as 'f' 600 0:0")
    assert [one.scheme for one in materials_of({**file, **whole, **part})] == ["git", "http"]


@pytest.mark.parametrize(
    "op",
    [
        SourceOp(identifier=f"git://example.org/a.git#{COMMIT}"),
        SourceOp(identifier="https://example.org/f", attrs=(("http.checksum", f"sha256:{SHA}"),)),
    ],
)
def test_what_is_pinned_by_itself_is_a_material_too(op: SourceOp) -> None:
    words = pinned_key(op, {})
    assert words is not None
    (found,) = materials_of({(op, None): words})
    assert found.digest in {f"sha1:{COMMIT}", f"sha256:{SHA}"}
