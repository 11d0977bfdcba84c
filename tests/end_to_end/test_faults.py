"""Damage of every kind: noticed where it matters, mended by building again, never handed on."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import processes_of, wait_for_end
from llbuild.tests.end_to_end.oci import read_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llbuild.tests.end_to_end.driver import Llbuild

# Files keep the times they are given, so that a step that runs again leaves the same layer.
DOCKERFILE = """
FROM busybox AS a
RUN echo a > /a && touch -d @1 /a && sleep 0.02
COPY f /f
FROM busybox AS b
RUN --mount=type=cache,target=/c echo b > /b; echo b >> /c/x; touch -d @1 /b /c; sleep 0.02
RUN mkdir -p /d/e && echo 1 > /d/e/1 && touch -d @1 /d/e/1 /d/e /d
FROM busybox
COPY --from=a /a /f /
COPY --from=b /b /d /
RUN rm /f && ln -s a /l && touch -h -d @1 /l
"""


def layers(llbuild: Llbuild, name: str) -> list[str]:
    return [layer["digest"] for layer in llbuild.json("inspect", name)["layers"]]


def blob_files(llbuild: Llbuild) -> list[Path]:
    """Largest first."""
    return sorted((llbuild.root / "content/blobs/sha256").iterdir(), key=lambda path: -path.stat().st_size)


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def mounted_below(root: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]


def kill_rounds(llbuild: Llbuild, folder: Path, seeds: range) -> None:
    """Kill a build at a random instant, once per seed. Whatever the instant, the store stays whole."""
    started = time.monotonic()
    llbuild("build", "-t", "x", folder)
    whole_s = time.monotonic() - started
    undisturbed = layers(llbuild, "x")
    for seed in seeds:
        chance = random.Random(seed)
        if seed % 4 == 0:
            llbuild("prune")
        process = llbuild.start("build", "--progress=plain", *(["--no-cache"] if seed % 4 else []), "-t", "x", folder)
        try:
            process.wait(chance.uniform(0.02, whole_s * 1.1))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        checked = llbuild("verify")
        assert "fault" not in checked.stdout, f"seed {seed}\n{checked}"
        assert checked.stderr == ""
    llbuild("build", "-t", "x", folder)
    assert layers(llbuild, "x") == undisturbed
    assert llbuild.build("-t", "x", folder).ran() == []
    llbuild("prune", "--filter", "type=leftover")  # a build that has nothing to do sweeps nothing either
    assert llbuild("verify").stdout == "everything is as it should be\n"
    assert [name for name in os.listdir(llbuild.root / "snapshots") if name.startswith("tmp-")] == []
    assert mounted_below(llbuild.root) == []
    assert processes_of(llbuild.root) == []


def test_a_build_that_is_killed_leaves_a_store_that_is_whole(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    kill_rounds(llbuild, context(DOCKERFILE, f="f"), range(4))


@pytest.mark.slow
def test_two_hundred_builds_that_are_killed(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    kill_rounds(llbuild, context(DOCKERFILE, f="f"), range(200))


def test_a_flipped_byte_in_any_layer_of_the_result_is_never_exported(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context(DOCKERFILE, f="f")
    llbuild("build", "-t", "x", folder)
    undisturbed = layers(llbuild, "x")
    for number, digest in enumerate(undisturbed):
        flip_byte(llbuild.root / "content/blobs/sha256" / digest.removeprefix("sha256:"))
        assert "fault: blob" in llbuild("verify", exit_code=1).stdout
        archive = tmp_path / f"{number}.tar"
        llbuild("build", "-o", f"type=oci,dest={archive}", "-t", "x", folder)
        assert [layer["digest"] for layer in read_image(archive).manifest["layers"]] == undisturbed
        assert llbuild("verify").stdout == "everything is as it should be\n"


def test_a_flipped_byte_in_a_manifest_or_a_config_is_never_exported(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context(DOCKERFILE, f="f")
    llbuild("build", "-t", "x", folder)
    image = llbuild.json("inspect", "x")
    for digest in (image["digest"], image["config_digest"]):
        flip_byte(llbuild.root / "content/blobs/sha256" / digest.removeprefix("sha256:"))
        llbuild("build", "-o", f"type=oci,dest={tmp_path / 'x.tar'}", "-o", "type=image", "-t", "x", folder)
        assert llbuild("verify").stdout == "everything is as it should be\n"
        assert read_image(tmp_path / "x.tar").digest == image["digest"]


def test_a_damaged_blob_that_must_be_unpacked_is_a_miss(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, f="f")
    llbuild("build", "-t", "x", folder)
    undisturbed = layers(llbuild, "x")
    llbuild("prune")  # what is left is packed
    flip_byte(llbuild.root / "content/blobs/sha256" / undisturbed[-1].removeprefix("sha256:"))
    (folder / "Dockerfile").write_text(f"{DOCKERFILE}RUN cat /a /b > /ab\n")
    llbuild("build", "-t", "x", folder)
    assert layers(llbuild, "x")[:-1] == undisturbed
    assert llbuild("run", "x", "cat", "/ab").stdout == "a\nb\n"
    assert llbuild("verify").exit_code == 0


def test_a_layer_folder_that_is_gone_is_a_miss(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context(DOCKERFILE, f="f")
    out = f"type=local,dest={tmp_path / 'out'}"
    llbuild("build", "-o", out, folder)  # nothing is packed
    for layer in sorted((llbuild.root / "snapshots").iterdir()):
        shutil.rmtree(layer)
        llbuild("build", "-o", out, folder)
        assert llbuild("verify").exit_code == 0
    assert (tmp_path / "out/d/e/1" if (tmp_path / "out/d").exists() else tmp_path / "out/e/1").read_text() == "1\n"


def test_a_changed_file_in_a_layer_is_found_and_repaired(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, f="f")
    llbuild("build", "-t", "x", folder)
    undisturbed = layers(llbuild, "x")
    (changed,) = [
        path for path in (llbuild.root / "snapshots").glob("run-*/fs/a") if path.parent.joinpath("f").exists()
    ]
    changed.write_text("other")
    assert "its files changed" in llbuild("verify", exit_code=1).stdout
    assert "1 fault: removed" in llbuild("verify", "--repair").stdout
    assert llbuild("verify").exit_code == 0
    llbuild("build", "-t", "x", folder)
    assert layers(llbuild, "x") == undisturbed


def test_verify_takes_away_what_is_damaged_and_the_next_build_mends_it(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    folder = context(DOCKERFILE, f="f")
    llbuild("build", "-t", "x", folder)
    undisturbed = layers(llbuild, "x")
    flip_byte(llbuild.root / "content/blobs/sha256" / undisturbed[-1].removeprefix("sha256:"))
    found = llbuild.json("verify", "--repair", "--format=json")
    assert [finding["kind"] for finding in found["findings"] if finding["fault"]] == ["blob", "image"]
    assert llbuild("verify").stdout == "everything is as it should be\n"
    assert [name.split()[0] for name in llbuild.image_names()] == ["busybox"]
    llbuild("build", "-t", "x", folder)
    assert layers(llbuild, "x") == undisturbed


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096 + 100)


def fill_with_garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


def zero_the_middle(path: Path) -> None:
    """Every page but the first: what is left says that there are tables."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))


def scramble_records(path: Path) -> None:
    """The tables are whole, what is in them is not."""
    database = sqlite3.connect(path)
    database.execute("UPDATE results SET refs = x'c1'")
    database.commit()
    database.close()


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [truncate, fill_with_garbage, zero_the_middle, scramble_records, empty])
def test_a_damaged_database_is_set_aside_and_built_anew(
    llbuild: Llbuild, context: Callable[..., Path], damage: Callable[[Path], None]
) -> None:
    folder = context(DOCKERFILE, f="f")
    llbuild("build", "-t", "x", folder)
    path = llbuild.root / "state.db"
    database = sqlite3.connect(path)  # all of it into the one file
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    damage(path)
    again = llbuild.build("-t", "x", folder)
    assert "Traceback" not in again.stderr
    if damage is not empty:  # which is a new database
        assert "is damaged" in again.stderr
        assert "a new one begins" in again.stderr
        assert (llbuild.root / "state.db.damaged").exists()
    assert len(again.ran()) == 7
    assert llbuild.build("-t", "x", folder).ran() == []
    assert llbuild("verify").exit_code == 0
    assert llbuild("run", "x", "cat", "/b").stdout == "b\n"
    llbuild("prune")
    assert not (llbuild.root / "state.db.damaged").exists()


@pytest.mark.parametrize("command", [["du"], ["prune", "--force"], ["verify"], ["images"]])
def test_no_command_shows_a_traceback_for_a_damaged_database(
    llbuild: Llbuild, context: Callable[..., Path], command: list[str]
) -> None:
    llbuild("build", "-t", "x", context(DOCKERFILE, f="f"))
    for path in llbuild.root.glob("state.db*"):
        path.unlink()
    (llbuild.root / "state.db").write_bytes(b"no database" * 1000)
    said = llbuild(*command).stderr
    assert "Traceback" not in said
    assert command == ["images"] or "is damaged" in said


def test_a_clock_that_was_set_back_gives_no_wrong_hit(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, f="f")
    llbuild("build", "-t", "x", folder)
    database = sqlite3.connect(llbuild.root / "state.db")  # as if all this had been written next year
    for table in ("results", "layers", "uses"):
        database.execute(f"UPDATE {table} SET last_used = last_used + 31536000")
    database.execute("UPDATE results SET created = created + 31536000")
    database.commit()
    database.close()
    os.utime(llbuild.root / "locks" / "gc", (time.time() + 31536000,) * 2)
    assert llbuild.build("-t", "x", folder).ran() == []
    (folder / "f").write_text("g")
    os.utime(folder / "f", (1, 1))
    changed = llbuild.build("-t", "x", folder)
    assert any("COPY f /f" in name for name in changed.ran())
    llbuild("prune", "--keep-duration", "1h")
    assert llbuild("verify").exit_code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"needs to mount a tmpfs: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.needs_root
@pytest.mark.parametrize(
    ("step", "mib"),
    [
        ("COPY big /big\n", 30),  # packed at once: it takes its room once
        ("COPY big /big\nRUN cat /big /big > /both\n", 15),
        ("RUN dd if=/dev/urandom of=/big bs=1M count=40\n", 1),
    ],
    ids=["packing", "the second step", "in a step"],
)
def test_a_full_disk_is_said_and_nothing_is_lost(
    llbuild: Llbuild, context: Callable[..., Path], small_disk: Path, busybox_rootfs: Path, step: str, mib: int
) -> None:
    llbuild.root = small_disk / "state"
    llbuild("import", busybox_rootfs, "busybox")
    folder = context(f"FROM busybox\n{step}", big=random.Random(1).randbytes(mib << 20))
    failed = llbuild("build", "--progress=plain", "-t", "x", folder, exit_code=1)
    assert "No space left on device" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "bug in llbuild" not in failed.stderr
    assert llbuild("verify").exit_code == 0
    llbuild("prune")
    assert llbuild("verify").stdout == "everything is as it should be\n"
    (folder / "big").write_bytes(b"small")
    (folder / "Dockerfile").write_text("FROM busybox\nCOPY big /big\nRUN cat /big /big > /both\n")
    llbuild("build", "-t", "x", folder)
    assert llbuild("run", "x", "cat", "/both").stdout == "smallsmall"


@pytest.mark.needs_root
def test_a_disk_without_a_byte_left_is_said_and_works_again_later(
    llbuild: Llbuild, context: Callable[..., Path], small_disk: Path, busybox_rootfs: Path
) -> None:
    llbuild.root = small_disk / "state"
    llbuild("import", busybox_rootfs, "busybox")
    folder = context(DOCKERFILE, f="f")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    failed = llbuild("build", "--progress=plain", "-t", "x", folder, exit_code=1)
    assert "Traceback" not in failed.stderr
    assert "bug in llbuild" not in failed.stderr
    assert "space" in failed.stderr or "full" in failed.stderr
    filler.unlink()
    llbuild("build", "-t", "x", folder)
    assert llbuild("verify").stdout == "everything is as it should be\n"


def test_a_build_and_a_killed_prune_leave_a_store_that_is_whole(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, f="f")
    for seed in range(3):
        llbuild("build", "-t", "x", folder)
        pruning = llbuild.start("prune", "--force")
        try:
            pruning.wait(random.Random(seed).uniform(0.05, 0.3))
        except subprocess.TimeoutExpired:
            pruning.kill()
        wait_for_end(pruning, 30)
        assert "fault" not in llbuild("verify").stdout
    llbuild("build", "-t", "x", folder)
    assert llbuild("verify").exit_code == 0
