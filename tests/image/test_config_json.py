from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.digest import Digest
from llbuild.errors import SourceError
from llbuild.image import (
    ContainerConfig,
    Healthcheck,
    History,
    ImageConfig,
    decode_config,
    decode_manifest,
    encode_config,
)
from llbuild.platforms import Platform

WHEN = "2026-11-21T07:10:43.045371543Z"
DIFF_ID = Digest("sha256:3cd61f9d5cc5c98fad23264d209530a89b62b23d8a3605cc115480e525aaca3e")

# The bytes that BuildKit (v0.26, dockerfile.v0, type=oci) wrote for a Dockerfile with these instructions.
BUILDKITS = (
    '{"architecture":"amd64","config":{"User":"1:2","ExposedPorts":{"6379/tcp":{}},"Env":["PATH=/usr/local/sbin:'
    '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=1","B=x\\u003cy\\u003e\\u0026z"],"Cmd":["redis-server"],'
    '"Volumes":{"/data":{}},"WorkingDir":"/","Labels":{"a":"üé \\u0001","z":"1"},"StopSignal":"SIGTERM",'
    '"ArgsEscaped":true,"Healthcheck":{"Test":["CMD","/x"],"Interval":5000000000,"Retries":3},"OnBuild":["RUN x"],'
    f'"Shell":["/bin/sh","-c"]}},"created":"{WHEN}","history":[{{"created":"{WHEN}","created_by":"COPY a.txt /a.txt '
    f'# buildkit","comment":"buildkit.dockerfile.v0"}},{{"created":"{WHEN}","created_by":"ENV A=1 B=x\\u003cy\\u003e'
    f'\\u0026z","comment":"buildkit.dockerfile.v0","empty_layer":true}}],"os":"linux","rootfs":{{"type":"layers",'
    f'"diff_ids":["{DIFF_ID}"]}}}}'
).encode()

CONFIG = ImageConfig(
    platform=Platform(os="linux", architecture="amd64"),
    config=ContainerConfig(
        user="1:2",
        exposed_ports=("6379/tcp",),
        env=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B=x<y>&z"),
        cmd=("redis-server",),
        volumes=("/data",),
        working_dir="/",
        labels=(("a", "üé \x01"), ("z", "1")),
        stop_signal="SIGTERM",
        args_escaped=True,
        healthcheck=Healthcheck(test=("CMD", "/x"), interval_ns=5_000_000_000, retries=3),
        on_build=("RUN x",),
        shell=("/bin/sh", "-c"),
    ),
    created=WHEN,
    diff_ids=(DIFF_ID,),
    history=(
        History(created=WHEN, created_by="COPY a.txt /a.txt # buildkit", comment="buildkit.dockerfile.v0"),
        History(created=WHEN, created_by="ENV A=1 B=x<y>&z", comment="buildkit.dockerfile.v0", empty_layer=True),
    ),
)


def test_a_config_is_written_as_buildkit_writes_it() -> None:
    assert encode_config(CONFIG) == BUILDKITS


def test_what_buildkit_wrote_reads_back() -> None:
    assert decode_config(BUILDKITS) == CONFIG


def test_a_config_with_nothing_to_say_is_small() -> None:
    image = ImageConfig(
        platform=Platform(os="linux", architecture="arm64", variant="v8", os_version="1", os_features=("x",))
    )
    assert encode_config(image) == (
        b'{"architecture":"arm64","config":{},"history":[],"os":"linux","os.features":["x"],"os.version":"1",'
        b'"rootfs":{"type":"layers","diff_ids":[]},"variant":"v8"}'
    )


def test_a_reset_command_is_left_out_like_one_never_said() -> None:
    image = ImageConfig(config=ContainerConfig(cmd=(), entrypoint=(), shell=(), healthcheck=Healthcheck()))
    assert b'"config":{"Healthcheck":{}}' in encode_config(image)


TEXTS = [
    ("<>&", b"\\u003c\\u003e\\u0026"),
    ("\u2028\u2029", b"\\u2028\\u2029"),
    ('"\\/', b'\\"\\\\/'),
    ("\b\f\n\r\t\x00\x1f\x7f", b"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"),
    ("é𝄞", "é𝄞".encode()),
    ("bad \udcff", b"bad \\ufffd"),
]


@pytest.mark.parametrize(("text", "want"), TEXTS)
def test_text_is_escaped_as_go_escapes_it(text: str, want: bytes) -> None:
    image = ImageConfig(config=ContainerConfig(env=(text,)))
    assert b'"Env":["' + want + b'"]' in encode_config(image)


TIMES = [
    ("2024-05-01T10:20:30Z", "2024-05-01T10:20:30Z"),
    ("2024-05-01T10:20:30.120Z", "2024-05-01T10:20:30.12Z"),
    ("2024-05-01T10:20:30.000Z", "2024-05-01T10:20:30Z"),
    ("2024-05-01T10:20:30.1234567891Z", "2024-05-01T10:20:30.123456789Z"),
    ("2024-05-01T10:20:30+00:00", "2024-05-01T10:20:30Z"),
    ("2024-05-01T10:20:30+02:00", "2024-05-01T10:20:30+02:00"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "want"), TIMES)
def test_times_are_normalised_as_go_does(text: str, want: str) -> None:
    assert decode_config(json.dumps({"created": text, "rootfs": {}}).encode()).created == want


def config_with(**fields: object) -> bytes:
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}, **fields}).encode()


BAD = [
    (b"", "image config is not JSON: Expecting value: line 1 column 1 (char 0)"),
    (b"[]", "image config: expected a JSON object, found an array"),
    (b"null", "image config: expected a JSON object, found null"),
    (b"\xff{}", "image config is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    (b'{"a":NaN}', "image config is not JSON: NaN is not a JSON value"),
    (b"{" * 100_000, "image config is not JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
    (b'{"a":' * 100_000, "image config is nested too deeply"),
    (b'{"a":' * 200 + b"1" + b"}" * 200, "image config is nested deeper than 64"),
    (b'{"a":' + b"9" * 5000 + b"}", "image config is not JSON: Exceeds the limit (4300 digits) for integer string"),
    (b" " * (5 << 20), "image config is larger than 4 MiB (5242880 bytes)"),
    (b"{}", "image config: rootfs: expected the list of layers, found none"),
    (config_with(rootfs={"type": "x"}), "image config: rootfs.type: expected 'layers', found 'x'"),
    (config_with(rootfs={"diff_ids": ["x"]}), "image config: rootfs.diff_ids[0]: expected algorithm:hex"),
    (config_with(os=1), "image config: os: expected a string, found a number"),
    (config_with(config=[]), "image config: config: expected an object, found an array"),
    (config_with(config={"Env": "A=1"}), "image config: config.Env: expected an array, found a string"),
    (config_with(config={"Env": ["A", None]}), "image config: config.Env[1]: expected a string, found null"),
    (config_with(config={"Labels": {"a": 1}}), "image config: config.Labels.a: expected a string, found a number"),
    (config_with(config={"ArgsEscaped": 1}), "image config: config.ArgsEscaped: expected a boolean, found a number"),
    (
        config_with(config={"Healthcheck": {"Retries": 1.5}}),
        "image config: config.Healthcheck.Retries: expected a 64-bit integer, found a number",
    ),
    (config_with(history=[{}, 1]), "image config: history[1]: expected an object, found a number"),
    (config_with(created="yesterday"), "image config: created: expected a time such as 2024-05-01T10:20:30Z"),
    (config_with(history=[{"created": 1}]), "image config: history[0].created: expected a string, found a number"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_bad_config_says_which_field_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        decode_config(data)
    assert caught.value.message.startswith(message)


KEYS = (
    *("schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "platform", "annotations"),
    *("os", "os.features", "variant", "architecture", "rootfs", "type", "diff_ids", "history", "created"),
    *("Env", "Cmd", "Labels", "Healthcheck", "Test", "ExposedPorts"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("sha256:" + "0" * 64),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=8,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_a_config_and_a_manifest_or_one_error(tree: object) -> None:
    data = json.dumps(tree).encode()
    for decode in (decode_config, decode_manifest):
        with contextlib.suppress(SourceError):
            decode(data, ref="x")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_one_error(data: bytes) -> None:
    with pytest.raises(SourceError):
        decode_config(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WORDS = st.lists(TEXT, min_size=1, max_size=3).map(tuple)
CONTAINERS = st.builds(
    ContainerConfig,
    user=TEXT,
    exposed_ports=WORDS.map(lambda words: tuple(sorted(set(words)))),
    env=WORDS,
    entrypoint=st.none() | WORDS,
    cmd=st.none() | WORDS,
    labels=st.dictionaries(TEXT, TEXT, max_size=3).map(lambda labels: tuple(sorted(labels.items()))),
    args_escaped=st.booleans(),
    healthcheck=st.none() | st.builds(Healthcheck, test=WORDS, retries=st.integers(0, 9), interval_ns=st.integers(0)),
    shell=st.none() | WORDS,
)


@given(
    st.builds(
        ImageConfig,
        config=CONTAINERS,
        author=TEXT,
        created=st.sampled_from(["", WHEN]),
        diff_ids=st.lists(st.just(DIFF_ID), max_size=2).map(tuple),
        history=st.lists(st.builds(History, created_by=TEXT, comment=TEXT, empty_layer=st.booleans()), max_size=3).map(
            tuple
        ),
    )
)
def test_a_config_reads_back(image: ImageConfig) -> None:
    if image.config.healthcheck and image.config.healthcheck.interval_ns >= 2**63:
        return
    assert decode_config(encode_config(image)) == image
