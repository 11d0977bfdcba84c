"""Root filesystems to scan."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from llbuild.exporter.sbom import ImageFiles, Scan, load_scanner, scan_files
from llbuild.worker.snapshot import MergedTree

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.exporter.sbom import Package


def tree_of(*folders: Path) -> MergedTree:
    return MergedTree([str(folder) for folder in folders], userxattr=False)


def files_of(folder: Path) -> ImageFiles:
    return ImageFiles(tree_of(folder))


def write(folder: Path, files: dict[str, str | bytes], mode: int = 0o644) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
    return folder


def scan(folder: Path) -> Scan:
    return scan_files(tree_of(folder), load_scanner(""))


def told(folder: Path) -> list[tuple[str, str, str]]:
    """Name, version and purl of what is found."""
    return [(one.name, one.version, one.purl) for one in scan(folder).packages]


def only(folder: Path) -> Package:
    (found,) = scan(folder).packages
    return found


def go_program(compiler: str, modules: str, *, sections: bool = True, flags: int = 2) -> bytes:
    """A 64-bit ELF file with build information, in a section or, without sections, in its writable memory."""

    def varint(number: int) -> bytes:
        out = b""
        while number >= 0x80:
            out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
        return out + bytes([number])

    text = b"<" * 16 + modules.encode() + b">" * 16
    info = (b"\xff Go buildinf:" + bytes([8, flags])).ljust(32, b"\0")
    info += varint(len(compiler)) + compiler.encode() + varint(len(text)) + text
    names = b"\0.go.buildinfo\0.shstrtab\0"
    data_at = 64 + 56
    names_at = data_at + len(info)
    table_at = names_at + len(names)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    counts = (3, 2) if sections else (0, 0)
    head += struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, table_at if sections else 0, 0, 64, 56, 1, 64, counts[0], counts[1]
    )
    segment = struct.pack("<IIQQQQQQ", 1, 6, data_at, 0, 0, len(info), len(info), 4096)
    table = bytes(64)
    table += struct.pack("<IIQQQQIIQQ", 1, 1, 3, 0, data_at, len(info), 0, 0, 16, 0)
    table += struct.pack("<IIQQQQIIQQ", 15, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return head + segment + info + names + (table if sections else b"")
