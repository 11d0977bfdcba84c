"""Compressed streams: told apart by their first bytes, whole or refused, never more than a little in memory."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from llbuild.errors import CorruptError
from llbuild.worker.layer.decompress import iter_decompressed, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = b"some data " * 20_000 + os.urandom(100_000)


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


def unpack(data: bytes) -> bytes:
    return b"".join(iter_decompressed(io.BytesIO(data)))


@pytest.mark.parametrize("kind", PACKERS)
def test_the_format_is_found_and_undone(kind: str) -> None:
    packed = PACKERS[kind](DATA)
    assert sniff(packed) == kind
    assert unpack(packed) == DATA


@pytest.mark.parametrize("kind", PACKERS)
def test_streams_one_after_the_other_are_one(kind: str) -> None:
    pack = PACKERS[kind]
    assert unpack(pack(b"one") + pack(DATA) + pack(b"") + pack(b"two")) == b"one" + DATA + b"two"


@pytest.mark.parametrize("kind", PACKERS)
def test_a_stream_cut_anywhere_is_corrupt(kind: str) -> None:
    packed = PACKERS[kind](b"hello " * 300)
    for cut in range(6, len(packed)):
        with pytest.raises(CorruptError, match=f"the {kind} stream is corrupt"):
            unpack(packed[:cut])


@pytest.mark.parametrize("kind", PACKERS)
def test_a_flipped_bit_is_noticed(kind: str) -> None:
    packed = bytearray(PACKERS[kind](DATA))
    packed[len(packed) // 2] ^= 0x10
    with pytest.raises(CorruptError, match=f"the {kind} stream is corrupt"):
        unpack(bytes(packed))


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_zeros_behind_the_data_are_padding_and_anything_else_is_damage(kind: str) -> None:
    packed = PACKERS[kind](DATA)
    assert unpack(packed + bytes(200_000)) == DATA
    with pytest.raises(CorruptError, match="something else follows it"):
        unpack(packed + bytes(100_000) + b"x")


def test_skippable_frames_of_zstd_are_skipped() -> None:
    skippable = b"\x5a\x2a\x4d\x18" + (70_000).to_bytes(4, "little") + os.urandom(70_000)
    assert unpack(skippable + zstd(b"one") + skippable + zstd(b"two") + skippable) == b"onetwo"


def test_zstd_without_a_content_size_or_checksum_is_followed_too() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False, write_checksum=False).compressobj()
    packed = compressor.compress(DATA) + compressor.flush()
    assert unpack(packed) == DATA
    with pytest.raises(CorruptError):
        unpack(packed[:-1])


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_comes_in_small_pieces(kind: str) -> None:
    chunks = iter_decompressed(io.BytesIO(PACKERS[kind](bytes(12 << 20))))
    assert max(len(next(chunks)) for _ in range(5)) <= 1 << 20


def test_what_is_no_known_format_is_passed_on() -> None:
    assert unpack(DATA) == DATA
    assert unpack(b"") == b""


class Trickle(io.BytesIO):
    """A stream that gives less than it is asked for, as pipes do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size) if size and size > 0 else 7)


@pytest.mark.parametrize("kind", PACKERS)
def test_streams_that_trickle_are_read_whole(kind: str) -> None:
    pack = PACKERS[kind]
    packed = pack(b"one") + pack(b"two " * 1000)
    assert b"".join(iter_decompressed(Trickle(packed))) == b"one" + b"two " * 1000


@given(
    data=st.binary(max_size=300),
    kind=st.sampled_from(sorted(PACKERS)),
    at=st.integers(0, 400),
    byte=st.integers(0, 255),
)
def test_damage_never_ends_in_anything_but_our_error(data: bytes, kind: str, at: int, byte: int) -> None:
    packed = bytearray(PACKERS[kind](data))
    packed[at % len(packed)] = byte
    with contextlib.suppress(CorruptError):
        unpack(bytes(packed))
