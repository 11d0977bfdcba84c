"""What takes room, what goes, what stays, and that the disk agrees."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.end_to_end.driver import wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

DOCKERFILE = """
FROM busybox AS tools
RUN --mount=type=cache,id=tool-cache,target=/cache seq 1000 > /cache/numbers; echo tool > /tool
FROM busybox
COPY --from=tools /tool /tool
RUN cat /tool /tool > /twice
"""
_STORED = ("snapshots", "content", "cache-mounts", "contexts", "exports", "git")


def disk_bytes(root: Path) -> int:
    """What everything that can be cleaned up takes, as du(1) counts."""
    blocks = {}
    for top in _STORED:
        for folder, _, files in os.walk(root / top):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                found = os.lstat(path)
                blocks[found.st_ino] = found.st_blocks
    return 512 * sum(blocks.values())


def entries(llbuild: Llbuild, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = llbuild.json("du", "--format=json", *arguments)["entries"]
    return found


def types(found: list[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in found:
        counts[entry["type"]] = counts.get(entry["type"], 0) + 1
    return counts


def make_old(llbuild: Llbuild, hours: float) -> None:
    """As if everything had happened so long ago."""
    database = sqlite3.connect(llbuild.root / "state.db")
    for table in ("results", "layers", "uses"):
        database.execute(f"UPDATE {table} SET last_used = last_used - ?", (hours * 3600,))
    database.commit()
    database.close()


def test_everything_is_listed_once_with_its_use(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE, **{f"f{number}": "x" for number in range(70)})
    (folder / "Dockerfile").write_text(DOCKERFILE + "COPY . /context/\n")
    for file in folder.iterdir():
        os.utime(file, (1, 1))
    time.sleep(0.06)  # what was just changed is not remembered
    for _ in range(3):
        llbuild("build", "-t", "x", folder)
    found = entries(llbuild)
    assert types(found) == {
        "regular": 3,  # the last COPY is a blob only
        "image.layer": 1,
        "exec.cachemount": 1,
        "source.local": 1,
        "image": 2,
        "blob": 3 + 5,
        "internal": types(found)["internal"],
    }
    (mount,) = [entry for entry in found if entry["type"] == "exec.cachemount"]
    assert mount["id"] == "tool-cache"
    assert mount["uses"] == 1
    (top,) = [entry for entry in found if "COPY . /context/" in entry["description"]]
    assert (top["type"], top["uses"], top["reclaimable"]) == ("blob", 3, False)
    (below,) = [entry for entry in found if entry["type"] == "regular" and "RUN cat" in entry["description"]]
    assert below["uses"] == 3
    assert below["reclaimable"]
    assert len(below["parents"]) == 1
    (remembered,) = [entry for entry in found if entry["type"] == "source.local"]
    assert remembered["description"] == str(folder)
    assert remembered["uses"] >= 2
    assert all(entry["images"] for entry in found if entry["type"] == "blob")
    whole = llbuild.json("du", "--format=json")
    assert whole["total_bytes"] == whole["shared_bytes"] + whole["private_bytes"]
    listed = sum(entry["size_bytes"] for entry in found if entry["type"] != "internal")
    assert 0 <= disk_bytes(llbuild.root) - listed <= 16 * 4096  # the folders that hold the entries


def test_the_table_sums_up_and_the_long_one_names_each(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild("build", "-t", "x", context(DOCKERFILE))
    short = llbuild("du").stdout
    assert [line.split()[0] for line in short.splitlines()[1:6]] == [
        *("regular", "image.layer", "blob", "image", "exec.cachemount"),
    ]
    assert "Reclaimable:" in short
    long = llbuild("du", "-v").stdout
    assert "tool-cache" in long
    assert "RUN cat /tool /tool > /twice" in long
    filtered = llbuild("du", "-v", "--filter", "type=exec.cachemount").stdout
    assert "tool-cache" in filtered
    assert "RUN" not in filtered


def test_what_a_cache_export_made_is_listed_with_its_layers_and_goes(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    export = f"type=local,dest={tmp_path / 'cache'},mode=max,compression=zstd,force-compression=true,mounts=true"
    llbuild("build", "-t", "x", "--cache-to", export, context(DOCKERFILE))
    shutil.rmtree(tmp_path / "cache")  # or its files are these blobs, and nothing is freed
    needed = {entry["id"] for entry in entries(llbuild) if entry["type"] == "blob" and entry["images"]}
    others = [entry for entry in entries(llbuild) if entry["type"] == "blob" and entry["id"] not in needed]
    assert len(others) >= 3
    assert all(entry["description"] and entry["uses"] for entry in others)
    before = disk_bytes(llbuild.root)
    pruned = llbuild.json("prune", "--filter", "type=blob", "--format=json")
    assert {entry["id"] for entry in pruned["removed"]} == {entry["id"] for entry in others}
    assert before - disk_bytes(llbuild.root) == pruned["freed_bytes"]
    database = sqlite3.connect(llbuild.root / "state.db")
    assert database.execute(
        "SELECT count(*) FROM forms WHERE digest NOT IN (SELECT digest FROM layers)"
    ).fetchone() == (0,)
    database.close()
    assert llbuild.build("-t", "x", context(DOCKERFILE)).ran() == []


def test_prune_frees_what_it_says_and_images_still_need_nothing_to_run(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    folder = context(DOCKERFILE)
    llbuild("build", "-t", "x", folder)
    before = disk_bytes(llbuild.root)
    pruned = llbuild.json("prune", "--force", "--format=json")
    assert pruned["freed_bytes"] == before - disk_bytes(llbuild.root) > 0
    assert types(entries(llbuild)).keys() == {"blob", "image", "internal"}
    assert llbuild("verify").exit_code == 0
    assert llbuild.build("-t", "x", folder).ran() == []  # its layers are still there, packed
    assert llbuild("run", "x", "cat", "/twice").stdout == "tool\ntool\n"


def test_prune_all_leaves_nothing_and_says_so(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild("build", "-t", "x", context(DOCKERFILE))
    refused = llbuild("prune", "--all", exit_code=2)
    assert "--force" in refused.stderr
    before = disk_bytes(llbuild.root)
    pruned = llbuild.json("prune", "--all", "--force", "--format=json")
    assert pruned["freed_bytes"] == before - disk_bytes(llbuild.root)
    assert llbuild.image_names() == []
    assert types(entries(llbuild)).keys() == {"internal"}
    assert llbuild("prune", "--all", "--force").stdout == "Total: 0B\n"


def test_one_cache_mount_goes_by_its_id(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    other = "RUN --mount=type=cache,target=/other echo other > /other/file\n"
    llbuild("build", "-t", "x", context(DOCKERFILE + other))
    llbuild("prune", "--filter", "type=exec.cachemount", "--filter", "id=tool-cache")
    left = [entry["id"] for entry in entries(llbuild) if entry["type"] == "exec.cachemount"]
    assert left == ["/other"]
    assert len(list((llbuild.root / "cache-mounts").iterdir())) == 1


def test_an_image_without_its_name_falls_to_prune(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild("build", "-t", "x", context(DOCKERFILE))
    assert llbuild("rmi", "x").stdout == "removed: docker.io/library/x:latest\n"
    assert "no image 'x'" in llbuild("rmi", "x", exit_code=1).stderr
    llbuild("prune")
    assert [name.split()[0] for name in llbuild.image_names()] == ["busybox"]
    blobs = [entry for entry in entries(llbuild) if entry["type"] == "blob"]
    assert len(blobs) == 3
    assert all(entry["images"] == ["docker.io/library/busybox:latest"] for entry in blobs)


def test_what_was_used_lately_stays_and_what_grew_old_goes(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE)
    llbuild("build", "-t", "x", folder)
    make_old(llbuild, 100)
    (folder / "Dockerfile").write_text("FROM busybox\nRUN echo new > /new\n")
    llbuild("build", "-t", "y", folder)
    llbuild("prune", "--keep-duration", "72h")
    left = [entry["description"] for entry in entries(llbuild) if entry["type"] in {"regular", "image.layer"}]
    assert len(left) == 2
    assert any("echo new" in text for text in left)


def test_a_hit_keeps_what_lies_below_it_from_growing_old(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(DOCKERFILE)
    llbuild("build", "-t", "x", folder)
    make_old(llbuild, 100)
    llbuild("build", "-t", "x", folder)
    llbuild("prune", "--keep-duration", "72h", "--filter", "type=regular")
    assert types(entries(llbuild))["regular"] == 3


def test_a_storage_limit_removes_the_oldest_first(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    for name in ("old", "middle", "new"):
        folder = context(f"FROM scratch\nCOPY big /{name}\n", big=os.urandom(300_000))
        llbuild("build", "-o", f"type=local,dest={folder / 'out'}", folder)
    llbuild("prune", "--keep-storage", "700kB")
    left = sorted(entry["description"] for entry in entries(llbuild) if entry["type"] == "regular")
    assert left == ["[1/1] COPY big /middle", "[1/1] COPY big /new"]


def test_blobs_that_an_exported_folder_shares_free_nothing(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context("FROM scratch\nCOPY big /\n", big=os.urandom(200_000))
    llbuild("build", "-o", f"type=oci,tar=false,dest={tmp_path / 'layout'}", folder)
    shared = [entry for entry in entries(llbuild) if entry["shared"] and not entry["images"]]
    if not shared:
        pytest.skip("this file system shares blocks without telling: no hard links were made")
    before = disk_bytes(llbuild.root)
    blobs = sum(entry["size_bytes"] for entry in shared)
    pruned = llbuild.json("prune", "--format=json")
    assert pruned["freed_bytes"] == before - disk_bytes(llbuild.root) - blobs


def test_a_running_build_loses_nothing_and_what_it_does_not_need_goes(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    stranger = context("FROM scratch\nCOPY f /stranger\n", f="1")
    llbuild("build", "-o", f"type=local,dest={tmp_path / 'stranger'}", stranger)
    folder = context(DOCKERFILE)
    llbuild("build", "-o", f"type=local,dest={tmp_path / 'out'}", folder)
    make_old(llbuild, 1000)
    (folder / "Dockerfile").write_text(
        f"{DOCKERFILE}RUN --mount=type=cache,id=gate,target=/gate : > /gate/open;"
        " while [ ! -e /gate/go ]; do sleep 0.05; done; cat /twice > /thrice\n"
    )
    build = llbuild.start("build", "--progress=plain", "-t", "x", folder)
    try:
        gate = _wait_for(llbuild.root / "cache-mounts", "*/open").parent
        in_use = {entry["id"] for entry in entries(llbuild) if entry["in_use"]}
        assert "gate" in in_use
        pruned = llbuild.json("prune", "--all", "--force", "--format=json")
        descriptions = [entry["description"] for entry in pruned["removed"]]
        assert any("stranger" in text for text in descriptions)
        assert not in_use & {entry["id"] for entry in pruned["removed"]}
        assert [name.split()[0] for name in llbuild.image_names()] == ["busybox"]
        (gate / "go").touch()
        _, stderr = wait_for_end(build, 60)
        assert build.returncode == 0, stderr.decode(errors="replace")
    finally:
        build.kill()
        build.communicate()
    assert llbuild("run", "x", "cat", "/thrice").stdout == "tool\ntool\n"
    assert llbuild("verify").exit_code == 0


def test_a_running_container_loses_nothing(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild("build", "-t", "x", context(DOCKERFILE))
    running = llbuild.start("run", "-i", "x", "sh", "-c", "echo ready; read; cat /twice", stdin=subprocess.PIPE)
    try:
        assert running.stdout
        assert running.stdout.readline() == b"ready\n"
        llbuild("prune", "--all", "--force")
        stdout, stderr = running.communicate(b"go\n", timeout=60)
        assert (stdout, stderr) == (b"tool\ntool\n", b"")
    finally:
        running.kill()
        running.communicate()


def _wait_for(folder: Path, pattern: str) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = next(iter(folder.glob(pattern)), None)
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {folder}")


@pytest.mark.slow
def test_builds_and_prunes_at_once_never_disturb_each_other(llbuild: Llbuild, tmp_path: Path) -> None:
    contexts = []
    for number in range(2):
        contexts.append(tmp_path / f"context{number}")
        contexts[-1].mkdir()
        (contexts[-1] / "Dockerfile").write_text(f"{DOCKERFILE}RUN echo {number} > /number\n")
    for turn in range(12):
        running = [
            llbuild.start("build", "--progress=plain", "-t", f"x{number}", folder)
            for number, folder in enumerate(contexts)
        ]
        pruning = [llbuild.start("prune", "--force"), llbuild.start("prune", "--filter", "type=regular")]
        for process in (*running, *pruning):
            _, stderr = wait_for_end(process, 120)
            assert process.returncode == 0, f"turn {turn}\n{stderr.decode(errors='replace')}"
    assert llbuild("verify").exit_code == 0
    assert llbuild("run", "x1", "cat", "/number", "/twice").stdout == "1\ntool\ntool\n"


def _gc_config(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return {"LLBUILD_CONFIG": str(path)}


def test_a_policy_is_applied_after_a_build_once_in_an_interval(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    policy = '[gc]\ninterval = "1h"\n[[gc.policy]]\nfilters = ["type=exec.cachemount"]\nkeepDuration = "48h"\n'
    env = _gc_config(tmp_path, policy)
    folder = context(DOCKERFILE)
    llbuild("build", "-t", "x", folder, env=env)  # starts the clock
    make_old(llbuild, 72)
    llbuild("build", "-t", "x", folder, env=env)
    assert types(entries(llbuild))["exec.cachemount"] == 1
    stamp = llbuild.root / "locks" / "gc"
    os.utime(stamp, (time.time() - 7200,) * 2)
    said = llbuild.build("-t", "x", folder, env=env)
    assert b"1 entries removed" in said.step("collecting garbage").output
    assert "exec.cachemount" not in types(entries(llbuild))
    assert time.time() - stamp.stat().st_mtime < 3600
    assert llbuild.build("-t", "x", folder, env=env).named("collecting garbage") == []


def test_the_default_policy_leaves_a_small_store_alone_and_none_runs_where_it_is_off(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context(DOCKERFILE)
    llbuild("build", "-t", "x", folder)
    before = types(entries(llbuild))
    stamp = llbuild.root / "locks" / "gc"
    os.utime(stamp, (1, 1))
    off = llbuild.build("-t", "x", folder, env=_gc_config(tmp_path, "[gc]\nenabled = false\n"))
    assert off.named("collecting garbage") == []
    assert llbuild.build("-t", "x", folder).named("collecting garbage")
    assert types(entries(llbuild)) == before


def test_a_process_that_is_interrupted_holds_no_lease(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN --mount=type=cache,id=gate,target=/gate : > /gate/open; sleep 60\n")
    build = llbuild.start("build", "--progress=plain", folder)
    try:
        _wait_for(llbuild.root / "cache-mounts", "*/open")
        assert "a build is under way" in llbuild("verify").stdout
        os.killpg(build.pid, signal.SIGINT)
        wait_for_end(build, 30)
    finally:
        build.kill()
        build.communicate()
    assert "lease" not in llbuild("verify").stdout
    assert [entry for entry in entries(llbuild) if entry["in_use"]] == []
