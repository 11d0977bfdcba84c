"""Platforms of stages: how they are spelt in the graph and in the image."""

from __future__ import annotations

import pytest
from llbuild.image import ContainerConfig, ImageConfig
from llbuild.llb import ExecOp, SourceOp
from llbuild.platforms import Platform
from llbuild.tests.frontend.dockerfile.kit import LAYER, MemoryLookup, compile_one


@pytest.mark.parametrize(
    ("text", "source", "process"), [("linux/arm64/v8", "v8", ""), ("linux/arm", "", "v7"), ("linux/arm/v6", "v6", "v6")]
)
def test_an_image_keeps_the_platform_as_written_while_processes_get_the_normal_form(
    text: str, source: str, process: str
) -> None:
    result = compile_one(f"FROM --platform={text} busybox\nRUN x\n")
    platforms = {type(vertex.op): vertex.platform for vertex in result.definition.vertices}
    image, run = platforms[SourceOp], platforms[ExecOp]
    assert image is not None
    assert run is not None
    assert (image.variant, run.variant, result.image.platform.variant) == (source, process, process)


def test_the_platform_asked_of_a_build_is_normal_everywhere() -> None:
    result = compile_one("FROM busybox\nRUN x\n", {"platform": "linux/arm64/v8"})
    assert {vertex.platform for vertex in result.definition.vertices} == {Platform(os="linux", architecture="arm64")}


def test_the_platform_that_an_image_claims_is_normalised_in_the_result() -> None:
    odd = Platform(os="linux", architecture="x86_64", variant="v1")
    base = ImageConfig(platform=odd, config=ContainerConfig(env=("PATH=/p",)), diff_ids=(LAYER,))
    lookup = MemoryLookup(images={"docker.io/library/odd:latest": base})
    assert compile_one("FROM odd\n", lookup=lookup).image.platform == Platform(os="linux", architecture="amd64")
