"""Archives made by the standard library, member by member."""

from __future__ import annotations

import io
import os
import tarfile

Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.uid, info.gid = os.geteuid(), os.getegid()
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def folder(name: str, **fields: object) -> Entry:
    return entry(name, tarfile.DIRTYPE, b"", **fields)


def symlink(name: str, target: str) -> Entry:
    return entry(name, tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Entry:
    return entry(name, tarfile.LNKTYPE, linkname=target)


def tar(*entries: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
