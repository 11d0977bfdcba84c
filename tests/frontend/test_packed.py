from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile

import pytest
from llbuild.frontend import HEAD_BYTES, is_packed


def a_tar(form: int = tarfile.PAX_FORMAT, name: str = "a") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        tar.addfile(tarfile.TarInfo(name))
    return made.getvalue()


TAR = a_tar()


@pytest.mark.parametrize(
    "data",
    [
        *(TAR, a_tar(tarfile.GNU_FORMAT, "x" * 200), a_tar(tarfile.PAX_FORMAT, "x" * 200), a_tar(tarfile.USTAR_FORMAT)),
        *(gzip.compress(TAR), bz2.compress(TAR), lzma.compress(TAR), b"\x28\xb5\x2f\xfdrest"),
        TAR[:512],
    ],
)
def test_archives_are_told_by_how_they_begin(data: bytes) -> None:
    assert is_packed(data[:HEAD_BYTES])


@pytest.mark.parametrize(
    "data",
    [b"", b"FROM scratch\n", b"x" + TAR[1:], TAR[:511], bytes(1024), b"BZ", b"\x1f\x8b", b"FROM x\n" + TAR, b"9" * 600],
)
def test_everything_else_is_none(data: bytes) -> None:
    assert not is_packed(data[:HEAD_BYTES])
