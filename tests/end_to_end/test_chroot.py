"""Builds in containers that permit neither mounts nor namespaces: --isolation=chroot."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.end_to_end.test_oci_runtime import DOCKERFILE
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

pytestmark = pytest.mark.needs_root
FLAG = "--isolation=chroot"
MKNOD, SETPCAP = "27", "8"


@pytest.fixture
def jailed(llbuild: Llbuild, request: pytest.FixtureRequest) -> Llbuild:
    """The program as in a plain container; a parameter names capabilities that are missing there."""
    without = getattr(request, "param", "")
    llbuild.environment = {"PYTHONPATH": str(ROOT / ".typing")}
    llbuild.prefix = (sys.executable, "-m", "llbuild.tests.jail", without)
    return llbuild


def test_it_makes_the_same_layers_as_the_sandbox(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    # Without the hard link: a write to one name leaves the other as it was with overlayfs, and not in a copy
    folder = context(DOCKERFILE.replace(" && ln file deep/link", ""))
    trees = []
    for name, flags in (("sandbox", ()), ("chroot", (FLAG,))):
        archive = tmp_path / f"{name}.tar"
        outcome = llbuild.build("--no-cache", *flags, "-o", f"type=oci,dest={archive}", folder)
        assert outcome.step("wc").output.split() == [b"2", b"file"]
        trees.append([sorted(layer.members) for layer in read_image(archive).layers])
        assert len(outcome.named("steps are not isolated")) == (name == "chroot")
    assert trees[0] == trees[1]
    assert llbuild.build(FLAG, folder).ran() == []


@pytest.mark.parametrize("jailed", ["", MKNOD, f"{MKNOD},{SETPCAP}"], indirect=True)
def test_it_works_in_a_plain_container(jailed: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    text = """
        FROM busybox
        RUN id -u && echo x > /dev/null && cat /dev/null | wc -c && rm -r /var && touch /made && (sleep 1000 &)
        RUN --mount=type=cache,target=/new/cache --mount=type=bind,target=/ctx --mount=type=tmpfs,target=/t \\
            ls /ctx && touch /t/x && echo again >> /new/cache/n && wc -l < /new/cache/n
        RUN --mount=type=cache,target=/new/cache echo more >> /new/cache/n && wc -l < /new/cache/n && ls / /dev
        USER nobody
        RUN id -un && ! chroot / true && ! mount -t tmpfs none /tmp
    """.replace("        ", "")
    archive = tmp_path / "out.tar"
    outcome = jailed.build(FLAG, "-o", f"type=oci,dest={archive}", context(text))
    assert outcome.step("touch /t/x").output.split()[-1] == b"1"
    assert outcome.step("echo more").output.split()[0] == b"2"
    assert outcome.step("id -un").output.split()[0] == b"nobody"
    base, first, *others = read_image(archive).layers
    assert base.members
    assert {name.strip("/") for name in first.members} == {"made", ".wh.var"}
    assert [layer.members for layer in others if layer.members] == []


def test_it_is_named_where_it_would_help_and_never_chosen(jailed: Llbuild, context: Callable[..., Path]) -> None:
    failed = jailed("build", context("FROM busybox\nRUN true\n"), exit_code=1)
    assert "cannot prepare the sandbox" in failed.stderr
    assert "--isolation=chroot" in failed.stderr


@pytest.mark.parametrize(
    ("step", "flags", "said"),
    [
        ("--mount=type=secret,id=s cat /run/secrets/s", ("--secret", "id=s,env=TOKEN"), "written to the disk"),
        ("--mount=type=tmpfs,target=/t,size=1m true", (), "size of the tmpfs at /t cannot be bounded"),
        ("--network=none true", (), "takes a network namespace, which is not permitted here"),
    ],
)
def test_what_needs_a_mount_or_a_namespace_is_refused_by_name(
    jailed: Llbuild, context: Callable[..., Path], step: str, flags: tuple[str, ...], said: str
) -> None:
    folder = context(f"FROM busybox\nRUN {step}\n")
    failed = jailed("build", FLAG, *flags, folder, exit_code=1, env={"TOKEN": "s3cret"})
    assert said in failed.stderr
    assert "s3cret" not in failed.stderr


def test_a_secret_can_be_a_variable(jailed: Llbuild, context: Callable[..., Path]) -> None:
    folder = context('FROM busybox\nRUN --mount=type=secret,id=s,env=S test "$S" = s3cret\n')
    jailed("build", FLAG, "--secret", "id=s,env=TOKEN", folder, env={"TOKEN": "s3cret"})


def test_flags_that_contradict_each_other_are_refused(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\n")
    failed = llbuild("build", FLAG, "--oci-runtime", "runc", folder, exit_code=2)
    assert "--oci-runtime 'runc' and --isolation=chroot contradict each other" in failed.stderr
    assert "expected sandbox or oci or chroot" in llbuild("build", "--isolation=jail", folder, exit_code=2).stderr
