"""Software bills of materials: which packages a result has in it, by what their managers left in its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .contract import FoundFile as FoundFile
    from .contract import Package as Package
    from .contract import Scanner as Scanner
    from .files import ImageFiles as ImageFiles
    from .memo import SCANS_SCHEMA as SCANS_SCHEMA
    from .memo import ScanMemo as ScanMemo
    from .scan import Scan as Scan
    from .scan import load_scanner as load_scanner
    from .scan import scan_files as scan_files
    from .spdx import spdx_predicate as spdx_predicate

_HOME = {
    "FoundFile": "contract",
    "ImageFiles": "files",
    "Package": "contract",
    "SCANS_SCHEMA": "memo",
    "Scan": "scan",
    "ScanMemo": "memo",
    "Scanner": "contract",
    "load_scanner": "scan",
    "scan_files": "scan",
    "spdx_predicate": "spdx",
}
__all__ = [
    "SCANS_SCHEMA",
    "FoundFile",
    "ImageFiles",
    "Package",
    "Scan",
    "ScanMemo",
    "Scanner",
    "load_scanner",
    "scan_files",
    "spdx_predicate",
]

__getattr__ = lazy_face(__name__, _HOME)
