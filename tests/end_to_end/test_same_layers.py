"""One build by root, by a user with ranges of ids and by one with a single id: the same layers, to the byte."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.ordinary import NOBODY, folder_of, python_for
from llbuild.tests.tools import cache_folder, require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

FUSE = Path("/dev/fuse")

pytestmark = pytest.mark.needs_root  # to become somebody else

DOCKERFILE = """\
FROM base AS made
RUN cd /home && mkdir -p app/in && chown -R 1000:1001 app && ln -s in app/link && chown -h 1000:1001 app/link
RUN mkdir -m 2775 /shared && chown :50 /shared && chmod 2775 /shared && touch /shared/file && mkdir /shared/folder
RUN chown 33:34 /etc/passwd && chmod 4711 /bin/busybox && rm -rf /var/spool
RUN cp -a /home/app /home/copy && mkfifo -m 600 /fifo && chown 7:8 /fifo
USER app
WORKDIR /home/app/work
RUN id -u > id && id -G >> id && umask 027 && mkdir -p a/b && touch a/b/c && ln -s c a/b/d
USER 0:0
RUN su app -c 'echo x > /home/app/by-su'
COPY --chown=5:6 Dockerfile /copied/
ADD archive.tar /unpacked
ADD --chown=9:9 archive.tar /given
FROM made
COPY --from=made --chmod=640 /home/app /again
COPY --from=made --exclude=dev / /all
RUN stat -c '%n %u:%g %a' /all/home/app /all/home/app/* /again/link /all/etc/passwd /all/unpacked/* > /seen
"""


def base_image(busybox_rootfs: Path, place: Path) -> Path:
    """A root filesystem with owners of every kind, as a tar."""
    folder = place.with_suffix("")
    shutil.copytree(busybox_rootfs, folder, symlinks=True)
    with (folder / "etc/passwd").open("a") as file:
        file.write("app:x:1000:1001::/home/app:/bin/sh\n")
    with (folder / "etc/group").open("a") as file:
        file.write("app:x:1001:\nteam:x:1002:app\n")
    (folder / "var/spool/mail").mkdir(parents=True)
    os.chown(folder / "var/spool/mail", 8, 12)
    (folder / "etc/shadow").write_text("root:*:::::::\n")
    os.chown(folder / "etc/shadow", 0, 42)
    (folder / "etc/shadow").chmod(0o640)
    os.symlink("spool/mail", folder / "var/mail")
    os.lchown(folder / "var/mail", 8, 12)
    os.mknod(folder / "dev/tty9", 0o20620, os.makedev(4, 9))
    os.chown(folder / "dev/tty9", 0, 5)
    run_tool(["tar", "--numeric-owner", "--sort=name", "--mtime=@0", "-C", folder, "-cf", place, "."])
    return place


def archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, kind, uid in (("f", tarfile.REGTYPE, 3), ("l", tarfile.SYMTYPE, 4), ("d", tarfile.DIRTYPE, 5)):
            member = tarfile.TarInfo(name)
            member.type, member.uid, member.gid, member.linkname = kind, uid, uid + 1, "f" if name == "l" else ""
            tar.addfile(member)
    return data.getvalue()


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="llbuild-same-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def nobody(place: Path, ids: str) -> Llbuild:
    home = place / f"home-{ids}"
    home.mkdir()
    folder_of(home)
    *prefix, python = python_for(NOBODY, ids)
    return Llbuild(root=home / "state", prefix=(*prefix, f"HOME={home}"), python=python)


def layers_of(layout: Path) -> list[tuple[str, list[Any]]]:
    """Digest of each layer of the one image in an OCI layout, and its members."""

    def blob(digest: str) -> Path:
        return layout / "blobs" / digest.replace(":", "/")

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    layers = []
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer["digest"])) as tar:
            members = [(m.name, m.type, m.mode, m.uid, m.gid, m.devmajor, m.devminor, m.linkname) for m in tar]
        layers.append((layer["digest"], sorted(members)))
    return layers


def build(llbuild: Llbuild, image: Path, context: Path, out: Path, *options: str) -> None:
    llbuild("import", image, "base")
    target = f"type=oci,tar=false,dest={out},rewrite-timestamp=true"
    llbuild.build("--build-arg=SOURCE_DATE_EPOCH=0", *options, "-o", target, context)


@pytest.mark.slow
def test_layers_are_the_same_whoever_builds(busybox_rootfs: Path, place: Path) -> None:
    image = base_image(busybox_rootfs, place / "base.tar")
    context = place / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "archive.tar").write_bytes(archive())
    found = {}
    by_root = Llbuild(root=place / "state")
    for squash in ("", "--squash"):
        build(by_root, image, context, place / f"root{squash}", *filter(None, [squash]))
        found["root" + squash] = layers_of(place / f"root{squash}")
    ways = [("ranges", "overlay"), ("one", "overlay"), ("one", "native")]
    if FUSE.exists() and FUSE.stat().st_mode & 0o6 == 0o6:
        require_tool("fuse-overlayfs")
        ways.append(("one", "fuse-overlayfs"))
    for ids, snapshotter in ways:
        shutil.rmtree(place / f"home-{ids}", ignore_errors=True)
        llbuild = nobody(place, ids)
        for squash in ("", "--squash"):
            out = place / f"home-{ids}" / f"out{squash}"
            build(llbuild, image, context, out, f"--snapshotter={snapshotter}", *filter(None, [squash]))
            by, wanted = layers_of(out), found["root" + squash]
            assert [members for _, members in by] == [members for _, members in wanted], (ids, snapshotter)
            assert [digest for digest, _ in by] == [digest for digest, _ in wanted], (ids, snapshotter)


APT = """\
FROM debian
ENV DEBIAN_FRONTEND=noninteractive
RUN --mount=type=bind,from=apt,target=/etc/apt apt-get update
RUN --mount=type=bind,from=apt,target=/etc/apt apt-get install -y --no-install-recommends cron dbus openssh-client
RUN rm -rf /var/lib/apt /var/cache /var/log /etc/*- && stat -c '%n %U:%G %a' /var/spool/cron/crontabs /usr/bin/ssh-agent
"""
SUITE = "bookworm"


def reach_packages(folder: Path) -> None:
    """Skip where this machine's own apt reaches no package index: a step has the same sources and the same network."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    words = [f"Dir::State::lists={folder}/lists", f"Dir::Cache={folder}/cache", "APT::Update::Error-Mode=any"]
    options = [part for word in (*words, "APT::Sandbox::User=root") for part in ("-o", word)]
    command = [require_tool("apt-get"), "-qq", *options, "update"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a Debian package index that can be reached: {done.stderr.strip().splitlines()[-1]}")


@pytest.mark.slow
def test_packages_are_installed_for_a_user_without_further_ids(place: Path) -> None:
    """With maintainer scripts that make users, and files that belong to these. (BuildKit: moby/buildkit#3297.)"""
    reach_packages(place / "apt")
    image = cache_folder() / f"debian-{SUITE}.tar"
    if not image.exists():
        making = image.with_suffix(".new.tar")
        made = subprocess.run(
            [require_tool("mmdebstrap"), "--variant=minbase", SUITE, str(making)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"needs a Debian package index that can be reached: {made.stderr.strip().splitlines()[-1]}")
        making.rename(image)
    debian = place / "debian.tar"
    shutil.copyfile(image, debian)
    context = place / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(APT)
    found = {}
    for ids, llbuild in (("root", Llbuild(root=place / "state")), ("one", nobody(place, "one"))):
        llbuild("import", debian, "debian")
        out = llbuild.root.parent / f"out-{ids}"
        outcome = llbuild.build("--build-context=apt=/etc/apt", "-o", f"type=oci,tar=false,dest={out}", context)
        said = outcome.step("RUN rm").output.decode()
        assert said.splitlines() == ["/var/spool/cron/crontabs root:crontab 1730", "/usr/bin/ssh-agent root:_ssh 2755"]
        found[ids] = [members for _, members in layers_of(out)]
    assert found["one"] == found["root"]
