"""Scanning: the built-in scanner, those that are installed, and what came of it."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

from ... import __version__
from ...errors import ExportError, LlbuildError
from ...plugins import load_plugin
from ...values import frozen, replace
from .alpine import scan_alpine
from .contract import Package, Scanner
from .debian import scan_debian
from .files import ImageFiles
from .golang import scan_golang
from .npm import scan_npm
from .python import scan_python
from .rpm import scan_rpm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...worker.snapshot import Tree

__all__ = ["GROUP", "Scan", "load_scanner", "scan_files"]

GROUP = "llbuild.scanners"
_MOST_PACKAGES = 50_000  # each takes 3 KB until it is written
_LONGEST = 2000  # characters of a field


@frozen
class Scan:
    """What a scanner found. packages: sorted, each once. notes: what is missing, in words. when: seconds since 1970.

    lasting: whether it would find the same another time.
    """

    scanner: str
    packages: tuple[Package, ...]
    notes: tuple[str, ...]
    when: float
    lasting: bool = True


def _scan(files: ImageFiles) -> Iterator[Package]:
    parts = (scan_debian, scan_alpine, scan_rpm, scan_python, scan_npm, scan_golang)
    return chain.from_iterable(part(files) for part in parts)


_BUILT_IN = Scanner(name="llbuild", version=__version__, scan=_scan)


def load_scanner(name: str) -> Scanner:
    """The scanner registered under `name`; "" is the built-in one.

    Raises ExportError: none of that name (saying which there are), it cannot be imported, or it is no scanner.
    """
    if name in {"", _BUILT_IN.name}:
        return _BUILT_IN
    built_in = (_BUILT_IN.name,)
    return load_plugin(name, group=GROUP, what="scanner", kind=Scanner, error=ExportError, built_in=built_in)


def scan_files(tree: Tree, scanner: Scanner) -> Scan:
    """Look at a result's files. Raises ExportError when a scanner that is not ours fails."""
    files = ImageFiles(tree)
    try:
        packages = _taken(scanner.scan(files), files)
    except LlbuildError:
        raise
    except Exception as error:  # a plugin may raise anything
        if scanner is _BUILT_IN:
            raise
        raise ExportError(f"scanner {scanner.name!r} failed: {type(error).__name__}: {error}") from error
    notes = tuple(sorted(files.notes))
    return Scan(scanner=scanner.name, packages=packages, notes=notes, when=time.time(), lasting=not files.failed)


def _taken(found: Iterable[Package], files: ImageFiles) -> tuple[Package, ...]:
    """The packages, sorted; of those with one package URL the first place they were found in."""
    kept: dict[tuple[str, str, str], Package] = {}
    for count, package in enumerate(found):
        if count == _MOST_PACKAGES:
            files.note(f"there are more than {_MOST_PACKAGES} packages; the rest is left out")
            break
        plain = _plain(package)
        key = (plain.purl, plain.name, plain.version)
        other = kept.get(key)
        if other is None or plain.found_in < other.found_in:
            kept[key] = plain
    return tuple(kept[key] for key in sorted(kept))


def _plain(package: Package) -> Package:
    """Text that any reader of the list can show: of bounded length, on one line, Unicode."""
    return replace(
        package,
        name=_line(package.name),
        version=_line(package.version),
        purl=_line(package.purl),
        found_in=_line(package.found_in),
        licenses=_line(package.licenses),
        maintainer=_line(package.maintainer),
    )


def _line(text: str) -> str:
    text = text[:_LONGEST]
    if text.isprintable() and text.isascii():
        return text
    text = text.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else " " for char in text)
