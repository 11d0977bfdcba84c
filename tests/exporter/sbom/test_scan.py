"""Scanning within bounds, what is remembered of it, and the document it becomes."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.database import open_database
from llbuild.errors import ExportError
from llbuild.exporter.sbom import (
    SCANS_SCHEMA,
    ImageFiles,
    Package,
    Scan,
    ScanMemo,
    Scanner,
    load_scanner,
    scan_files,
    spdx_predicate,
)
from llbuild.tests.exporter.sbom.kit import files_of, scan, told, tree_of, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATUS = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
METADATA = "Name: a\nVersion: 1\n"


def test_links_lead_nowhere_outside_the_image(tmp_path: Path) -> None:
    write(tmp_path / "outside", {"status": STATUS, "lib/x.dist-info/METADATA": METADATA})
    root = tmp_path / "root"
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").symlink_to(tmp_path / "outside/status")
    (root / "lib").symlink_to(tmp_path / "outside/lib")
    (root / "up").symlink_to("../outside/lib")
    assert told(root) == []


def test_links_inside_the_image_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {"usr/lib/os-release": "ID=debian\n", "usr/share/dpkg/status": STATUS})
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg").symlink_to("/usr/share/dpkg")
    assert told(tmp_path) == [("a", "1", "pkg:deb/debian/a@1?arch=all&distro=debian")]


def test_a_loop_of_links_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").symlink_to("status")
    (tmp_path / "lib/apk/db").mkdir(parents=True)
    os.mkfifo(tmp_path / "lib/apk/db/installed")
    found = scan(tmp_path)
    assert found.packages == ()
    assert "too many symbolic links" in found.notes[0]


def test_what_a_layer_deletes_is_not_there(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs to run as root: a whiteout is a device")
    write(tmp_path / "lower", {"a/node_modules/b/package.json": '{"name": "b", "version": "1"}'})
    (tmp_path / "upper").mkdir()
    os.mknod(tmp_path / "upper/a", 0o020000, 0)
    assert scan_files(tree_of(tmp_path / "lower", tmp_path / "upper"), load_scanner("")).packages == ()


def test_a_file_beyond_its_bound_is_not_read_and_that_is_said(tmp_path: Path) -> None:
    write(tmp_path, {"app/node_modules/a/package.json": b'{"name": "a", "version": "' + b"1" * (1 << 20) + b'"}'})
    with (tmp_path / "status").open("wb") as file:
        file.truncate(65 << 20)
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "status").rename(tmp_path / "var/lib/dpkg/status")
    found = scan(tmp_path)
    assert found.packages == ()
    assert found.notes == (
        "/app/node_modules/a/package.json was not read: it is larger than 1024 KiB",
        "/var/lib/dpkg/status was not read: it is larger than 65536 KiB",
    )


@pytest.mark.parametrize(
    "data", [b"{", b"[" * 500_000, b'{"a": ' * 100_000, b"\xff\xfe", b'{"name": "a", "version": 1' + b"0" * 5000 + b"}"]
)
def test_malformed_json_is_noted_and_nothing_more(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, {"node_modules/a/package.json": data, "node_modules/b/package.json": '{"name":"b","version":"1"}'})
    found = scan(tmp_path)
    assert [one.name for one in found.packages] == ["b"]
    assert found.notes in ((), ("/node_modules/a/package.json was not read: it is no JSON",))


def test_text_from_an_image_is_made_harmless(tmp_path: Path) -> None:
    fields = f"Package: \x1b[31ma\u202e\nStatus: install ok installed\nVersion: {'1' * 70_000}\nMaintainer: \xff\n"
    write(tmp_path, {"var/lib/dpkg/status": fields.encode("latin-1", "replace") + b"Architecture: \xff\n"})
    (found,) = scan(tmp_path).packages
    assert found.name.isprintable()
    assert len(found.version) == 2000


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    write(tmp_path, {"f": b"a" * (3 << 20) + b"\nb\n"})
    assert [len(line) for line in files_of(tmp_path).lines("f", most_bytes=1 << 30)] == [64 << 10, 1]


def test_the_same_package_is_told_once(tmp_path: Path) -> None:
    write(tmp_path, {f"{place}/a.dist-info/METADATA": METADATA for place in ("z", "b", "c")})
    (found,) = scan(tmp_path).packages
    assert found.found_in == "b/a.dist-info/METADATA"


def numbers(files: ImageFiles) -> Iterator[Package]:
    for count in range(50_002):
        yield Package(name="n", version=str(count), purl=f"pkg:generic/n@{count:06}", found_in="x")
    files.note("never reached")


def test_a_scanner_that_never_ends_is_stopped(tmp_path: Path) -> None:
    found = scan_files(tree_of(tmp_path), Scanner(name="n", version="1", scan=numbers))
    assert len(found.packages) == 50_000
    assert found.notes == ("there are more than 50000 packages; the rest is left out",)


def test_a_scanner_that_fails_is_named(tmp_path: Path) -> None:
    def broken(files: ImageFiles) -> list[Package]:
        raise KeyError("x")

    with pytest.raises(ExportError, match=r"scanner 'mine' failed: KeyError: 'x'"):
        scan_files(tree_of(tmp_path), Scanner(name="mine", version="1", scan=broken))


def test_an_unknown_scanner_is_answered_with_those_there_are() -> None:
    with pytest.raises(ExportError, match=r"no scanner 'nothing' is installed; there are: llbuild"):
        load_scanner("nothing")


SCAN = Scan(
    scanner="llbuild",
    packages=(
        Package(name="a", version="1", purl="pkg:deb/debian/a@1", found_in="x", licenses="MIT", maintainer="M <m@x>"),
        Package(name="b", version="", purl="pkg:golang/b", found_in="y"),
    ),
    notes=("something was not read",),
    when=1_700_000_000.5,
)


def test_a_scan_is_remembered_for_its_layers_and_its_scanner(tmp_path: Path) -> None:
    memo = ScanMemo(open_database(tmp_path / "state.db", [SCANS_SCHEMA]))
    scanner, newer = load_scanner(""), Scanner(name="llbuild", version="other", scan=numbers)
    assert memo.find(scanner, ["a", "b"]) is None
    memo.keep(scanner, ["a", "b"], SCAN)
    assert memo.find(scanner, ["a", "b"]) == SCAN
    assert memo.find(scanner, ["b", "a"]) is None
    assert memo.find(newer, ["a", "b"]) is None


def test_the_oldest_scans_are_forgotten(tmp_path: Path) -> None:
    database = open_database(tmp_path / "state.db", [SCANS_SCHEMA])
    memo, scanner = ScanMemo(database), load_scanner("")
    for number in range(105):
        memo.keep(scanner, [str(number)], SCAN)
    assert database.query("SELECT count(*) FROM scans") == [(100,)]
    assert memo.find(scanner, ["0"]) is None
    assert memo.find(scanner, ["104"]) == SCAN


def document(scan: Scan = SCAN, **options: Any) -> dict[str, Any]:
    return spdx_predicate(scan, name="docker.io/library/hello:latest", **options).document


def test_a_license_is_declared_where_spdx_has_it() -> None:
    one, other = document()["packages"][1:]
    assert (one["licenseDeclared"], one["licenseComments"]) == ("MIT", "The package says: MIT")
    assert other["licenseDeclared"] == "NOASSERTION"
    assert "licenseComments" not in other


def test_a_document_has_what_spdx_wants_of_one() -> None:
    """SPDX 2.3, clauses 6, 7 and 11: the fields that must be there, and their forms."""
    made = document()
    assert (made["spdxVersion"], made["dataLicense"], made["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert made["name"]
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made["documentNamespace"]
    )
    assert made["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    assert made["creationInfo"]["creators"][0].startswith("Tool: llbuild-")
    assert made["creationInfo"]["comment"] == "Not complete. something was not read"
    ids = [package["SPDXID"] for package in made["packages"]]
    assert len(set(ids)) == len(ids) == 3
    for package in made["packages"]:
        assert re.fullmatch(r"SPDXRef-[a-zA-Z0-9.-]+", package["SPDXID"])
        assert package["name"]
        assert package["downloadLocation"] == "NOASSERTION"
        assert package["filesAnalyzed"] is False
    ends = {(one["spdxElementId"], one["relationshipType"]) for one in made["relationships"]}
    assert ends == {("SPDXRef-DOCUMENT", "DESCRIBES"), (ids[0], "CONTAINS")}
    assert {one["relatedSpdxElement"] for one in made["relationships"]} == set(ids)
    assert made["packages"][1]["externalRefs"] == [
        {
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": "pkg:deb/debian/a@1",
        }
    ]


def test_the_same_scan_is_the_same_document_and_another_is_not() -> None:
    assert document() == document()
    assert document(epoch_s=7)["creationInfo"]["created"] == "1970-01-01T00:00:07Z"
    assert document(epoch_s=7)["documentNamespace"] != document()["documentNamespace"]


def test_the_spdx_project_s_own_tools_find_it_valid(tmp_path: Path) -> None:
    if importlib.util.find_spec("spdx_tools") is None:
        pytest.skip("needs the Python package spdx-tools (pip install spdx-tools)")
    parser = importlib.import_module("spdx_tools.spdx.parser.parse_anything")
    validator = importlib.import_module("spdx_tools.spdx.validation.document_validator")
    path = tmp_path / "a.spdx.json"
    path.write_text(json.dumps(document()))
    assert validator.validate_full_spdx_document(parser.parse_file(str(path))) == []


def test_what_could_not_be_read_this_time_is_not_remembered(tmp_path: Path) -> None:
    class Failing:
        owners = True

        def stat(self, path: str) -> os.stat_result:
            return os.stat(__file__)

        def directory(self, path: str) -> Any:
            raise OSError(5, "Input/output error")

    memo, scanner = ScanMemo(open_database(tmp_path / "state.db", [SCANS_SCHEMA])), load_scanner("")
    found = scan_files(Failing(), scanner)
    assert "the rest of the files cannot be read: Input/output error" in found.notes
    memo.keep(scanner, ["a"], found)
    assert memo.find(scanner, ["a"]) is None
