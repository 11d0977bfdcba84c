"""`--squash`: one layer of all that a build adds to its base image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.tests.end_to_end.oci import read_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.fixtures_registry import Registry

DOCKERFILE = """
FROM busybox
RUN echo large > /temporary && echo one > /one
ENV A=b
RUN rm /temporary && echo two > /two && rm /bin/vi
CMD ["cat", "/one", "/two"]
"""


def test_new_layers_become_one_and_the_history_stays(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    plain, out = tmp_path / "plain", tmp_path / "out"
    llbuild.build("-o", f"type=oci,tar=false,dest={plain}", context(DOCKERFILE))
    llbuild.build(
        "--squash", "-t", "squashed", "-o", "type=image", "-o", f"type=oci,tar=false,dest={out}", context(DOCKERFILE)
    )
    before, image = read_image(plain), read_image(out)
    assert len(before.layers) == 3
    base, new = image.layers
    assert base == before.layers[0]
    assert {"one", "two", "bin/.wh.vi"} <= set(new.members)
    assert not {"temporary", ".wh.temporary"} & set(new.members)
    assert [entry["created_by"] for entry in image.history] == [entry["created_by"] for entry in before.history]
    assert image.layer_of("rm /temporary") == new
    assert llbuild("run", "squashed").stdout == "one\ntwo\n"


def test_squashing_again_packs_nothing(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE)
    llbuild.build("--squash", "-t", "squashed", folder)
    blobs = {path: path.stat().st_ino for path in (llbuild.root / "content/blobs/sha256").iterdir()}
    llbuild.build("--squash", "-t", "squashed", folder)
    assert {path: path.stat().st_ino for path in (llbuild.root / "content/blobs/sha256").iterdir()} == blobs


def test_a_squashed_image_is_pushed(llbuild: Llbuild, context: Callable[..., Path], registry: Registry) -> None:
    ref = f"{registry.address}/squash/pushed:1"
    llbuild.build("--squash", "--push", "-t", ref, context(DOCKERFILE))
    llbuild("pull", "-q", ref)
    assert llbuild("run", ref).stdout == "one\ntwo\n"


def test_a_squashed_image_is_reproducible(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    out, epoch = tmp_path / "out", 1_600_000_000
    llbuild.build(
        *("--squash", "-o", f"type=oci,tar=false,dest={out},rewrite-timestamp=true"),
        context(DOCKERFILE),
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    _, new = read_image(out).layers
    assert max(member.mtime for member in new.members.values()) == epoch


def test_squash_and_an_inline_cache_contradict_each_other(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild.build("--squash", "--cache-to", "type=inline", context(DOCKERFILE), exit_code=2)
    assert "a squashed image has no layers for --cache-to type=inline" in outcome.stderr
