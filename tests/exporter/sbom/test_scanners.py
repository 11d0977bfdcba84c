"""What each package manager leaves behind, as it is read."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.exporter.sbom.kit import go_program, only, scan, told, write
from llbuild.tests.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

DEBIAN = 'ID=debian\nVERSION_ID="12"\n'
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u1
Maintainer: GNU Libc <x@y>
Description: GNU C Library
 Version: not this one
 .
Conffiles:
 /etc/ld.so.conf 1

Package: gone
Status: deinstall ok config-files
Version: 1

Package: half
Status: install ok half-installed
Version: 1

Package: bash
Status: hold ok installed
Version: 5.2
Architecture: amd64
"""
APK = """C:Q1aa=
P:musl
V:1.2.4-r2
A:x86_64
L:MIT
o:musl
m:Somebody <a@b>
F:lib
R:ld-musl-x86_64.so.1

P:libcrypto3
V:3.1.4-r1
A:x86_64
o:openssl
L:Apache-2.0

"""


def test_dpkg_tells_what_is_installed(tmp_path: Path) -> None:
    write(tmp_path, {"etc/os-release": DEBIAN, "var/lib/dpkg/status": STATUS})
    assert told(tmp_path) == [
        ("bash", "5.2", "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12"),
        (
            "libc6",
            "2.36-9+deb12u1",
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
        ),
    ]


def test_images_without_a_package_manager_have_a_file_for_each_package(tmp_path: Path) -> None:
    part = "Package: tzdata\nVersion: 2024a\nArchitecture: all\n"
    write(tmp_path, {"var/lib/dpkg/status.d/tzdata": part, "var/lib/dpkg/status.d/tzdata.md5sums": "x  y\n"})
    found = only(tmp_path)
    assert (found.purl, found.found_in) == (
        "pkg:deb/debian/tzdata@2024a?arch=all",
        "var/lib/dpkg/status.d/tzdata",
    )


def test_apk_tells_what_is_installed(tmp_path: Path) -> None:
    write(tmp_path, {"etc/os-release": "ID=alpine\nVERSION_ID=3.19.1\n", "lib/apk/db/installed": APK})
    musl_last = scan(tmp_path).packages
    assert [one.purl for one in musl_last] == [
        "pkg:apk/alpine/libcrypto3@3.1.4-r1?arch=x86_64&distro=alpine-3.19.1&upstream=openssl",
        "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19.1",
    ]
    assert (musl_last[1].licenses, musl_last[1].maintainer) == ("MIT", "Somebody <a@b>")


def test_python_distributions_tell_by_their_metadata(tmp_path: Path) -> None:
    site = "usr/lib/python3/site-packages"
    write(
        tmp_path,
        {
            f"{site}/Foo_Bar-1.0.dist-info/METADATA": "Name: Foo.Bar\nVersion: 1.0\nLicense: MIT\n\nName: not this\n",
            f"{site}/old-2.egg-info/PKG-INFO": "Name: old\nVersion: 2\n",
            f"{site}/older-3.egg-info": "Metadata-Version: 1.0\nName: older\nVersion: 3\n",
            f"{site}/broken-1.dist-info/METADATA": "nothing\n",
        },
    )
    assert [purl for _, _, purl in told(tmp_path)] == ["pkg:pypi/foo-bar@1.0", "pkg:pypi/old@2", "pkg:pypi/older@3"]


def test_npm_packages_tell_wherever_they_are(tmp_path: Path) -> None:
    def package(name: str, version: str, **more: object) -> str:
        return json.dumps({"name": name, "version": version, **more})

    write(
        tmp_path,
        {
            "app/node_modules/left-pad/package.json": package("left-pad", "1.3.0", license="WTFPL"),
            "app/node_modules/@types/node/package.json": package("@types/node", "20.1.0", license={"type": "MIT"}),
            "app/node_modules/a/node_modules/left-pad/package.json": package("left-pad", "1.0.0"),
            "app/node_modules/a/lib/package.json": package("not-a-package", "1"),
            "app/node_modules/.bin/package.json": package("not-either", "1"),
            "app/package.json": package("app", "1"),
            "app/node_modules/odd/package.json": '{"name": 1, "version": []}',
        },
    )
    assert [purl for _, _, purl in told(tmp_path)] == [
        "pkg:npm/%40types/node@20.1.0",
        "pkg:npm/left-pad@1.0.0",
        "pkg:npm/left-pad@1.3.0",
    ]


MODULES = "path\ta.b/cmd\nmod\ta.b/C\t(devel)\t\ndep\tx.y/z\tv1.0.0\th1:x=\n=>\tx.y/fork\tv2.0.0\nbuild\tGOOS=linux\n"


@pytest.mark.parametrize("sections", [True, False])
def test_go_programs_tell_what_they_are_made_of(tmp_path: Path, sections: bool) -> None:
    write(tmp_path, {"bin/tool": go_program("go1.21.3", MODULES, sections=sections)}, mode=0o755)
    assert told(tmp_path) == [
        ("a.b/C", "", "pkg:golang/a.b/c"),
        ("stdlib", "1.21.3", "pkg:golang/stdlib@1.21.3"),
        ("x.y/fork", "v2.0.0", "pkg:golang/x.y/fork@v2.0.0"),
    ]


def test_a_real_go_program_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"usr/bin/runc": b""})
    shutil.copy(require_tool("runc"), tmp_path / "usr/bin/runc")
    (tmp_path / "usr/bin/runc").chmod(0o755)
    found = {name: version for name, version, _ in told(tmp_path)}
    assert found.keys() >= {"stdlib"}
    assert any("opencontainers/runc" in name for name in found)


@pytest.mark.parametrize(
    ("program", "mode"),
    [
        (go_program("go1.21", MODULES), 0o644),  # not executable
        (go_program("go1.17", MODULES, flags=0), 0o755),  # behind pointers
        (b"\x7fELF\x02\x01", 0o755),
        (b"\x7fELF\x02\x01" + b"\xff" * 200, 0o755),
        (b"#!/bin/sh\n" * 20, 0o755),
    ],
)
def test_what_is_no_go_program_that_tells_is_passed_over(tmp_path: Path, program: bytes, mode: int) -> None:
    write(tmp_path, {"bin/tool": program}, mode=mode)
    assert told(tmp_path) == []
