"""The package lists of a build's results: scanned once for each content, remembered in the state folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exporter.sbom import ScanMemo, load_scanner, scan_files, spdx_predicate
from ..exports import all_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...exporter.attest import Predicate
    from ...exporter.sbom import Scan
    from ...solver import Ref
    from ...worker.snapshot import Tree
    from ..job import Build

__all__ = ["PackageLists"]

_RULE = "SbomIncomplete"


class PackageLists:
    """Of each platform's result, by its number."""

    def __init__(self, job: Build, layers: Sequence[Ref]) -> None:
        """layers: of each result, by name. Raises ExportError for a scanner that is not there."""
        asked = job.options.attestations.sbom
        assert asked is not None, "nobody asked for package lists"
        self._job = job
        self._layers = layers
        self.image = asked.image
        self._scanner = load_scanner("" if self.image else asked.generator)
        self._memo = ScanMemo(job.state.database)
        self._scans: dict[int, Scan] = {}
        self._told: dict[int, tuple[Predicate, ...]] = {}  # by an image
        for number, names in enumerate(layers):
            known = None if self.image else self._memo.find(self._scanner, names)
            if known is not None:
                self._take(number, known)

    @property
    def missing(self) -> list[int]:
        """The results that nobody has looked at yet."""
        return [number for number in range(len(self._layers)) if number not in self._scans | self._told]

    def title(self, number: int) -> str:
        """For people: what goes on while a result is looked at."""
        platforms = self._job.compiling.view.platforms
        of = f"[{platforms[number]}] " if len(platforms) > 1 else ""
        return f"{of}generating sbom using {self.image or self._scanner.name}"

    def look(self, number: int, tree: Tree) -> None:
        """Scan a result. Raises ExportError when a plugin fails."""
        scan = scan_files(tree, self._scanner)
        self._memo.keep(self._scanner, self._layers[number], scan)
        self._take(number, scan)

    def tell(self, number: int, said: tuple[Predicate, ...]) -> None:
        """What an image said of a result."""
        self._told[number] = said

    def _take(self, number: int, scan: Scan) -> None:
        self._scans[number] = scan
        for note in scan.notes:
            self._job.compiling.view.warn(_RULE, note)

    def say(self, number: int, epoch_s: int | None) -> tuple[Predicate, ...]:
        """The lists of a result that has been looked at."""
        if number in self._told:
            return self._told[number]
        names = [str(name) for name in all_names(self._job.options)]
        return (spdx_predicate(self._scans[number], name=next(iter(names), "result"), epoch_s=epoch_s),)
