"""Caches that travel: exported by one machine, imported by another that has nothing (a state folder of its own)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.digest import sha256_digest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.end_to_end.oci import read_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

STAGES = """
FROM {base} AS tools
RUN echo tool > /tool && head -c 300000 /dev/urandom > /ballast
FROM {base} AS docs
COPY input /input
RUN tr a-z A-Z < /input > /output
FROM {base}
COPY --from=tools /tool /tool
RUN --mount=from=docs,target=/docs cp /docs/output /output
{last}
"""


@pytest.fixture
def base(llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path) -> str:
    """A base image in the registry, which every machine can pull."""
    layout = tmp_path / "base"
    llbuild("build", "-o", f"type=oci,tar=false,dest={layout}", context("FROM busybox\nRUN echo pulled > /origin\n"))
    return registry.push(f"oci:{layout}", "exchange/base:1")


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Llbuild]:
    """The program on what might be another machine: a state folder that does not exist yet."""
    return lambda name: Llbuild(root=tmp_path / name)


@pytest.fixture
def staged(context: Callable[..., Path], base: str) -> Callable[..., Path]:
    """A context of three stages; `last` is its last instruction."""
    return lambda last="RUN cat /tool /output > /both", **files: context(
        STAGES.format(base=base, last=last), **{"input": "text", **files}
    )


def layer_blobs(machine: Llbuild) -> list[Path]:
    """The blobs of layers that a machine has; manifests and configs are not among them."""
    blobs = machine.root / "content/blobs/sha256"
    return [path for path in blobs.iterdir() if not path.read_bytes().startswith(b"{")]


def unpacked(machine: Llbuild) -> list[str]:
    """The layers that are unpacked there."""
    snapshots = machine.root / "snapshots"
    return [path.name for path in snapshots.iterdir()] if snapshots.exists() else []


FORMS = ["registry", "local", "inline"]


def places(form: str, name: str, registry: Registry, tmp_path: Path) -> tuple[list[str], list[str]]:
    """Flags to export a cache with, and to import it."""
    ref = f"{registry.address}/exchange/{name}:cache"
    if form == "registry":
        return ["--cache-to", f"type=registry,ref={ref},mode=max"], ["--cache-from", ref]
    folder = tmp_path / f"cache-{name}"
    if form == "local":
        return ["--cache-to", f"type=local,dest={folder},mode=max"], ["--cache-from", f"type=local,src={folder}"]
    image = ["-o", f"type=oci,tar=false,dest={folder}", "-t", "x", "--cache-to", "type=inline"]
    return image, ["--cache-from", f"type=local,src={folder}"]


@pytest.mark.parametrize("form", FORMS)
def test_another_machine_builds_with_no_execution(
    form: str,
    machine: Callable[[str], Llbuild],
    staged: Callable[..., Path],
    registry: Registry,
    tmp_path: Path,
) -> None:
    export, import_ = places(form, f"same-{form}", registry, tmp_path)
    folder = staged()
    first, second = machine("first"), machine("second")
    assert len(first.build(*export, folder).ran()) == 6
    again = second.build(*import_, "-o", f"type=oci,dest={tmp_path / 'second.tar'}", folder)
    assert again.ran() == []
    first.build("-o", f"type=oci,dest={tmp_path / 'first.tar'}", folder)
    mine, theirs = read_image(tmp_path / "first.tar"), read_image(tmp_path / "second.tar")
    assert mine.digest == theirs.digest
    assert unpacked(second) == []


@pytest.mark.parametrize("form", ["registry", "local"])
def test_after_the_last_step_changed_only_what_it_mounts_is_fetched(
    form: str,
    machine: Callable[[str], Llbuild],
    staged: Callable[..., Path],
    registry: Registry,
    tmp_path: Path,
) -> None:
    export, import_ = places(form, f"last-{form}", registry, tmp_path)
    first, second = machine("first"), machine("second")
    first.build(*export, staged())
    again = second.build(*import_, "-t", "x", staged(last="RUN cat /output /tool > /both"))
    assert len(again.ran()) == 1
    assert again.step("RUN cat").ran
    assert second("run", "x", "cat", "/both").stdout == "TEXTtool\n"
    # two of the base (busybox and its own), the COPY's, and two RUNs': nothing of the other stages
    assert len(layer_blobs(second)) == 5


def test_a_hit_whose_image_is_not_exported_fetches_no_layer(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    export, import_ = places("registry", "lazy", registry, tmp_path)
    first, second = machine("first"), machine("second")
    first.build(*export, staged())
    # The stage `docs` is mounted by the step that changed, its contents are not asked for by any other.
    again = second.build(*import_, "--target", "docs", "-o", f"type=local,dest={tmp_path / 'out'}", staged())
    assert again.ran() == []
    assert (tmp_path / "out/output").read_text() == "TEXT"
    assert len(unpacked(second)) == 4


def test_mode_min_has_only_what_the_image_is_made_of(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], tmp_path: Path
) -> None:
    first, second, third = machine("first"), machine("second"), machine("third")
    cache = tmp_path / "cache"
    first.build("--cache-to", f"type=local,dest={cache}", staged())
    assert second.build("--cache-from", f"type=local,src={cache}", staged()).ran() == []
    changed = third.build("--cache-from", f"type=local,src={cache}", staged(input="other"))
    assert not changed.named("COPY --from=tools")[0].ran
    assert changed.step("COPY input").ran


def test_what_is_imported_can_be_exported_again(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    export, import_ = places("registry", "relay", registry, tmp_path)
    cache = tmp_path / "cache"
    machine("first").build(*export, staged())
    relay = machine("relay")
    assert relay.build(*import_, "--cache-to", f"type=local,dest={cache},mode=max", staged()).ran() == []
    third = machine("third")
    assert third.build("--cache-from", f"type=local,src={cache}", staged()).ran() == []
    assert third.build("--target", "tools", staged()).ran() == []


def test_several_exports_of_one_build_agree(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref, folder = f"{registry.address}/exchange/several:1", tmp_path / "cache"
    targets = ["--cache-to", f"type=registry,ref={ref},mode=max", "--cache-to", f"type=local,dest={folder},mode=max"]
    machine("first").build(*targets, "--cache-to", f"type=local,dest={folder},tag=small", staged())
    index = json.loads((folder / "index.json").read_text())
    tags = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in index["manifests"]}
    assert tags.keys() == {"latest", "small"}
    pushed = registry.folder / "docker/registry/v2/repositories/exchange/several/_manifests/tags/1/current/link"
    assert pushed.read_text() == tags["latest"]
    assert machine("second").build("--cache-from", f"type=local,src={folder},tag=small", staged()).ran() == []


def read_cache(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and config of the one cache in a folder."""
    index = json.loads((folder / "index.json").read_text())
    manifest = read_json(folder, index["manifests"][0]["digest"])
    return manifest, read_json(folder, manifest["config"]["digest"])


def read_json(folder: Path, digest: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes())
    return data


@pytest.mark.parametrize(
    ("options", "suffixes"),
    [
        ("compression=zstd", {".tar+gzip", ".tar+zstd"}),
        ("compression=zstd,force-compression=true", {".tar+zstd"}),
        ("compression=zstd,compression-level=5,force-compression=true", {".tar+zstd"}),
        ("compression=gzip,compression-level=9,force-compression=true", {".tar+gzip"}),
        ("compression=uncompressed,force-compression=true", {".tar"}),
    ],
)
def test_layers_are_compressed_as_asked(
    options: str, suffixes: set[str], machine: Callable[[str], Llbuild], staged: Callable[..., Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    machine("first").build("--cache-to", f"type=local,dest={cache},mode=max,{options}", staged())
    manifest, _ = read_cache(cache)
    kinds = [layer["mediaType"].removeprefix("application/vnd.oci.image.layer.v1") for layer in manifest["layers"]]
    assert set(kinds) == suffixes
    second = machine("second")
    assert second.build("--cache-from", f"type=local,src={cache}", "-t", "x", staged()).ran() == []
    assert second("run", "x", "cat", "/both").stdout == "tool\nTEXT"


def test_a_missing_blob_is_a_miss_and_said(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    machine("first").build("--cache-to", f"type=local,dest={cache},mode=max", staged())
    _, config = read_cache(cache)
    (cache / "blobs/sha256" / config["layers"][-1]["blob"].removeprefix("sha256:")).unlink()
    again = machine("second").build("--cache-from", f"type=local,src={cache}", "-t", "x", staged())
    assert len(again.ran()) == 1
    assert "1 blob is missing" in again.stderr


@pytest.mark.parametrize("damage", [pytest.param("cut", marks=pytest.mark.slow), "flipped", "deleted"])  # is retried
def test_a_corrupt_blob_in_a_registry_is_a_miss_and_said(
    damage: str, machine: Callable[[str], Llbuild], staged: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/exchange/corrupt-{damage}:1"
    cache = tmp_path / "cache"
    exports = ("--cache-to", f"type=registry,ref={ref},mode=max", "--cache-to", f"type=local,dest={cache},mode=max")
    machine("first").build(*exports, staged())
    _, config = read_cache(cache)
    top = registry.blob_file(config["layers"][-1]["blob"])
    data = bytearray(top.read_bytes())
    data[20] ^= 1
    top.write_bytes(data[:-1] if damage == "cut" else data)
    if damage == "deleted":
        top.unlink()
    second = machine("second")
    again = second.build("--cache-from", ref, "-t", "x", staged())
    assert len(again.ran()) == 1
    assert "part of the cache is lost" in again.stderr
    assert second("run", "x", "cat", "/both").stdout == "tool\nTEXT"
    assert second.build("--cache-from", ref, "-t", "x", staged()).ran() == []


def test_a_cache_that_is_gone_later_is_a_miss_too(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], tmp_path: Path
) -> None:
    cache, second = tmp_path / "cache", machine("second")
    machine("first").build("--cache-to", f"type=local,dest={cache},mode=max", staged())
    second.build("--cache-from", f"type=local,src={cache}", "--target", "docs", "-t", "docs", staged())
    shutil.rmtree(cache)
    again = second.build("-t", "x", staged())
    assert again.step("RUN --mount=from=docs").ran
    assert not again.step("RUN tr a-z").ran
    assert second("run", "x", "cat", "/both").stdout == "tool\nTEXT"


def test_what_is_unpacked_is_packed_when_its_cache_is_gone(
    machine: Callable[[str], Llbuild], context: Callable[..., Path], base: str, tmp_path: Path
) -> None:
    cache, second = tmp_path / "cache", machine("second")
    folder = context(f"FROM {base} AS made\nRUN echo made > /made\nFROM scratch\nCOPY --from=made /made /made\n")
    machine("first").build("--cache-to", f"type=local,dest={cache},mode=max", folder)
    second.build("--cache-from", f"type=local,src={cache}", "-o", f"type=local,dest={tmp_path / 'out'}", folder)
    shutil.rmtree(cache)
    for blob in layer_blobs(second):
        blob.unlink()
    again = second.build("-o", f"type=oci,dest={tmp_path / 'x.tar'}", folder)
    assert again.ran() == []
    assert read_image(tmp_path / "x.tar").layers[0].read("made") == b"made\n"


def test_a_store_with_an_imported_cache_is_checked_and_cleaned_like_any_other(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], tmp_path: Path
) -> None:
    cache, second = tmp_path / "cache", machine("second")
    machine("first").build("--cache-to", f"type=local,dest={cache},mode=max", staged())
    source = ("--cache-from", f"type=local,src={cache}")
    second.build(*source, "-t", "x", staged("RUN cat /tool /output > /twice"))  # unpacks most of it
    assert second("verify").stdout == "everything is as it should be\n"
    second("prune")
    assert second("verify").stdout == "everything is as it should be\n"
    assert (
        second.build("-t", "x", staged("RUN cat /tool /output > /twice")).ran() == []
    )  # what can be fetched is no loss
    second("prune", "--all", "--force")
    assert unpacked(second) == []
    assert list((second.root / "content/blobs/sha256").iterdir()) == []
    assert len(second.build(*source, "-t", "x", staged()).ran()) == 0


def test_a_build_that_finds_all_kinds_of_damage_is_one_build(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/exchange/all-kinds:1"
    cache = tmp_path / "cache"
    exports = ("--cache-to", f"type=registry,ref={ref},mode=max", "--cache-to", f"type=local,dest={cache},mode=max")
    machine("first").build(*exports, staged())
    for layer in read_cache(cache)[1]["layers"][-2:]:
        registry.blob_file(layer["blob"]).unlink()
    second = machine("second")
    second.build("-t", "other", staged("RUN cat /tool > /other"))
    database = sqlite3.connect(second.root / "state.db")
    database.execute("UPDATE results SET refs = x'c1'")
    database.commit()
    database.close()
    again = second.build("--keep-going", "--cache-from", ref, "-t", "x", staged())
    assert "state.db is damaged" in again.stderr
    assert "part of the cache is lost" in again.stderr
    assert second("run", "x", "cat", "/both").stdout == "tool\nTEXT"
    assert second("verify").exit_code == 0
    builds = second.json("builds", "--format=json")
    assert [build["names"] for build in builds] == [["docker.io/library/x:latest"]]
    assert {w["rule"] for w in second.json("builds", "export")["warnings"]} == {"CacheLost"}


# (--cache-from, what the warning says)
USELESS = [
    ("{address}/exchange/nothing:1", "not found"),
    ("127.0.0.1:1/nothing", "cannot reach"),
    ("type=local,src={folder}/nothing", "cannot read index.json"),
    ("{base}", "an image without a cache in it"),
]


@pytest.mark.parametrize(("source", "message"), USELESS)
def test_what_cannot_be_imported_is_a_warning(
    source: str,
    message: str,
    llbuild: Llbuild,
    base: str,
    registry: Registry,
    tmp_path: Path,
    context: Callable[..., Path],
) -> None:
    flag = source.format(address=registry.address, folder=tmp_path, base=base)
    outcome = llbuild.build("--cache-from", flag, "-t", "x", context("FROM busybox\nRUN echo done\n"))
    assert "CacheImportFailed" in outcome.stderr
    assert message in outcome.stderr


def test_a_cache_of_buildkit_is_told_apart(
    llbuild: Llbuild, registry: Registry, tmp_path: Path, context: Callable[..., Path]
) -> None:
    cache = tmp_path / "cache"
    folder = context("FROM busybox\nRUN echo done\n")
    llbuild.build("--cache-to", f"type=local,dest={cache}", folder)
    manifest, _ = read_cache(cache)
    manifest["config"]["mediaType"] = "application/vnd.buildkit.cacheconfig.v0"
    data = json.dumps(manifest).encode()
    digest = sha256_digest(data)
    (cache / "blobs/sha256" / digest.hex).write_bytes(data)
    index = json.loads((cache / "index.json").read_text())
    index["manifests"][0] |= {"digest": digest, "size": len(data)}
    (cache / "index.json").write_text(json.dumps(index))
    outcome = llbuild.build("--no-cache", "--cache-from", f"type=local,src={cache}", folder)
    assert "a cache of BuildKit" in outcome.stderr


def test_an_export_that_fails_is_an_error_unless_it_is_to_be_ignored(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    folder = context("FROM busybox\nRUN echo done\n")
    target = "type=registry,ref=127.0.0.1:1/nobody/listens"
    failed = llbuild.build("--cache-to", target, folder, exit_code=1)
    assert "cannot export the cache to 127.0.0.1:1/nobody/listens:latest: " in failed.stderr
    ignored = llbuild.build("--cache-to", f"{target},ignore-error=true", folder)
    assert "CacheExportFailed" in ignored.stderr


def test_a_private_registry_is_written_and_read_after_a_login(
    llbuild: Llbuild, private_registry: Registry, context: Callable[..., Path], tmp_path: Path
) -> None:
    login = {"DOCKER_CONFIG": str(private_registry.login(tmp_path / "docker"))}
    folder = context("FROM busybox\nRUN echo done > /done\n")
    ref = f"{private_registry.address}/cache"
    llbuild.build("--cache-to", f"type=registry,ref={ref}", folder, env=login)
    stranger = llbuild.build("--no-cache", "--cache-from", ref, folder, env={"HOME": str(tmp_path)})
    assert "access denied" in stranger.stderr


@pytest.mark.slow
def test_what_the_registry_has_is_exported_without_being_fetched(
    machine: Callable[[str], Llbuild], staged: Callable[..., Path], registry: Registry
) -> None:
    first, second = machine("first"), machine("second")
    one, other = (f"{registry.address}/exchange/{name}:1" for name in ("mounted-one", "mounted-other"))
    first.build("--cache-to", f"type=registry,ref={one},mode=max", staged())
    second.build("--cache-from", one, "--cache-to", f"type=registry,ref={other},mode=max", staged())
    assert len(layer_blobs(second)) == 5  # the image's; the stage `tools` has one more, with its ballast
    third = machine("third")
    third.build("--cache-from", other, "--target", "tools", "-t", "x", staged())
    assert third("run", "x", "sh", "-c", "wc -c < /ballast").stdout == "300000\n"


MOUNTED = """
FROM {base}
RUN --mount=type=cache,id=pip,target=/root/.cache/pip \
    if test -e /root/.cache/pip/wheel; then cat /root/.cache/pip/wheel; else echo {word} > /root/.cache/pip/wheel; \
    chmod 640 /root/.cache/pip/wheel; chown 7:8 /root/.cache/pip/wheel; fi > /seen; \
    stat -c '%a %u %g' /root/.cache/pip/wheel > /metadata
"""


def test_cache_mounts_travel(
    machine: Callable[[str], Llbuild], context: Callable[..., Path], base: str, registry: Registry
) -> None:
    ref = f"{registry.address}/exchange/mounts:1"
    export = ["--cache-to", f"type=registry,ref={ref},mounts=true"]
    first, second, third = machine("first"), machine("second"), machine("third")
    first.build(*export, context(MOUNTED.format(base=base, word="one")))
    before = registry.stored_blobs()
    first.build(*export, context(MOUNTED.format(base=base, word="uno")))
    assert len(registry.stored_blobs() - before) <= 3  # the step's layer, the config, the manifest: not the mount again
    changed = context(MOUNTED.format(base=base, word="two"))
    ran = second.build("--cache-from", ref, "-t", "x", changed)
    assert ran.step("RUN").ran
    assert second("run", "x", "cat", "/seen").stdout == "one\n"
    assert second("run", "x", "cat", "/metadata").stdout.split()[0] == "640"
    without = third.build("--cache-from", f"type=registry,ref={ref},mounts=false", "-t", "x", changed)
    assert without.step("RUN").ran
    assert third("run", "x", "cat", "/seen").stdout == ""


def test_cache_mounts_survive_a_build_with_nothing_to_run(
    machine: Callable[[str], Llbuild], context: Callable[..., Path], base: str, registry: Registry, tmp_path: Path
) -> None:
    ref, folder = f"{registry.address}/exchange/relayed-mounts:1", context(MOUNTED.format(base=base, word="one"))
    export = ["--cache-to", f"type=registry,ref={ref},mounts=true"]
    machine("first").build(*export, folder)
    second, cache = machine("second"), tmp_path / "cache"
    for _ in range(2):  # the second time it does not even need the cache
        targets = [*export, "--cache-to", f"type=local,dest={cache},mounts=true"]
        assert second.build("--cache-from", ref, *targets, folder).ran() == []
    for source in (ref, f"type=local,src={cache}"):
        third = machine(f"third-{len(source)}")
        third.build("--cache-from", source, "-t", "x", context(MOUNTED.format(base=base, word="two")))
        assert third("run", "x", "cat", "/seen").stdout == "one\n"


def test_a_cache_mount_that_holds_something_is_left_alone(
    machine: Callable[[str], Llbuild], context: Callable[..., Path], base: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first, second = machine("first"), machine("second")
    first.build("--cache-to", f"type=local,dest={cache},mounts=true", context(MOUNTED.format(base=base, word="one")))
    second.build(context(MOUNTED.format(base=base, word="mine")))
    second.build("--cache-from", f"type=local,src={cache}", "-t", "x", context(MOUNTED.format(base=base, word="new")))
    assert second("run", "x", "cat", "/seen").stdout == "mine\n"


def test_a_build_with_nothing_to_do_asks_for_no_cache(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo done\n")
    llbuild.build("-t", "x", folder)
    outcome = llbuild.build("--cache-from", "127.0.0.1:1/nobody/listens", "-t", "x", folder)
    assert "importing" not in outcome.stderr
    assert "httpx" not in llbuild.modules_after("build", "--cache-from", "127.0.0.1:1/x", "-t", "x", folder)
