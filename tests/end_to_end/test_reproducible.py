"""The same bytes from different machines: other state folders, other times, files that came in another order."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.platforms import host_platform
from llbuild.tests.end_to_end.driver import Llbuild, as_user
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.gitserver import serve_git
from llbuild.tests.ordinary import NOBODY, folder_of
from llbuild.tests.tools import require_tool
from llbuild.tests.webserver import serve_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = 1_600_000_000
CREATED = "2020-09-13T12:26:40Z"
# `clock` stands for the machine's: what the step writes is as old as that file says.
DOCKERFILE = """
FROM base
COPY tree /tree
RUN --mount=target=/src mkdir /made && echo x > /made/file && touch -r /src/clock /made/file && ln -s file /made/link
WORKDIR /work
RUN --mount=target=/src rm /tree/b && touch -h -r /src/clock /tree
LABEL a=b
"""


@pytest.fixture
def base(llbuild: Llbuild, tmp_path: Path) -> Path:
    """One base image for all machines."""
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\n")
    layout = tmp_path / "base"
    llbuild.build("-o", f"type=oci,tar=false,dest={layout}", folder)
    return layout


def machine(tmp_path: Path, name: str, names: str, age: int) -> tuple[Llbuild, Path]:
    """The program and a context, whose files were made in this order and are `age` seconds younger than the epoch."""
    folder = tmp_path / name / "context"
    (folder / "tree").mkdir(parents=True)
    for file in names:
        (folder / "tree" / file).write_text(file)
    (folder / "clock").write_text("")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (EPOCH + age, EPOCH + age))
    return Llbuild(root=tmp_path / name / "state", environment={"SOURCE_DATE_EPOCH": str(EPOCH)}), folder


def test_two_machines_make_the_same_image(base: Path, tmp_path: Path) -> None:
    archives = []
    for name, order, age in (("one", "abcd", 100), ("two", "dbca", 90_000)):
        program, context = machine(tmp_path, name, order, age)
        out = tmp_path / f"{name}.tar"
        program.build(
            *("--build-context", f"base=oci-layout://{base}", "-t", "x"),
            *("-o", f"type=oci,dest={out},rewrite-timestamp=true"),
            context,
        )
        archives.append(out)
    image = read_image(archives[0])
    assert image.digest == read_image(archives[1]).digest
    assert archives[0].read_bytes() == archives[1].read_bytes()
    new = image.layers[1:]
    assert max(info.mtime for layer in new for info in layer.members.values()) == EPOCH
    assert image.config["created"] == CREATED
    assert {entry["created"] for entry in image.history[1:]} == {CREATED}


# All that files can come from; RUN tells what it sees of the machine.
EVERYTHING = """
FROM --platform=$BUILDPLATFORM base AS one
WORKDIR /w
COPY tree tree
RUN for i in 3 1 2; do echo $i > out$i; done; mkdir -p d/e; ln -s ../out1 d/l; ln out1 d/hard; mkfifo pipe
RUN rm tree/b; chmod 600 out2; rm -r /home; mkdir /home
FROM scratch AS two
ADD arch.tar /unpacked
ADD --chmod=644 arch.tar /packed/
ADD --keep-git-dir=true REPOSITORY#v1 /repository
ADD PAGE /page
COPY <<EOT /doc/text
hello
EOT
FROM base
COPY --from=one /w /w
COPY --from=two --link /unpacked /two/
COPY --from=two /repository /repository
COPY --from=two /page /doc /
COPY --parents tree/a /parents/
COPY --chmod=755 tree/d /bin/
WORKDIR /new/deep
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=target=/src \\
    hostname > /t/h; cp /src/tree/a /copied; rm /bin/vi; touch /bin/vi; ls /src/tree /w > /listed
RUN (hostname; id; env | sort; cat /etc/hosts /proc/self/cgroup; pwd; umask; tty; cat /proc/self/oom_score_adj) > /seen
ENTRYPOINT ["x"]
"""


@pytest.fixture(name="elsewhere")
def _elsewhere(base: Path, tmp_path: Path) -> Iterator[str]:
    """EVERYTHING, with what is behind its URLs."""
    (tmp_path / "served").mkdir()
    with serve_git(tmp_path / "served") as server, serve_pages() as web:
        repo = server.make("repo.git")
        other = server.make("other.git")
        repo.git("submodule", "--quiet", "add", other.url, "sub")
        for number in range(120):  # more than git keeps as single files
            (repo.folder / f"file{number}").write_text(f"{number}\n" * 9)
        repo.commit()
        repo.git("tag", "-a", "-m", "a tag", "v1")
        page = web.put("/page", b"page", modified="Mon, 02 Jan 2006 15:04:05 GMT")
        yield EVERYTHING.replace("REPOSITORY", repo.url.removesuffix("/.git")).replace("PAGE", page)


HOST = str(host_platform())
PLATFORMS = f"{HOST},{HOST}/v2" if HOST == "linux/amd64" else HOST  # both can run here


def a_context(folder: Path, dockerfile: str, names: str, age: int) -> Path:
    """A context whose files were made in this order, and are of another time."""
    (folder / "tree").mkdir(parents=True)
    for file in names:
        (folder / "tree" / file).write_text(file)
    (folder / "Dockerfile").write_text(dockerfile)
    with tarfile.open(folder / "arch.tar", "w") as tar:
        for name in ("p", "q/r"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (EPOCH + age, EPOCH + age))
    return folder


def made(program: Llbuild, base: Path, context: Path, out: Path, *flags: str, env: dict[str, str]) -> bytes:
    """The archive of the image of two platforms."""
    program.build(
        *(
            "--build-context",
            f"base=oci-layout://{base}",
            "-t",
            "x",
            "--platform",
            PLATFORMS,
            *flags,
        ),
        *("-o", f"type=oci,dest={out},rewrite-timestamp=true", context),
        env={"SOURCE_DATE_EPOCH": str(EPOCH), **env},
    )
    return out.read_bytes()


@pytest.mark.slow
def test_time_file_system_and_habits_leave_no_trace(base: Path, elsewhere: str, tmp_path: Path) -> None:
    """Days later by its own clock, in memory, under another umask, in another time zone and language, a step at a time.

    faketime shifts what llbuild reads of the clock; the kernel's own, which dates files, goes on between both builds.
    """
    first = a_context(tmp_path / "one", elsewhere, "abcd", 100)
    one = made(Llbuild(root=tmp_path / "state-1"), base, first, tmp_path / "1.tar", env={"TZ": "UTC"})
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="llbuild-") as folder:
        second = a_context(Path(folder) / "context", elsewhere, "dbca", 90_000)
        habits = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "HOME": folder, "TMPDIR": folder}
        program = Llbuild(
            root=Path(folder) / "state",
            prefix=(require_tool("faketime"), "-m", "-f", "+3d", "sh", "-c", 'umask 077; exec "$@"', "sh"),
        )
        two = made(program, base, second, tmp_path / "2.tar", "--max-parallelism", "1", env=habits)
    assert one == two


@pytest.mark.slow
@pytest.mark.needs_root
@pytest.mark.skipif(os.environ.get("LLBUILD_GUEST") != "1", reason="sets its machine's clock: scripts/guest runs it")
def test_a_machine_of_another_year_makes_the_same_image(base: Path, elsewhere: str, tmp_path: Path) -> None:
    """Not llbuild's clock alone: the kernel's too, by which steps go and files are dated."""
    first = a_context(tmp_path / "one", elsewhere, "abcd", 100)
    one = made(Llbuild(root=tmp_path / "state-1"), base, first, tmp_path / "1.tar", env={})
    now = time.time()
    time.clock_settime(time.CLOCK_REALTIME, now + 400 * 86_400 + 12_345.6)
    try:
        second = a_context(tmp_path / "two", elsewhere, "dbca", 90_000)
        two = made(Llbuild(root=tmp_path / "state-2"), base, second, tmp_path / "2.tar", env={})
    finally:
        time.clock_settime(time.CLOCK_REALTIME, now + 60)
    assert one == two


@pytest.mark.slow
@pytest.mark.needs_root
def test_who_builds_leaves_no_trace(base: Path, elsewhere: str, tmp_path: Path) -> None:
    """Root, and two users in a user namespace each, who are root there: the same bytes."""
    archives = [
        made(
            Llbuild(root=tmp_path / "state-1"),
            base,
            a_context(tmp_path / "one", elsewhere, "abcd", 1),
            tmp_path / "1.tar",
            env={},
        )
    ]
    for uid, ids in ((NOBODY, "one"), (12345, "one"), (NOBODY, "ranges")):
        with tempfile.TemporaryDirectory(prefix="llbuild-") as folder:
            home = Path(folder)
            context = a_context(home / "context", elsewhere, "cadb", uid)
            shutil.copytree(base, home / "base")
            program = as_user(uid, home, ids)
            archives.append(made(program, folder_of(home, uid) / "base", context, home / "out.tar", env={}))
    assert len(set(archives)) == 1


def test_the_base_images_layers_stay_what_they_are(base: Path, tmp_path: Path) -> None:
    program, context = machine(tmp_path, "one", "ab", 100)
    out = tmp_path / "out"
    program.build(
        *("--build-context", f"base=oci-layout://{base}"),
        *("-o", f"type=oci,tar=false,dest={out},rewrite-timestamp=true"),
        context,
    )
    pulled, made = read_image(base), read_image(out)
    assert made.manifest["layers"][0]["digest"] == pulled.manifest["layers"][0]["digest"]
    assert made.history[0] == pulled.history[0]


def test_rewriting_again_packs_nothing(base: Path, tmp_path: Path) -> None:
    program, context = machine(tmp_path, "one", "ab", 100)
    command = ["--build-context", f"base=oci-layout://{base}", "-o"]
    program.build(*command, f"type=oci,tar=false,dest={tmp_path / 'first'},rewrite-timestamp=true", context)
    blobs = {path: path.stat().st_ino for path in (program.root / "content/blobs/sha256").iterdir()}
    again = f"type=oci,tar=false,dest={tmp_path / 'again'},rewrite-timestamp=true"
    assert not program.build(*command, again, context).ran()
    assert {path: path.stat().st_ino for path in (program.root / "content/blobs/sha256").iterdir()} == blobs
    assert read_image(tmp_path / "first").digest == read_image(tmp_path / "again").digest


def test_exported_files_are_as_old_as_the_epoch_says(base: Path, tmp_path: Path) -> None:
    program, context = machine(tmp_path, "one", "ab", 100)
    folder, tar = tmp_path / "files", tmp_path / "files.tar"
    program.build(
        *("--build-context", f"base=oci-layout://{base}", "-o", f"type=local,dest={folder}"),
        *("-o", f"type=tar,dest={tar}"),
        context,
    )
    with tarfile.open(tar) as archive:
        assert {member.mtime for member in archive} == {EPOCH}
    assert {path.lstat().st_mtime for path in (folder / "made").iterdir()} == {EPOCH}


def test_there_must_be_a_time_to_rewrite_to(llbuild: Llbuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\n")
    outcome = llbuild.build("-o", "type=oci,rewrite-timestamp=true", tmp_path, exit_code=2)
    assert "set SOURCE_DATE_EPOCH" in outcome.stderr
