"""How base images are made: a root filesystem unpacked onto nothing."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import require_tool, run_tool
from llbuild.tests.worker.layer.tars import entry, tar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild


@pytest.mark.parametrize("form", ["", "gz", "bz2", "xz"])
def test_a_root_filesystem_archive_becomes_an_image(
    bare_llbuild: Llbuild, busybox_rootfs: Path, context: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    name = f"rootfs.tar.{form}" if form else "rootfs.tar"
    folder = context(f'FROM scratch\nADD {name} /\nCMD ["/bin/sh"]\n')
    with tarfile.open(folder / name, f"w:{form}") as archive:  # type: ignore[call-overload]  # a mode put together
        archive.add(busybox_rootfs, arcname=".")
    bare_llbuild.build("-t", "base", folder)
    bare_llbuild.build("-o", f"type=oci,dest={tmp_path / 'base.tar'}", folder)
    (layer,) = read_image(tmp_path / "base.tar").layers
    assert layer.members["bin/sh"].linkname == "busybox"
    assert layer.members["tmp"].mode & 0o7777 == 0o1777
    assert name not in layer.members
    said = bare_llbuild("run", "base", "/bin/sh", "-c", "echo $((6 * 7))").stdout
    assert said == "42\n"


def test_an_imported_folder_and_its_tar_hold_the_same_files(
    bare_llbuild: Llbuild, busybox_rootfs: Path, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:
        archive.add(busybox_rootfs, arcname=".")
    bare_llbuild("import", busybox_rootfs, "from-folder")
    bare_llbuild("import", tmp_path / "rootfs.tar", "from-tar")
    command = ["find", "/bin", "/etc", "/tmp", "/usr"]
    assert bare_llbuild("run", "from-folder", *command).stdout == bare_llbuild("run", "from-tar", *command).stdout


def test_a_plain_root_filesystem_comes_out_as_folder_and_as_tar(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context("FROM busybox\nRUN rm /bin/vi && mkdir /made && echo here > /made/file\n")
    llbuild.build("-o", f"type=local,dest={tmp_path / 'out'}", folder)
    llbuild.build("-o", f"type=tar,dest={tmp_path / 'out.tar'}", folder)
    assert (tmp_path / "out/made/file").read_text() == "here\n"
    assert (tmp_path / "out/bin/sh").is_symlink()
    assert not (tmp_path / "out/bin/vi").is_symlink()
    with tarfile.open(tmp_path / "out.tar") as archive:
        names = {name.removeprefix("./").rstrip("/") for name in archive.getnames()}
    assert {"made/file", "bin/sh"} <= names
    assert not [name for name in names if name == "bin/vi" or ".wh." in name]


def test_what_a_run_needs_of_proc_dev_and_etc_never_lands_in_the_layer(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    check = "test -c /dev/null && test -d /proc/self && test -s /etc/hosts && echo fine > /fine"
    folder = context(f"FROM busybox\nRUN {check}\n")
    llbuild.build("-o", f"type=oci,dest={tmp_path / 'image.tar'}", folder)
    layer = read_image(tmp_path / "image.tar").layers[-1]
    assert set(layer.members) == {"fine"}


def test_a_base_image_may_have_a_layer_twice(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild("build", "-t", "base", context("FROM busybox\nRUN true\nRUN echo a > /a\nRUN true && true\n"))
    layers = [layer["digest"] for layer in llbuild.json("inspect", "base")["layers"]]
    assert layers[1] == layers[3]
    assert llbuild("run", "base", "cat", "/a").stdout == "a\n"
    llbuild("build", "-t", "x", context("FROM base\nRUN cat /a > /b\n"))
    assert [layer["digest"] for layer in llbuild.json("inspect", "x")["layers"]][:4] == layers
    assert llbuild("run", "x", "cat", "/b").stdout == "a\n"


def test_a_layer_that_says_nothing_of_its_folders_leaves_them_as_they_were(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    """As bazel, jib and others write layers: `tmp/x` without a member for `tmp`, below a link of the base."""
    require_tool("umoci")
    base = context("FROM busybox\nRUN chmod 1777 /tmp && mkdir -p /usr/lib64 && ln -s usr/lib64 /lib64\n")
    llbuild.build("-o", f"type=oci,tar=false,dest={tmp_path / 'layout'},name=base:1", base)
    (tmp_path / "layer.tar").write_bytes(tar(entry("tmp/x"), entry("lib64/y")))
    (tag,) = run_tool(["umoci", "ls", "--layout", tmp_path / "layout"]).split()
    run_tool(["umoci", "raw", "add-layer", "--image", f"{tmp_path / 'layout'}:{tag}", tmp_path / "layer.tar"])
    folder = context("FROM given\nRUN ls -ld /tmp /lib64 > /seen; ls /usr/lib64 >> /seen\n")
    layout = f"given=oci-layout://{tmp_path / 'layout'}:{tag}"
    llbuild.build("--build-context", layout, "-o", f"type=local,dest={tmp_path / 'out'}", folder)
    seen = (tmp_path / "out/seen").read_text()
    assert "drwxrwxrwt" in seen
    assert "/lib64 -> usr/lib64" in seen
    assert seen.endswith("y\n")
    assert (tmp_path / "out/usr/lib64/y").is_file()


@pytest.mark.parametrize("form", ["oci-layout", "docker-archive", "oci-archive"])
def test_an_archive_is_built_on_where_it_lies(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    """Archives that skopeo wrote, by a word for what they are or by the common one."""
    layout, archive = tmp_path / "layout", tmp_path / "archive.tar"
    llbuild("build", "-t", "base:1", "-o", f"type=oci,tar=false,dest={layout}", context("FROM busybox\nRUN echo >/a\n"))
    kind = "docker-archive" if form == "oci-layout" else form
    skopeo = [require_tool("skopeo"), "--insecure-policy", "copy", "-q", f"oci:{layout}:1"]
    run_tool([*skopeo, f"{kind}:{archive}:example.org/base:1"])
    folder = context("FROM base\nRUN test -e /a\n")
    for name in ("", ":example.org/base:1"):
        llbuild("build", "--build-context", f"base={form}://{archive}{name}", folder)
    outcome = llbuild("build", "--build-context", f"base={form}://{archive}:other:1", folder, exit_code=1)
    assert "holds no image called 'other:1'" in outcome.stderr
