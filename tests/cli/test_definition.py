"""Definitions from outside: which form they have, and what is wrong with them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.cli.definition import parse_definition, plain_image, read_bytes
from llbuild.errors import DefinitionError, LlbuildError, SourceError
from llbuild.llb import encode_definition, image, local, scratch
from llbuild.platforms import Platform, host_platform
from llbuild.proto import encode_buildkit

if TYPE_CHECKING:
    from pathlib import Path

ARM = Platform(os="linux", architecture="arm64")
DEFINITION = scratch().copy(image("busybox", platform=ARM).run("make").root, "/x", "/x").marshal()
CONFIG = {"os": "linux", "architecture": "s390x", "config": {"User": "me"}, "rootfs": {"type": "layers"}}


def bundle(**fields: Any) -> bytes:
    whole = {"definition": b64encode(encode_buildkit(DEFINITION)).decode(), "image": None, "error": None}
    return json.dumps({**whole, **fields}).encode()


def test_every_form_is_told_by_its_beginning() -> None:
    assert parse_definition(encode_definition(DEFINITION)).definition == DEFINITION
    wire = parse_definition(encode_buildkit(DEFINITION)).definition
    assert [vertex.digest for vertex in wire.vertices] == [vertex.digest for vertex in DEFINITION.vertices]
    assert parse_definition(bundle()).definition == wire


def test_a_bundle_brings_its_image() -> None:
    assert parse_definition(bundle()).image is None
    found = parse_definition(b" " + bundle(image=CONFIG)).image
    assert found is not None
    assert (found.platform.architecture, found.config.user) == ("s390x", "me")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the definition is empty"),
        (b"\x81\xa3llb\x63", "definition of version 99; this llbuild reads version 1"),
        (b"\x80", "not a definition: no version in it"),
        (b"{", "not a bundle: Expecting property name"),
        (bundle() + bundle(), "not a bundle: Extra data"),
        (bundle(error="no FROM"), "the bundle holds no definition but an error: no FROM"),
        (bundle(definition=None), 'not a bundle: expected a base64 text under "definition"'),
        (bundle(definition="!"), "not a bundle: its definition is no base64"),
        (b"FROM busybox\n", ""),
    ],
)
def test_a_wrong_definition_is_one_clear_error(data: bytes, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_definition(data)
    assert caught.value.message.startswith(message)


@given(st.binary(max_size=64) | st.binary(max_size=32).map(lambda tail: encode_buildkit(DEFINITION)[:-8] + tail))
def test_whatever_comes_is_a_definition_or_an_error_of_ours(data: bytes) -> None:
    try:
        parse_definition(data)
    except LlbuildError:
        return


def test_an_image_config_in_a_bundle_must_be_one() -> None:
    with pytest.raises(SourceError, match="the bundle: image config: os: expected a string"):
        parse_definition(bundle(image={**CONFIG, "os": 1}))


def test_a_plain_image_is_for_the_platform_of_the_last_step() -> None:
    assert plain_image(DEFINITION).platform == ARM
    assert plain_image(local("x").marshal()).platform == host_platform()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read .*nothing"):
        read_bytes(str(tmp_path / "nothing"))
