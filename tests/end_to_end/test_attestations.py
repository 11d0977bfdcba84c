"""What is said of images and files: provenance and package lists, as other tools find them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.gitserver import serve_git
from llbuild.tests.tools import ROOT, require_tool, run_tool
from llbuild.tests.webserver import serve_pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.fixtures_registry import Registry

DOCKERFILE = """FROM busybox AS made
ARG WORD=nothing
RUN --mount=type=secret,id=token echo $WORD > /word
FROM busybox
COPY --from=made /word /word
COPY note /note
CMD ["cat", "/word"]
"""
PROVENANCE = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"


class Layout:
    """An OCI layout folder, read with nothing but json; every digest is checked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.entry,) = json.loads((folder / "index.json").read_text())["manifests"]
        self.index = self.json(self.entry)

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        data: bytes = (self._folder / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
        assert hashlib.sha256(data).hexdigest() == descriptor["digest"].removeprefix("sha256:")
        assert len(data) == descriptor["size"]
        return data

    def json(self, descriptor: dict[str, Any]) -> Any:
        return json.loads(self.blob(descriptor))

    @property
    def images(self) -> list[dict[str, Any]]:
        return [one for one in self.index["manifests"] if "annotations" not in one]

    @property
    def attestations(self) -> list[dict[str, Any]]:
        return [one for one in self.index["manifests"] if "annotations" in one]

    def statements(self, number: int = 0) -> dict[str, Any]:
        """By predicate type, of the attestation manifest of that number."""
        manifest = self.json(self.attestations[number])
        assert self.json(manifest["config"]) == {}
        found = {}
        for layer in manifest["layers"]:
            assert layer["mediaType"] == "application/vnd.in-toto+json"
            statement = self.json(layer)
            assert layer["annotations"]["in-toto.io/predicate-type"] == statement["predicateType"]
            found[statement["predicateType"]] = statement
        return found


def test_provenance_stands_beside_an_image_that_stays_the_same(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context(DOCKERFILE, note="hello")
    plain, attested = tmp_path / "plain", tmp_path / "attested"
    llbuild.build("-o", f"type=oci,tar=false,dest={plain}", folder)
    built = llbuild.build("--provenance=true", "-t", "hello", "-o", f"type=oci,tar=false,dest={attested}", folder)
    assert built.ran() == []
    layout = Layout(attested)
    (image,), (said,) = layout.images, layout.attestations
    assert image["digest"] == json.loads((plain / "index.json").read_text())["manifests"][0]["digest"]
    assert said["annotations"]["vnd.docker.reference.digest"] == image["digest"]
    statement = layout.statements()[PROVENANCE]
    (subject,) = statement["subject"]
    assert subject["name"] == "pkg:docker/hello@latest?platform=linux%2Famd64"
    assert "sha256:" + subject["digest"]["sha256"] == image["digest"]


def test_max_tells_materials_steps_and_their_layers(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    dest = tmp_path / "oci"
    secret = tmp_path / "token"
    secret.write_text("hunter2")
    llbuild.build(
        *("--provenance=mode=max", "--build-arg", "WORD=there", "--secret", f"id=token,src={secret}"),
        *("-o", f"type=oci,tar=false,dest={dest}", context(DOCKERFILE, note="hello")),
    )
    layout = Layout(dest)
    statement = layout.statements()[PROVENANCE]
    assert "hunter2" not in json.dumps(statement)
    definition, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    request = definition["externalParameters"]["request"]
    assert request["args"] == {"build-arg:WORD": "there"}
    assert request["secrets"] == [{"id": "token", "optional": True}]
    (base,) = definition["resolvedDependencies"]
    digest = {name.split()[0]: name.split()[2] for name in llbuild.image_names()}["busybox"]
    assert base["uri"] == "pkg:docker/busybox@latest?platform=linux%2Famd64"
    assert base["digest"]["sha256"].startswith(digest)
    steps = definition["internalParameters"]["buildConfig"]["llbDefinition"]
    assert sum("exec" in step["op"]["Op"] for step in steps) == 1
    layers = details["metadata"]["buildkit_metadata"]["layers"]
    wanted = steps[-1]["inputs"][0]
    manifest = layout.json(layout.images[0])
    assert [one["digest"] for one in layers[wanted][0]] == [one["digest"] for one in manifest["layers"]]
    assert details["metadata"]["startedOn"] < details["metadata"]["finishedOn"]


def test_a_cached_build_with_provenance_runs_nothing_and_starts_no_event_loop(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder, archive = context(DOCKERFILE, note="hello"), tmp_path / "a.tar"
    line = ("build", "--provenance=mode=min", "-t", "hello", "-o", f"type=oci,dest={archive}", folder)
    llbuild(*line)
    loaded = llbuild.modules_after(*line)
    assert not loaded & {"anyio", "asyncio", "google.protobuf", "httpx"}
    assert "llbuild.exporter.attest.provenance" in loaded
    assert "llbuild.exporter.attest" not in llbuild.modules_after("build", "-t", "hello", folder)


def test_skopeo_copies_it_whole_and_a_store_takes_it_back(
    llbuild: Llbuild, bare_llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    skopeo, ref = require_tool("skopeo"), f"{registry.address}/attested/hello:1"
    llbuild.build("--provenance=true", "--push", "-t", ref, context(DOCKERFILE, note="hello"))
    tags = json.loads(run_tool([skopeo, "list-tags", "--tls-verify=false", f"docker://{ref.rpartition(':')[0]}"]))[
        "Tags"
    ]
    assert tags == ["1"]
    copied, other = tmp_path / "copied", f"{registry.address}/attested/copy:1"
    run_tool([skopeo, "copy", "--all", "--src-tls-verify=false", f"docker://{ref}", f"oci:{copied}:hello"])
    layout = Layout(copied)
    assert PROVENANCE in layout.statements()
    seen = json.loads(run_tool([skopeo, "inspect", "--tls-verify=false", "--no-tags", f"docker://{ref}"]))
    assert seen["Digest"] == layout.entry["digest"]
    assert seen["Architecture"] == "amd64"
    archive = tmp_path / "copied.tar"
    run_tool([skopeo, "copy", "--all", f"oci:{copied}:hello", f"oci-archive:{archive}:hello"])
    llbuild("load", "-i", archive, "-t", other)
    llbuild("push", other)
    again = json.loads(run_tool([skopeo, "inspect", "--raw", "--tls-verify=false", f"docker://{other}"]))
    assert again == layout.index
    assert "as it should be" in llbuild("verify").stdout


@pytest.mark.slow
def test_pull_keeps_what_is_said_and_runs_the_image(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/attested/pulled:1"
    llbuild.build(
        *("--provenance=true", "--build-arg", "WORD=there", "--push", "-t", ref),
        context(DOCKERFILE, note="hello"),
    )
    other = type(llbuild)(root=tmp_path / "other")
    digest = other("pull", "-q", ref).stdout.strip()
    other("prune", "--all", "--force", "--filter", "type=regular")
    assert "as it should be" in other("verify").stdout
    saved = tmp_path / "saved.tar"
    other("save", "-o", saved, ref)
    (tmp_path / "saved").mkdir()
    run_tool(["tar", "-xf", saved, "-C", tmp_path / "saved"])
    layout = Layout(tmp_path / "saved")
    assert layout.entry["digest"] == digest
    assert PROVENANCE in layout.statements()
    assert other("run", ref).stdout == "there\n"
    (tmp_path / "next").mkdir()
    (tmp_path / "next/Dockerfile").write_text(f"FROM {ref}\nRUN test -f /note\n")
    other.build(tmp_path / "next")


def test_each_platform_has_its_own(llbuild: Llbuild, tmp_path: Path, context: Callable[..., Path]) -> None:
    dest = tmp_path / "oci"
    folder = context("FROM scratch\nARG TARGETARCH\nCOPY note /$TARGETARCH\n", note="hello")
    llbuild.build(
        *("--platform=linux/amd64,linux/arm64", "--provenance=true"),
        *("-o", f"type=oci,tar=false,dest={dest}", folder),
    )
    layout = Layout(dest)
    digests = [image["digest"] for image in layout.images]
    assert [one["platform"]["architecture"] for one in layout.index["manifests"]] == [
        *("amd64", "arm64"),
        *("unknown", "unknown"),
    ]
    assert [one["annotations"]["vnd.docker.reference.digest"] for one in layout.attestations] == digests
    invocations = {
        layout.statements(number)[PROVENANCE]["predicate"]["runDetails"]["metadata"]["invocationId"]
        for number in range(2)
    }
    assert len(invocations) == 1


def test_files_get_a_statement_about_each_of_them_beside_them(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder, dest, tar = context("FROM scratch\nCOPY note /dir/\n", note="hello"), tmp_path / "out", tmp_path / "out.tar"
    llbuild.build(
        *("--provenance=mode=min", "-o", f"type=local,dest={dest},attestation-prefix=said-"),
        *("-o", f"type=tar,dest={tar}", folder),
    )
    statement = json.loads((dest / "said-provenance.json").read_text())
    assert statement["subject"] == [{"name": "dir/note", "digest": {"sha256": hashlib.sha256(b"hello").hexdigest()}}]
    assert statement["predicateType"] == PROVENANCE
    names = run_tool(["tar", "-tf", tar]).split()
    assert sorted(names) == ["dir/", "dir/note", "provenance.json"]
    llbuild.build("--provenance=inline-only=true", "-o", f"type=local,dest={tmp_path / 'without'}", folder)
    assert not (tmp_path / "without/provenance.json").exists()


def test_the_metadata_file_has_short_provenance_and_the_builds_number(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    metadata = tmp_path / "metadata.json"
    llbuild.build("-t", "hello", "--metadata-file", metadata, "--build-arg", "WORD=x", context(DOCKERFILE, note="a"))
    told = json.loads(metadata.read_text())
    assert told["containerimage.config.digest"].startswith("sha256:")
    document = told["llbuild.build.provenance"]
    assert document["buildDefinition"]["resolvedDependencies"]
    assert "buildConfig" not in document["buildDefinition"]["internalParameters"]
    assert llbuild.json("builds", "--format", "json")[0]["id"] == int(told["llbuild.build.ref"])
    iidfile = tmp_path / "iid"
    llbuild.build(
        *("--provenance=true", "-t", "hello", "--iidfile", iidfile, "--metadata-file", metadata),
        context(DOCKERFILE, note="a"),
    )
    told = json.loads(metadata.read_text())
    assert told["containerimage.digest"] == iidfile.read_text()
    assert told["containerimage.descriptor"]["mediaType"] == "application/vnd.oci.image.index.v1+json"


def test_complete_materials_refuses_a_local_folder(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = llbuild("build", "--provenance=complete-materials=true", context(DOCKERFILE, note="a"), exit_code=1)
    assert "what is in local folders (context, dockerfile) cannot be told" in outcome.stderr
    assert not outcome.ran()


STATUS = "Package: tool\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n"
LISTED = """FROM busybox
COPY status /var/lib/dpkg/status
CMD ["true"]
"""


def packages_of(statement: dict[str, Any]) -> list[str]:
    """The names of the packages, apart from the image's own."""
    return [package["name"] for package in statement["predicate"]["packages"][1:]]


def test_a_package_list_is_attached_and_what_has_not_changed_is_scanned_once(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder, dest = context(LISTED, status=STATUS), tmp_path / "oci"
    line = ("--sbom=true", "--provenance=mode=min", "-t", "hello", "-o", f"type=oci,tar=false,dest={dest}")
    first = llbuild.build(*line, folder)
    assert first.step("generating sbom using llbuild").ran
    statements = Layout(dest).statements()
    assert list(statements) == [SPDX, PROVENANCE]
    assert packages_of(statements[SPDX]) == ["tool"]
    assert statements[SPDX]["subject"] == statements[PROVENANCE]["subject"]
    again = llbuild.build(*line, folder)
    assert not again.named("generating sbom")
    assert Layout(dest).statements()[SPDX] == statements[SPDX]
    (folder / "Dockerfile").write_text(LISTED.replace("true", "false"))
    assert not llbuild.build(*line, folder).named("generating sbom")
    (folder / "status").write_text(STATUS.replace("tool", "other"))
    assert llbuild.build(*line, folder).named("generating sbom")
    assert packages_of(Layout(dest).statements()[SPDX]) == ["other"]


def test_a_cached_build_with_a_package_list_starts_no_event_loop(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    line = ("build", "--sbom=true", "-t", "hello", context(LISTED, status=STATUS))
    llbuild(*line)
    loaded = llbuild.modules_after(*line)
    assert not loaded & {"anyio", "asyncio", "google.protobuf", "httpx"}
    assert "llbuild.exporter.sbom.spdx" in loaded


def test_with_source_date_epoch_two_state_folders_make_the_same_list(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, busybox_rootfs: Path
) -> None:
    other = type(llbuild)(root=tmp_path / "other")
    other("import", busybox_rootfs, "busybox")
    folder, digests = context("FROM scratch\nCOPY status /var/lib/dpkg/status\n", status=STATUS), set()
    for number, program in enumerate((llbuild, other)):
        dest = tmp_path / f"oci{number}"
        program.build(
            *("--sbom=true", "-t", "hello", "-o", f"type=oci,tar=false,dest={dest},rewrite-timestamp=true", folder),
            env={"SOURCE_DATE_EPOCH": "1700000000"},
        )
        digests.add(Layout(dest).entry["digest"])
    assert len(digests) == 1


def test_a_list_with_a_gap_says_so(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    dest = tmp_path / "out"
    outcome = llbuild.build(
        *("--sbom=true", "-o", f"type=local,dest={dest}"),
        context("FROM scratch\nCOPY old /var/lib/rpm/Packages\n", old="x"),
    )
    assert "/var/lib/rpm/Packages cannot be read whole: it ends before byte 72" in outcome.stderr
    statement = json.loads((dest / "sbom.spdx.json").read_text())
    assert statement["predicate"]["creationInfo"]["comment"].startswith("Not complete. /var/lib/rpm/Packages")
    assert [one["name"] for one in statement["subject"]] == ["var/lib/rpm/Packages"]


def test_a_plugin_scans(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, installed: Callable[[Path], dict[str, str]]
) -> None:
    dest, plugin = tmp_path / "oci", installed(ROOT / "examples/scanner-plugin")
    folder = context("FROM scratch\nCOPY VERSION.txt /opt/thing/\n", **{"VERSION.txt": "1.2\n"})
    line = ("--sbom=generator=versions", "-o", f"type=oci,tar=false,dest={dest}", folder)
    assert llbuild.build(*line, env=plugin).step("generating sbom using versions").ran
    statement = Layout(dest).statements()[SPDX]
    (_, thing) = statement["predicate"]["packages"]
    assert (thing["name"], thing["versionInfo"]) == ("thing", "1.2")
    assert statement["predicate"]["creationInfo"]["creators"][1] == "Tool: versions"
    outcome = llbuild("build", *line, exit_code=1)
    assert "no scanner 'versions' is installed; there are: llbuild" in outcome.stderr


def test_inspect_shows_what_is_said(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild.build(
        *("--sbom=true", "--provenance=mode=max,builder-id=https://ci.example/7", "--build-arg", "WORD=x"),
        *("-t", "hello", context(LISTED, status=STATUS)),
    )
    shown = llbuild("inspect", "--attestations", "hello").stdout
    assert "builder       https://ci.example/7, llbuild" in shown
    assert "argument      build-arg:WORD=x" in shown
    assert "made of       pkg:docker/busybox@latest" in shown
    assert "pkg:deb/debian/tool@1.0?arch=amd64" in shown
    (image,) = llbuild.json("inspect", "--attestations", "--format=json", "hello")["images"]
    assert [one["statement"]["predicateType"] for one in image["attestations"]] == [SPDX, PROVENANCE]
    assert llbuild.json("inspect", "hello")["platform"] == "linux/amd64"
    assert "nothing is said of it" in llbuild("inspect", "--attestations", "busybox").stdout
    assert "--format is for --attestations" in llbuild("inspect", "--format=json", "hello", exit_code=2).stderr


def test_forgotten_attestations_go_and_those_of_images_stay(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(LISTED, status=STATUS)
    for _ in range(2):
        llbuild.build("--sbom=true", "--provenance=true", "-t", "hello", folder)
    before = {path.name for path in (llbuild.root / "content/blobs/sha256").iterdir()}
    llbuild("prune", "--force")
    after = {path.name for path in (llbuild.root / "content/blobs/sha256").iterdir()}
    assert len(after) < len(before)
    assert "as it should be" in llbuild("verify").stdout
    assert "pkg:deb/debian/tool@1.0" in llbuild("inspect", "--attestations", "hello").stdout
    assert not llbuild.build("--sbom=true", "-t", "hello", folder).ran()


SCANNER = r"""FROM busybox
COPY scan /scan
ENV FROM_IMAGE=yes
WORKDIR /tmp
ENTRYPOINT ["/scan"]
CMD ["argument"]
"""
SCAN = r"""#!/bin/sh
set -e
test "$FROM_IMAGE" = yes && test "$1" = argument && test "$(pwd)" = /tmp && touch /tmp/writable
out="$BUILDKIT_SCAN_DESTINATION/$(basename $BUILDKIT_SCAN_SOURCE).spdx.json"
if touch "$BUILDKIT_SCAN_SOURCE/x" 2>/dev/null; then exit 9; fi
echo "looking at $(ls $BUILDKIT_SCAN_SOURCE)"
found=$(cat $BUILDKIT_SCAN_SOURCE/note)
printf '{"_type":"x","predicateType":"https://spdx.dev/Document","predicate":{"name":"%s"}}' "$found" > "$out"
cp "$out" "$BUILDKIT_SCAN_DESTINATION/another.spdx.json"
"""


def scanner_image(llbuild: Llbuild, folder: Path, script: str) -> None:
    """An image `scanner:1` that runs the script, in the local store."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(SCANNER)
    (folder / "scan").write_text(script)
    (folder / "scan").chmod(0o755)
    llbuild.build("-t", "scanner:1", folder)


@pytest.mark.slow
def test_a_scanner_may_be_an_image_as_with_buildkit(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    scanner_image(llbuild, tmp_path / "scanner", SCAN)
    folder, dest = context("FROM scratch\nCOPY note /note\n", note="thing"), tmp_path / "oci"
    line = (
        "--sbom=generator=scanner:1",
        "--provenance=mode=min",
        "-t",
        "hello",
        "-o",
        f"type=oci,tar=false,dest={dest}",
        folder,
    )
    first = llbuild.build(*line)
    step = first.step("generating sbom using scanner:1")
    assert step.ran
    assert b"looking at note" in step.output
    manifest = Layout(dest).json(Layout(dest).attestations[0])
    assert [one["annotations"]["in-toto.io/predicate-type"] for one in manifest["layers"]] == [SPDX, SPDX, PROVENANCE]
    assert Layout(dest).statements()[SPDX]["predicate"] == {"name": "thing"}
    materials = Layout(dest).statements()[PROVENANCE]["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [one["uri"].partition("?")[0] for one in materials] == ["pkg:docker/scanner@1"]
    again = llbuild.build(*line)
    assert not again.step("generating sbom using scanner:1").ran
    assert not again.ran()
    (folder / "note").write_text("other")
    llbuild.build(*line)
    assert Layout(dest).statements()[SPDX]["predicate"] == {"name": "other"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\nexit 3\n", "exited with code 3"),
        ("#!/bin/sh\ntrue\n", "the scanner scanner:1 wrote no sbom.spdx.json into /run/out/"),
        ("#!/bin/sh\necho '{' > /run/out/sbom.spdx.json\n", "wrote sbom.spdx.json, which is unreadable"),
        ('#!/bin/sh\necho \'{"predicateType":"x"}\' > /run/out/sbom.spdx.json\n', "expected a statement of type"),
        ("#!/bin/sh\nln -s /etc/passwd /run/out/sbom.spdx.json\n", "wrote no sbom.spdx.json"),
    ],
)
def test_a_scanner_that_does_not_keep_to_the_protocol_is_named(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, script: str, message: str
) -> None:
    scanner_image(llbuild, tmp_path / "scanner", script)
    outcome = llbuild(
        *("build", "--sbom=generator=scanner:1", "-t", "hello", context("FROM scratch\nCOPY note /\n", note="x")),
        exit_code=1,
    )
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "hello" not in str(llbuild.image_names())


def test_a_build_of_a_repository_names_its_commit_and_every_file_it_downloads(llbuild: Llbuild, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    with serve_git(tmp_path / "served") as server, serve_pages() as web:
        repository = server.make("repo.git")
        url = web.put("/file", b"a page")
        commit = repository.commit(sub__Dockerfile=f"FROM scratch\nADD {url} /page\nCOPY a /a\n", sub__a="x")
        dest = tmp_path / "oci"
        context = repository.url.replace("://", "://me:hunter2@") + "#HEAD:sub"
        line = ("--provenance=complete-materials=true", "-o", f"type=oci,tar=false,dest={dest}", context)
        llbuild.build(*line)
    statement = Layout(dest).statements()[PROVENANCE]
    assert "hunter2" not in json.dumps(statement)
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["configSource"]["digest"] == {"sha1": commit}
    assert definition["externalParameters"]["configSource"]["path"] == "Dockerfile"
    found = {one["uri"]: one["digest"] for one in definition["resolvedDependencies"]}
    assert found[url] == {"sha256": hashlib.sha256(b"a page").hexdigest()}
    assert [digest for digest in found.values() if "sha1" in digest] == [{"sha1": commit}]
    metadata = statement["predicate"]["runDetails"]["metadata"]
    assert metadata["buildkit_completeness"] == {"request": True, "resolvedDependencies": True}
    assert metadata["buildkit_hermetic"] is True


def test_the_files_of_each_platform_have_statements_of_their_own(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    dest = tmp_path / "out"
    llbuild.build(
        *(
            "--platform=linux/amd64,linux/arm64",
            "--provenance=mode=min",
            "--sbom=true",
            "-o",
            f"type=local,dest={dest}",
        ),
        context("FROM scratch\nARG TARGETARCH\nCOPY note /$TARGETARCH\n", note="hello"),
    )
    for platform, arch in (("linux_amd64", "amd64"), ("linux_arm64", "arm64")):
        for name in ("provenance.json", "sbom.spdx.json"):
            statement = json.loads((dest / platform / name).read_text())
            assert [one["name"] for one in statement["subject"]] == [arch]


def test_a_definition_that_is_solved_has_provenance_without_a_frontend(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    definition, dest = tmp_path / "definition", tmp_path / "oci"
    llbuild("compile", "--format=buildkit", "-o", definition, context("FROM busybox\nRUN echo > /made\n"))
    llbuild("solve", "--provenance=true", "-o", f"type=oci,tar=false,dest={dest}", definition)
    predicate = Layout(dest).statements()[PROVENANCE]["predicate"]
    assert predicate["buildDefinition"]["externalParameters"] == {"configSource": {}, "request": {}}
    assert len(predicate["buildDefinition"]["internalParameters"]["buildConfig"]["llbDefinition"]) == 3
    assert predicate["runDetails"]["metadata"]["buildkit_completeness"]["request"] is False


def test_what_docker_loads_has_no_attestations(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    archive = tmp_path / "docker.tar"
    folder = context("FROM scratch\nCOPY note /\n", note="x")
    llbuild.build("--provenance=true", "--sbom=true", "-o", f"type=docker,dest={archive}", "-t", "hello", folder)
    skopeo = require_tool("skopeo")
    seen = json.loads(run_tool([skopeo, "inspect", "--raw", f"docker-archive:{archive}"]))
    assert seen["mediaType"].endswith("manifest.v2+json")
