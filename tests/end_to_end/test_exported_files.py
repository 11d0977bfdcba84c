"""`-o type=local`: files in a folder, beside others or in their place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.oci import read_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

TREE = "FROM scratch\nCOPY tree /\n"


def a_tree(context: Callable[..., Path], *names: str) -> Path:
    folder = context(TREE)
    for name in names:
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


@pytest.fixture(name="littered")
def _littered(tmp_path: Path) -> Path:
    """A folder with files of an earlier result, and a link out of it."""
    out = tmp_path / "work/out"
    (out / "lib/old/deep").mkdir(parents=True)
    (out / "lib/old/deep/file").write_text("old")
    (out / "a").mkdir()
    (out / "a/stale").write_text("old")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("not ours")
    (out / "away").symlink_to(tmp_path / "precious")
    (out / "lib/away").symlink_to(tmp_path / "precious")
    return out


def test_what_else_is_in_the_folder_stays(llbuild: Llbuild, context: Callable[..., Path], littered: Path) -> None:
    llbuild.build("-o", littered, a_tree(context, "a/b", "lib/new"))
    assert files_in(littered) == {"a/b", "a/stale", "lib/new", "lib/old/deep/file", "away", "lib/away"}


def test_with_mode_delete_it_goes_and_nothing_outside(
    llbuild: Llbuild, context: Callable[..., Path], littered: Path, tmp_path: Path
) -> None:
    folder = a_tree(context, "a/b", "lib/new", "top")
    llbuild.build("-o", "type=local,dest=out,mode=delete", folder, cwd=littered.parent)
    assert files_in(littered) == {"a/b", "lib/new", "top"}
    assert (tmp_path / "precious/file").read_text() == "not ours"
    # Again, with a folder where a file was, and the other way round.
    (littered / "top").unlink()
    (littered / "top/inner").mkdir(parents=True)
    (littered / "a/b").unlink()
    (littered / "a").rmdir()
    (littered / "a").write_text("a file")
    llbuild.build("-o", "type=local,dest=out,mode=delete", folder, cwd=littered.parent)
    assert files_in(littered) == {"a/b", "lib/new", "top"}


def test_a_folder_that_is_not_below_this_one_is_not_cleared_unasked(
    llbuild: Llbuild, context: Callable[..., Path], littered: Path, tmp_path: Path
) -> None:
    folder, before = a_tree(context, "top"), files_in(littered)
    output = ("-o", f"type=local,dest={littered},mode=delete")
    for cwd, dest in ((tmp_path / "precious", output), (littered, ("-o", "type=local,dest=.,mode=delete"))):
        outcome = llbuild.build(*dest, folder, cwd=cwd, exit_code=2)
        assert f"mode=delete would remove what else is in {littered}, which is not below this folder" in outcome.stderr
        assert f"--allow fs.write={littered}" in outcome.stderr
        assert files_in(littered) == before
    llbuild.build(*output, "--allow", f"fs.write={littered}", folder, cwd=tmp_path / "precious")
    assert files_in(littered) == {"top"}


def test_a_new_folder_needs_no_permission(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    dest = tmp_path / "new"
    llbuild.build("-o", f"type=local,dest={dest},mode=delete", a_tree(context, "top"), cwd=tmp_path / "elsewhere")
    assert files_in(dest) == {"top"}


def test_folders_of_platforms_that_are_built_no_more_go(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder, output = a_tree(context, "top"), ("-o", "type=local,dest=out,mode=delete")
    llbuild.build("--platform", "linux/amd64,linux/arm64,linux/s390x", *output, folder, cwd=tmp_path)
    (tmp_path / "out/linux_amd64/stale").write_text("old")
    llbuild.build("--platform", "linux/amd64,linux/arm64", *output, folder, cwd=tmp_path)
    assert files_in(tmp_path / "out") == {"linux_amd64/top", "linux_arm64/top"}


def test_each_output_may_have_a_time_of_its_own(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = a_tree(context, "top")
    outputs = (
        *("-o", f"type=oci,dest={tmp_path / 'build.tar'},rewrite-timestamp=true"),
        *("-o", f"type=oci,dest={tmp_path / 'own.tar'},rewrite-timestamp=true,source-date-epoch=1000000000"),
        *("-o", f"type=local,dest={tmp_path / 'files'},source-date-epoch=1100000000"),
    )
    llbuild.build(*outputs, folder, env={"SOURCE_DATE_EPOCH": "1200000000"})
    build, own = (read_image(tmp_path / name) for name in ("build.tar", "own.tar"))
    assert (build.config["created"], own.config["created"]) == ("2008-01-10T21:20:00Z", "2001-09-09T01:46:40Z")
    assert {info.mtime for layer in own.layers for info in layer.members.values()} == {1_000_000_000}
    assert os.stat(tmp_path / "files/top").st_mtime == 1_100_000_000
    # Cached, and without a time of the build.
    again = tmp_path / "again.tar"
    output = f"type=oci,dest={again},rewrite-timestamp=true,source-date-epoch=1000000000"
    assert not llbuild.build("-o", output, folder, env={"SOURCE_DATE_EPOCH": "1200000000"}).ran()
    assert read_image(again).digest == own.digest
