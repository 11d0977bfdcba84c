"""Licenses in the words of packages, and as SPDX has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.exporter.sbom.debian_copyright import debian_licenses
from llbuild.exporter.sbom.licenses import spdx_expression
from llbuild.tests.exporter.sbom.kit import files_of, only, write

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN_FOR_PROGRAMS = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tool

Files: *
Copyright: 2001 Somebody
License: GPL-2+
 This program is free software.

Files: lib/*
       include/*
Copyright: 2002 Somebody else
License: LGPL-2.1 or Expat

Files: debian/*
Copyright: 2003 Packager
License: WTFPL

License: GPL-2+
 On Debian systems see /usr/share/common-licenses/GPL-2.
"""
PROSE = """This package was debianized by Somebody.

On Debian systems, the complete text of the GNU General Public License can be found in
/usr/share/common-licenses/GPL-2. Some files are under /usr/share/common-licenses/LGPL-2.1.
See `/usr/share/common-licenses/GPL-2'.
"""


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ("MIT", "MIT"),
        ("apache-2.0 or mit", "Apache-2.0 OR MIT"),
        ("GPL-2.0-or-later AND (BSD-3-Clause OR ISC)", "GPL-2.0-or-later AND (BSD-3-Clause OR ISC)"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2.1+ AND Expat", "LGPL-2.1-or-later AND MIT"),
        ("(GPL-1+ or Artistic) AND BSD-3-clause", "(GPL-1.0-or-later OR Artistic-1.0) AND BSD-3-Clause"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("GPL-2+ with OpenSSL exception", ""),
        ("GPL-2, LGPL-2.1", ""),
        ("GPLv2+", ""),
        ("LicenseRef-own", ""),
        ("public-domain", ""),
        ("", ""),
        ("(" * 400, ""),
        ("(" * 240 + "MIT" + ")" * 240, ""),
        ("MIT\n__import__('os')", ""),
    ],
)
def test_what_spdx_has_is_declared(words: str, want: str) -> None:
    assert spdx_expression(words) == want


def test_a_copyright_file_for_programs_is_read_by_its_fields(tmp_path: Path) -> None:
    write(tmp_path, {"usr/share/doc/tool/copyright": WRITTEN_FOR_PROGRAMS})
    assert debian_licenses(files_of(tmp_path), "tool") == "GPL-2+ AND (LGPL-2.1 or Expat)"


def test_prose_names_the_texts_that_it_points_at(tmp_path: Path) -> None:
    write(tmp_path, {"usr/share/doc/tool/copyright": PROSE})
    assert debian_licenses(files_of(tmp_path), "tool") == "GPL-2, LGPL-2.1"


def test_a_link_to_another_packages_file_is_followed_inside_the_image(tmp_path: Path) -> None:
    write(tmp_path, {"usr/share/doc/tool/copyright": WRITTEN_FOR_PROGRAMS})
    (tmp_path / "usr/share/doc/libtool1").symlink_to("tool")
    assert debian_licenses(files_of(tmp_path), "libtool1") == "GPL-2+ AND (LGPL-2.1 or Expat)"


@pytest.mark.parametrize("name", ["", "..", "../../etc", "a\0b", "none"])
def test_what_is_no_package_has_no_licenses(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"usr/share/copyright": PROSE, "copyright": PROSE})
    assert debian_licenses(files_of(tmp_path), name) == ""


def test_an_installed_package_has_the_licenses_of_its_file(tmp_path: Path) -> None:
    status = "Package: tool\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
    write(tmp_path, {"var/lib/dpkg/status": status, "usr/share/doc/tool/copyright": WRITTEN_FOR_PROGRAMS})
    assert only(tmp_path).licenses == "GPL-2+ AND (LGPL-2.1 or Expat)"
