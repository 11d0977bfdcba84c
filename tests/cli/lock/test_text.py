"""The text of lock files: what is written is read again, and what is wrong has its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.cli.lock.text import encode_lock, parse_lock
from llbuild.errors import ConfigError
from llbuild.worker.source import Pin, SourceName

PATH = "/repo/llbuild.lock"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
COMMIT = "c" * 40
PINS = {
    SourceName("image", "docker.io/library/busybox:1"): Pin(digest=ONE),
    SourceName("image", "oci-layout:///repo/base/x:tag", platform="linux/arm64"): Pin(digest=TWO),
    SourceName("image", "oci-layout:///elsewhere"): Pin(digest=TWO),
    SourceName("git", "https://example.org/a.git"): Pin(digest=COMMIT, ref="refs/heads/main"),
    SourceName("git", "https://example.org/a.git", "v1"): Pin(digest=COMMIT, ref="refs/tags/v1", tag="d" * 40),
    SourceName("http", "https://example.org/a"): Pin(digest=ONE, filename='a "b"', modified_s=1_600_000_000),
}
TEXT = f"""\
# What the sources of builds are held to. Written by llbuild: `llbuild lock` brings it up to date.
version = 1

[[image]]
name = "docker.io/library/busybox:1"
digest = "{ONE}"

[[image]]
name = "oci-layout://./base/x:tag"
platform = "linux/arm64"
digest = "{TWO}"

[[image]]
name = "oci-layout:///elsewhere"
digest = "{TWO}"

[[git]]
repository = "https://example.org/a.git"
commit = "{COMMIT}"
found = "refs/heads/main"

[[git]]
repository = "https://example.org/a.git"
ref = "v1"
commit = "{COMMIT}"
tag = "{"d" * 40}"
found = "refs/tags/v1"

[[http]]
url = "https://example.org/a"
digest = "{ONE}"
filename = "a \\"b\\""
modified = 2020-09-13T12:26:40Z
"""


def test_an_entry_for_each_source_is_written_in_order() -> None:
    assert encode_lock(PINS, PATH) == TEXT
    assert encode_lock(dict(reversed(PINS.items())), PATH) == TEXT
    assert parse_lock(TEXT, PATH) == PINS


def test_a_layout_beside_the_file_moves_with_it() -> None:
    moved = parse_lock(TEXT, "/other/llbuild.lock")
    assert SourceName("image", "oci-layout:///other/base/x:tag", platform="linux/arm64") in moved
    assert SourceName("image", "oci-layout:///elsewhere") in moved


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
NAMES: st.SearchStrategy[SourceName] = st.one_of(
    st.builds(SourceName, st.just("git"), TEXTS, st.one_of(st.just(""), TEXTS)),
    st.builds(SourceName, st.just("http"), TEXTS),
)


def pin_of(name: SourceName) -> st.SearchStrategy[Pin]:
    digits = st.text("0123456789abcdef", min_size=64, max_size=64)
    if name.kind == "git":
        return st.builds(Pin, digest=digits, ref=st.one_of(st.just(""), TEXTS), tag=st.one_of(st.just(""), digits))
    times = st.one_of(st.none(), st.integers(0, 253402300799))
    return st.builds(
        Pin, digest=digits.map("sha256:".__add__), filename=st.one_of(st.just(""), TEXTS), modified_s=times
    )


@given(
    st.lists(NAMES, max_size=5, unique=True).flatmap(lambda names: st.fixed_dictionaries({n: pin_of(n) for n in names}))
)
def test_what_is_written_is_read_again(pins: dict[SourceName, Pin]) -> None:
    assert parse_lock(encode_lock(pins, PATH), PATH) == pins


@pytest.mark.parametrize(
    ("number", "text", "told"),
    [
        (2, "", "this is no lock file"),
        (2, "version = 2", "lock files of version 2 are not known here"),
        (2, 'version = "1"', "expected a whole number"),
        (3, "images = 1", "unknown key 'images' (did you mean 'image'?)"),
        (4, "[image]", "cannot overwrite a value"),
        (5, 'name = "Busybox"', "is not an image reference"),
        (5, f'name = "busybox@{ONE}"', "expected a name without a digest"),
        (5, "name = 3", "expected a text"),
        (6, f'digest = "{ONE[:-1]}"', "expected algorithm:hex"),
        (6, f'digests = "{ONE}"', "unknown key 'digests' (did you mean 'digest'?)"),
        (6, "digest = ", "invalid value"),
        (14, 'name = "busybox:1"', "docker.io/library/busybox:1 is here twice"),
        (6, 'platform = "what"', "what"),
        (19, 'commit = "cccc"', "expected all 40 or 64 hex digits of a commit"),
        (33, "modified = 2020-09-13", "expected a time with its zone"),
        (33, 'modified = "yesterday"', "expected a time with its zone"),
    ],
)
def test_what_is_wrong_has_its_line(number: int, text: str, told: str) -> None:
    lines = TEXT.splitlines()
    lines[number - 1] = text
    with pytest.raises(ConfigError) as caught:
        parse_lock("\n".join(lines), PATH)
    assert told in caught.value.message
    expected = {"": 1, 'name = "busybox:1"': 13, "[image]": 8}.get(
        text, number
    )  # what is missing is said at the top of its table
    assert (caught.value.at.path, caught.value.at.line) == (PATH, expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [("version = " + "1" * 5000, "too large"), ("a = " + "[" * 100_000, "too deep"), ("\0", "invalid statement")],
)
def test_what_no_reader_can_take_is_an_error_too(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_lock(text, PATH)


@pytest.mark.parametrize("key", ["digest", "commit", "url", "name", "repository"])
def test_what_is_missing_is_said_at_its_entry(key: str) -> None:
    lines = [text for text in TEXT.splitlines() if not text.startswith(f"{key} = ")]
    with pytest.raises(ConfigError, match=f"{key} is missing") as caught:
        parse_lock("\n".join(lines), PATH)
    assert lines[caught.value.at.line - 1].startswith("[[")
