"""A scanner of one's own: a folder with a file VERSION.txt is a package, called as the folder is."""

from collections.abc import Iterator

from llbuild.exporter.attest import package_url
from llbuild.exporter.sbom import ImageFiles, Package, Scanner


def scan(files: ImageFiles) -> Iterator[Package]:
    for file in files.all():
        folder, _, name = file.path.rpartition("/")
        if name == "VERSION.txt" and folder:
            called = folder.rpartition("/")[2]
            version = next(files.lines(file.path, most_bytes=100), "").strip()
            purl = package_url("generic", "", called, version)
            yield Package(name=called, version=version, purl=purl, found_in=file.path)


SCANNER = Scanner(name="versions", version="1", scan=scan)
