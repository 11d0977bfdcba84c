"""What a scanner is: it looks at an image's files and says which packages are installed in them.

A scanner is a plain function, `scan(files) -> packages`. It reads nothing but `files`, and the same files make it say
the same, since its answer is remembered. Example, complete:

    def scan(files: ImageFiles) -> Iterator[Package]:
        for file in files.all():
            if file.path.endswith("/VERSION.txt"):
                version = next(files.lines(file.path, most_bytes=100), "")
                name = file.path.split("/")[-2]
                purl = package_url("generic", "", name, version)  # of llbuild.exporter.attest
                yield Package(name=name, version=version, purl=purl, found_in=file.path)

    SCANNER = Scanner(name="versions", version="1", scan=scan)

registered in the plugin's pyproject.toml: `[project.entry-points."llbuild.scanners"] versions = "pkg:SCANNER"`, and
picked with `--sbom=generator=versions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .files import ImageFiles

__all__ = ["FoundFile", "Package", "Scanner"]


class FoundFile(NamedTuple):
    """A regular file of an image: its path from the root, without a leading slash."""

    path: str
    size_bytes: int
    mode: int


@frozen
class Package:
    """Something installed. purl: its package URL. found_in: the file that tells of it.

    licenses: in the package's own words. maintainer: likewise, of whoever made the package.
    """

    name: str
    version: str
    purl: str
    found_in: str
    licenses: str = ""
    maintainer: str = ""


@frozen
class Scanner:
    """version: another one when the same files would make it say something else."""

    name: str
    version: str
    scan: Callable[[ImageFiles], Iterable[Package]]
