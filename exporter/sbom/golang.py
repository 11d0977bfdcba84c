"""What Go programs were built of, as they say themselves: ELF files with build information, since Go 1.18.

Format: Go's debug/buildinfo; ELF: elf(5). Programs of older compilers keep it behind pointers, and are not read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from ..attest import package_url
from .contract import Package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from .files import ImageFiles

__all__ = ["build_information", "scan_golang"]

_ELF = b"\x7fELF"
_MAGIC = b"\xff Go buildinf:"
_SECTION = b".go.buildinfo"
_INLINE = 2  # the flag of Go 1.18: the texts follow the head
_HEAD_BYTES = 32
_MOST_BYTES = 1 << 40  # a program is not read whole
_MOST_INFO_BYTES = 4 << 20
_MOST_TABLE_BYTES = 4 << 20
_SEARCHED_BYTES = 1 << 20  # of a data segment, where there are no sections
_SENTINEL_BYTES = 16  # around the text, so that it can be found in a program's memory
_WRITABLE, _EXECUTABLE, _LOADED = 2, 1, 1


class _Elf(NamedTuple):
    """Where the tables of an ELF file lie. order: struct's sign for the byte order."""

    order: str
    wide: bool
    segments: tuple[int, int, int]  # offset, size of an entry, how many
    sections: tuple[int, int, int]
    names: int


def scan_golang(files: ImageFiles) -> Iterator[Package]:
    """The modules of every Go program, and the standard library each was built with."""
    for found in files.all():
        if not found.mode & 0o111 or found.size_bytes < 64:
            continue
        file = files.open(found.path, most_bytes=_MOST_BYTES)
        if file is None:
            continue
        with file:
            if file.read(len(_ELF)) != _ELF:
                continue
            try:
                told = build_information(file)
            except (struct.error, OSError):
                told = None
        if told is not None:
            yield from _packages(*told, found.path)


def _packages(compiler: str, modules: str, path: str) -> Iterator[Package]:
    version = compiler.split(" ", maxsplit=1)[0].removeprefix("go")
    if version[:1].isdigit():
        yield Package(name="stdlib", version=version, purl=package_url("golang", "", "stdlib", version), found_in=path)
    found: list[tuple[str, str]] = []
    main = ""
    for line in modules.split("\n"):
        kind, *rest = line.split("\t")
        name, version = (*rest, "", "")[:2]
        if kind in {"mod", "dep"} and name:
            found.append((name, version))
        elif kind == "=>" and name and found:
            found[-1] = (name, version)
        elif kind == "path":
            main = name
    if main and not found:  # built without modules, as distributions do
        found.append((main, ""))
    for name, version in found:
        known = "" if version == "(devel)" else version
        namespace, _, last = name.lower().rpartition("/")
        purl = package_url("golang", namespace, last, known)
        yield Package(name=name, version=known, purl=purl, found_in=path)


def build_information(file: BinaryIO) -> tuple[str, str] | None:
    """The compiler's version and the lines about modules; None when the file is no Go program that tells.

    Raises struct.error for an ELF file that is cut short.
    """
    elf = _read_elf(file)
    if elf is None:
        return None
    for offset, size in (*_named_sections(file, elf), *_data_segments(file, elf)):
        data = _at(file, offset, min(size, _MOST_INFO_BYTES))
        start = data.find(_MAGIC)
        if start >= 0:
            return _texts(data[start:])
    return None


def _read_elf(file: BinaryIO) -> _Elf | None:
    head = _at(file, 0, 64)
    if len(head) < 64 or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    order, wide = "<>"[head[5] - 1], head[4] == 2
    if wide:
        segments, sections = struct.unpack_from(f"{order}QQ", head, 32)
        sizes = struct.unpack_from(f"{order}5H", head, 54)
    else:
        segments, sections = struct.unpack_from(f"{order}II", head, 28)
        sizes = struct.unpack_from(f"{order}5H", head, 42)
    return _Elf(order, wide, (segments, *sizes[0:2]), (sections, *sizes[2:4]), sizes[4])


def _named_sections(file: BinaryIO, elf: _Elf) -> Iterator[tuple[int, int]]:
    """Offset and size of the sections called `.go.buildinfo`."""
    table = [_section(elf, entry) for entry in _entries(file, elf.sections)]
    if elf.names >= len(table):
        return
    _, at, size = table[elf.names]
    names = _at(file, at, min(size, _MOST_TABLE_BYTES))
    for name, offset, length in table:
        if names[name : name + len(_SECTION) + 1] == _SECTION + b"\0":
            yield offset, length


def _section(elf: _Elf, entry: bytes) -> tuple[int, int, int]:
    """Name, offset and size."""
    (name,) = struct.unpack_from(f"{elf.order}I", entry)
    offset, size = (
        struct.unpack_from(f"{elf.order}QQ", entry, 24) if elf.wide else struct.unpack_from(f"{elf.order}II", entry, 16)
    )
    return name, offset, size


def _data_segments(file: BinaryIO, elf: _Elf) -> Iterator[tuple[int, int]]:
    """Offset and size of what begins the program's writable memory: there it is in programs without sections."""
    for entry in _entries(file, elf.segments):
        if elf.wide:
            kind, flags, offset = struct.unpack_from(f"{elf.order}IIQ", entry)
            (size,) = struct.unpack_from(f"{elf.order}Q", entry, 32)
        else:
            kind, offset = struct.unpack_from(f"{elf.order}II", entry)
            size, _, flags = struct.unpack_from(f"{elf.order}III", entry, 16)
        if kind == _LOADED and flags & (_WRITABLE | _EXECUTABLE) == _WRITABLE:
            yield offset, min(size, _SEARCHED_BYTES)
            return


def _entries(file: BinaryIO, table: tuple[int, int, int]) -> list[bytes]:
    offset, size, count = table
    if size < 32 or size * count > _MOST_TABLE_BYTES:
        return []
    data = _at(file, offset, size * count)
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]


def _texts(data: bytes) -> tuple[str, str] | None:
    if len(data) < _HEAD_BYTES or not data[15] & _INLINE:
        return None
    version, rest = _text(data[_HEAD_BYTES:])
    modules, _ = _text(rest)
    if len(modules) > 2 * _SENTINEL_BYTES and modules[-_SENTINEL_BYTES - 1 :][:1] == b"\n":
        modules = modules[_SENTINEL_BYTES:-_SENTINEL_BYTES]
    else:
        modules = b""
    return version.decode("utf-8", "replace"), modules.decode("utf-8", "replace")


def _text(data: bytes) -> tuple[bytes, bytes]:
    """A text behind its length (an unsigned varint), and what follows."""
    length = shift = at = 0
    while at < min(len(data), 10):
        byte = data[at]
        length |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            break
    return data[at : at + length], data[at + length :]


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    if not 0 <= offset < 1 << 62:
        return b""
    file.seek(offset)
    return file.read(size)
