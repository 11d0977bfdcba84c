"""The databases of rpm, of every age: written by rpm, by Berkeley DB, and by the description of SUSE's."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.exporter.sbom.kit import only, scan, write
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """Name: hello
Epoch: 2
Version: 1.0
Release: 3
Summary: x
License: MIT
Vendor: Somebody
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/opt
echo hi > %{buildroot}/opt/hello
%files
/opt/hello
"""


def install_hello(root: Path) -> None:
    """Build the package, and have rpm install it in a new root filesystem."""
    rpm, rpmbuild = require_tool("rpm"), require_tool("rpmbuild")
    top, spec = root.parent / "top", root.parent / "hello.spec"
    spec.write_text(SPEC)
    write(root, {"etc/os-release": "ID=fedora\nVERSION_ID=39\n"})
    run_tool([rpmbuild, "-bb", "--define", f"_topdir {top}", spec])
    (made,) = (top / "RPMS").rglob("*.rpm")
    database = ["--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"]
    (root / "var/lib/rpm").mkdir(parents=True)
    run_tool([rpm, "--root", root, *database, "--nodeps", "--noscripts", "-i", made])


def test_the_database_of_a_real_rpm_is_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    install_hello(root)
    found = only(root)
    assert (found.name, found.version, found.licenses) == ("hello", "2:1.0-3", "MIT")
    assert found.purl == (
        "pkg:rpm/fedora/hello@1.0-3?arch=noarch&distro=fedora-39&epoch=2&upstream=hello-1.0-3.src.rpm"
    )


def sqlite(path: Path, *statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_database_that_is_made_to_run_for_ever_does_not(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS hnum, x AS blob FROM n"
    sqlite(tmp_path / "var/lib/rpm/rpmdb.sqlite", f"CREATE VIEW Packages AS {endless}")
    assert scan(tmp_path).packages == ()


@pytest.mark.parametrize("blob", ["x'00'", "x'ffffffffffffffff'", "'text'", "x'0000000100000001000003e8'", "NULL"])
def test_a_malformed_record_of_rpm_is_nothing(tmp_path: Path, blob: str) -> None:
    sqlite(
        tmp_path / "var/lib/rpm/rpmdb.sqlite",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)",
        f"INSERT INTO Packages VALUES (1, {blob})",
    )
    assert scan(tmp_path).packages == ()


def test_records_that_rpm_has_not_put_into_its_database_are_noted(tmp_path: Path) -> None:
    sqlite(tmp_path / "var/lib/rpm/rpmdb.sqlite", "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
    write(tmp_path, {"var/lib/rpm/rpmdb.sqlite-wal": b"x"})
    assert scan(tmp_path).notes == ("/var/lib/rpm/rpmdb.sqlite-wal was not read: rpm did not close its database",)


def test_what_is_no_database_is_noted(tmp_path: Path) -> None:
    write(tmp_path, {"var/lib/rpm/rpmdb.sqlite": b"no database at all" * 100})
    (note,) = scan(tmp_path).notes
    assert note.startswith("/var/lib/rpm/rpmdb.sqlite cannot be read whole")


def header(name: str, *, version: str = "1.0", filler: int = 0) -> bytes:
    """A package's record: the tags that are read, and as many other bytes as its file list would have."""
    texts = {1000: name, 1001: version, 1002: "3", 1014: "MIT", 1022: "noarch", 1044: f"{name}-{version}-3.src.rpm"}
    index, store = b"", b""
    for tag, text in texts.items():
        index += struct.pack(">IIII", tag, 6, len(store), 1)
        store += text.encode() + b"\0"
    index += struct.pack(">IIII", 1116, 4, len(store), filler // 4)
    store += bytes(filler)
    return struct.pack(">II", len(texts) + 1, len(store)) + index + store


# On one page, on as many as it takes, and without anything that counts.
RECORDS = [header("tiny"), header("large", filler=40_000), header("larger", filler=300_000), b"\0" * 8, header("last")]
NAMES = ["large", "larger", "last", "tiny"]


def berkeley_db(folder: Path, records: list[bytes], *, order: int = 1234, page_bytes: int = 4096) -> Path:
    """The root filesystem with a `Packages` that Berkeley DB itself wrote. order: of bytes, as it names them."""
    load, path = require_tool("db5.3_load"), folder / "var/lib/rpm/Packages"
    path.parent.mkdir(parents=True)
    keys = "<I" if order == 1234 else ">I"
    pairs = [(struct.pack(keys, 0), struct.pack(keys, len(records)))]
    pairs += [(struct.pack(keys, number), record) for number, record in enumerate(records, 1)]
    lines = ["VERSION=3", "format=bytevalue", "type=hash", f"db_pagesize={page_bytes}", "HEADER=END"]
    lines += [f" {half.hex()}" for pair in pairs for half in pair]
    dump = folder / "dump"
    dump.write_text("\n".join([*lines, "DATA=END", ""]))
    run_tool([load, "-c", f"db_lorder={order}", "-f", dump, path])
    dump.unlink()
    return folder


def ndb(records: list[bytes], *, pages: int = 2) -> bytes:
    """SUSE's form, by its description."""
    slots, blobs, start = b"", b"", pages * 4096
    for number, record in enumerate(records, 1):
        head = struct.pack("<4sIII", b"BlbS", number, 1, len(record))
        body = (head + record).ljust(-(-(len(head) + len(record) + 12) // 16) * 16 - 12, b"\0")
        tail = struct.pack("<II4s", zlib.adler32(head + record), len(record), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", number, (start + len(blobs)) // 16, len(body + tail) // 16)
        blobs += body + tail
    slots += struct.pack("<4sIII", b"Slot", 0, 0, 0) * (pages * 256 - 2 - len(records))
    return struct.pack("<4sIIII12x", b"RpmP", 0, 1, pages, len(records) + 1) + slots + blobs


def names(folder: Path) -> list[str]:
    found = scan(folder)
    assert found.notes == ()
    return [one.name for one in found.packages]


@pytest.mark.parametrize("order", [1234, 4321])
@pytest.mark.parametrize("page_bytes", [512, 4096, 65536])
def test_a_berkeley_db_of_either_byte_order_is_read(tmp_path: Path, order: int, page_bytes: int) -> None:
    assert names(berkeley_db(tmp_path, RECORDS, order=order, page_bytes=page_bytes)) == NAMES


def test_a_berkeley_db_of_many_packages_is_read_as_rpm_reads_it(tmp_path: Path) -> None:
    rpm, real = require_tool("rpm"), tmp_path / "real"
    install_hello(real)
    with closing(sqlite3.connect(real / "var/lib/rpm/rpmdb.sqlite")) as connection:
        ((record,),) = connection.execute("SELECT blob FROM Packages").fetchall()
    # A record that rpm takes for one, again and again under other names of the same length.
    records = [record.replace(b"hello\0", b"h%04d\0" % number, 1) for number in range(500)]
    folder = berkeley_db(tmp_path / "old", records)
    database = ["--dbpath", str(folder / "var/lib/rpm"), "--define", "_db_backend bdb_ro"]
    said = run_tool([rpm, *database, "--nodigest", "--nosignature", "-qa", "--qf", "%{NAME}\n"]).split()
    assert len(said) == 500
    assert names(folder) == sorted(said)


def test_ndb_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"usr/lib/sysimage/rpm/Packages.db": ndb(RECORDS), "etc/os-release": "ID=sles\nVERSION_ID=15.5\n"})
    assert names(tmp_path) == NAMES
    assert scan(tmp_path).packages[0].purl.startswith("pkg:rpm/sles/large@1.0-3?arch=noarch&distro=sles-15.5")


def test_a_database_behind_a_link_counts_once(tmp_path: Path) -> None:
    write(tmp_path, {"usr/lib/sysimage/rpm/Packages.db": ndb(RECORDS)})
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/rpm").symlink_to("../../usr/lib/sysimage/rpm")
    assert names(tmp_path) == NAMES


def test_of_a_converted_database_the_newer_counts(tmp_path: Path) -> None:
    berkeley_db(tmp_path, [header("old")])
    write(tmp_path, {"var/lib/rpm/Packages.db": ndb([header("newer")])})
    assert names(tmp_path) == ["newer"]
    sqlite(tmp_path / "var/lib/rpm/rpmdb.sqlite", "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("Packages", b"old", "it ends before byte 72"),
        ("Packages", b"\0" * 512, "it is no hash of Berkeley DB"),
        ("Packages", b"\0" * 12 + struct.pack("<III", 0x061561, 7, 4096) + bytes(60), "it is of version 7"),
        ("Packages", b"\0" * 12 + struct.pack("<III", 0x061561, 9, 999) + bytes(60), "it is of version 9"),
        ("Packages", b"\0" * 12 + struct.pack("<IIIB", 0x061561, 9, 4096, 1) + bytes(60), "it is encrypted"),
        ("Packages", b"\0" * 12 + struct.pack("<IIIIII", 0x061561, 9, 512, 0, 0, 9) + bytes(600), "it ends before"),
        ("Packages.db", b"RpmP", "it ends before byte 32"),
        ("Packages.db", b"RpmX" + bytes(40), "it is no ndb database of a known version"),
        ("Packages.db", struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, 1) + bytes(4096), "page 0 has no slots"),
        ("Packages.db", ndb([header("cut")])[:-40], "it ends before"),
        ("Packages.db", ndb([header("other")]).replace(b"BlbS", b"Blbs"), "record 1 is not where its slot says"),
    ],
)
def test_what_an_older_database_should_not_be_is_noted(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    write(tmp_path, {f"var/lib/rpm/{name}": data})
    (note,) = scan(tmp_path).notes
    assert note.startswith(f"/var/lib/rpm/{name} cannot be read whole: {why}")


def test_slots_that_share_a_record_do_not_make_a_small_file_large(tmp_path: Path) -> None:
    data = ndb([header("shared", filler=8000)], pages=1)
    slot = data[32:48]
    write(tmp_path, {"var/lib/rpm/Packages.db": data[:32] + slot * 254 + data[4096:]})
    (note,) = scan(tmp_path).notes
    assert note.endswith("its records would be larger than it is")


def test_damage_anywhere_is_noted_or_does_not_matter(tmp_path: Path) -> None:
    """A byte at a time, everywhere where there is structure: never an error, never without an end."""
    whole = berkeley_db(tmp_path / "whole", RECORDS[:3], page_bytes=512) / "var/lib/rpm/Packages"
    databases = {"Packages": whole.read_bytes()[:8192], "Packages.db": ndb(RECORDS[:2], pages=1)}
    for name, data in databases.items():
        folder = tmp_path / name
        places = {*range(0, 160, 2), *range(512, 800, 3), *range(0, len(data), 101)}
        for at in sorted(places):
            write(folder, {f"var/lib/rpm/{name}": data[:at] + bytes([data[at] ^ 0x81]) + data[at + 1 :]})
            found = scan(folder)
            assert len(found.packages) <= 3
            assert all("cannot be read whole: " in note for note in found.notes)
