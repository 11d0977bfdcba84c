from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.digest import Digest
from llbuild.errors import SourceError
from llbuild.image import (
    CacheConfig,
    CacheLayer,
    CacheMount,
    CacheRecord,
    ImageConfig,
    decode_cache_config,
    decode_config,
    decode_inline_cache,
    encode_cache_config,
    encode_config,
)
from llbuild.platforms import Platform

KEY, OTHER_KEY, OP = bytes(32), b"\xff" * 32, bytes(range(32))
DIFF, BLOB, CONTENT = Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64), Digest("blake3:" + "3" * 64)
BASE = CacheLayer(name=f"sha256-{'1' * 64}", diff_id=DIFF, blob=BLOB)
MADE = CacheLayer(name=f"run-{'a' * 32}", diff_id=DIFF, blob=BLOB, created="2024-05-01T10:20:30Z")
CONFIG = CacheConfig(
    records=(
        CacheRecord(keys=(KEY, OTHER_KEY), strong=OTHER_KEY, op=OP, refs=((BASE.name, MADE.name),), name="RUN x"),
        CacheRecord(keys=(OP,), strong=OP, op=OP, refs=((), (BASE.name,)), duration_s=1.5),
    ),
    contents=((KEY, CONTENT),),
    layers=(BASE, MADE),
    mounts=(CacheMount(id="pip", blob=BLOB, mode=0o700, uid=7, gid=8),),
)
ENCODED = (
    '{"version":1,"layers":['
    f'{{"name":"sha256-{"1" * 64}","diffID":"sha256:{"1" * 64}","blob":"sha256:{"2" * 64}"}},'
    f'{{"name":"run-{"a" * 32}","diffID":"sha256:{"1" * 64}","blob":"sha256:{"2" * 64}",'
    '"created":"2024-05-01T10:20:30Z"}],'
    '"stacks":[[-1,0],[0,1]],"records":['
    '{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","//////////////////////////////////////////8"],'
    '"strong":1,"op":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","refs":[1],"name":"RUN x"},'
    '{"keys":["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"],"strong":0,'
    '"op":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","refs":[-1,0],"microseconds":1500000}],'
    f'"contents":[["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","blake3:{"3" * 64}"]],'
    f'"mounts":[{{"id":"pip","blob":"sha256:{"2" * 64}","mode":448,"uid":7,"gid":8}}]}}'
).encode()


def test_the_bytes_are_those_of_the_format() -> None:
    assert encode_cache_config(CONFIG) == ENCODED


def test_a_config_is_read_as_it_was_written() -> None:
    assert decode_cache_config(ENCODED, ref="x") == CONFIG


KEYS = st.binary(min_size=32, max_size=32)
STACKS = st.lists(st.integers(0, 15).map(lambda number: f"run-{number:032x}"), max_size=6, unique=True).map(tuple)


@st.composite
def configs(draw: st.DrawFn) -> CacheConfig:
    layers = tuple(CacheLayer(name=f"run-{number:032x}", diff_id=DIFF, blob=BLOB) for number in range(16))
    records = []
    for _ in range(draw(st.integers(0, 5))):
        keys = tuple(draw(st.lists(KEYS, min_size=1, max_size=3, unique=True)))
        refs = tuple(draw(st.lists(STACKS, max_size=3)))
        records.append(CacheRecord(keys=keys, strong=draw(st.sampled_from(keys)), op=draw(KEYS), refs=refs))
    return CacheConfig(records=tuple(records), layers=layers)


@given(configs())
def test_stacks_survive_being_written_as_a_tree(config: CacheConfig) -> None:
    assert decode_cache_config(encode_cache_config(config), ref="x") == config


def test_a_chain_of_layers_takes_linear_room() -> None:
    def size(count: int) -> int:
        layers = tuple(CacheLayer(name=f"run-{number:032x}", diff_id=DIFF, blob=BLOB) for number in range(count))
        names = [layer.name for layer in layers]
        records = tuple(
            CacheRecord(keys=(KEY,), strong=KEY, op=OP, refs=(tuple(names[: number + 1]),)) for number in range(count)
        )
        return len(encode_cache_config(CacheConfig(records=records, layers=layers)))

    assert size(400) < 2.2 * size(200)


def changed(path: list[str | int], value: object) -> bytes:
    """The sample with one thing in it replaced."""
    top: Any = json.loads(ENCODED)
    at = top
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(top).encode()


# (where, what stands there, the error)
MALFORMED: list[tuple[list[str | int], object, str]] = [
    (["version"], 2, "version: expected 1, found 2"),
    (["layers", 0, "name"], "../../etc", "is not the name of a layer"),
    (["layers", 0, "name"], "run-short", "is not the name of a layer"),
    (["layers", 0, "name"], "sha256-" + "3" * 64, "is not the name of a layer"),
    (["layers", 0, "diffID"], "sha256:12", "diffID: expected algorithm:hex"),
    (["layers", 0, "blob"], "blake3:" + "1" * 64, "blob: expected a sha256 digest"),
    (["stacks", 0], [0, 0], "stacks[0]: expected [an earlier stack or -1, a layer]"),
    (["stacks", 1], [0, 2], "stacks[1]: expected"),
    (["stacks", 1], [0], "stacks[1]: expected"),
    (["stacks"], "x", "stacks: expected an array"),
    (["records", 0, "keys", 0], "AAAA", "expected a key of 32 bytes"),
    (["records", 0, "keys", 0], "?" * 43, "expected a key of 32 bytes"),
    (["records", 0, "keys"], [], "strong: expected one of 0 keys"),
    (["records", 0, "strong"], 2, "strong: expected one of 2 keys, found 2"),
    (["records", 0, "refs"], [2], "refs: expected numbers of stacks, found 2"),
    (["records", 0, "refs"], ["x"], "refs: expected numbers of stacks, found x"),
    (["records", 0, "refs"], None, "refs: expected an array"),
    (["contents", 0], ["x"], "contents[0]: expected [a key, a digest]"),
    (["contents", 0, 1], "x", "contents[0]: expected algorithm:hex"),
    (["mounts", 0, "mode"], 0o10000, "mode: expected permissions"),
    (["mounts", 0, "uid"], -1, "expected the ids of a user and a group"),
]


@pytest.mark.parametrize(("path", "value", "message"), MALFORMED)
def test_what_is_malformed_is_one_error(path: list[str | int], value: object, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        decode_cache_config(changed(path, value), ref="the cache")
    assert message in caught.value.message
    assert caught.value.ref == "the cache"


def test_a_small_document_does_not_become_a_large_one() -> None:
    layers = [{"name": MADE.name, "diffID": DIFF, "blob": BLOB}]
    stacks = [[number - 1, 0] for number in range(1001)]
    data = json.dumps({"version": 1, "layers": layers, "stacks": stacks, "records": []}).encode()
    with pytest.raises(SourceError, match="more than 1000 layers"):
        decode_cache_config(data, ref="x")


@given(st.binary(max_size=200))
def test_no_bytes_escape_as_another_error(data: bytes) -> None:
    with pytest.raises(SourceError):
        decode_cache_config(data, ref="x")


def test_an_image_carries_a_cache_and_hands_none_down() -> None:
    image = ImageConfig(platform=Platform(os="linux", architecture="amd64"))
    carrying = encode_config(image, inline_cache=ENCODED)
    assert decode_inline_cache(carrying) == ENCODED
    assert decode_config(carrying) == image
    assert decode_inline_cache(encode_config(decode_config(carrying))) == b""


@pytest.mark.parametrize("value", ["?", "A", "AA=A"])
def test_a_cache_in_an_image_that_is_not_base64_is_one_error(value: str) -> None:
    with pytest.raises(SourceError, match=r"llbuild\.cache\.v1: expected base64"):
        decode_inline_cache(json.dumps({"llbuild.cache.v1": value}).encode())
