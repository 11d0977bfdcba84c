"""Platforms as text: parsing, normalising, and the written form."""

from __future__ import annotations

import pytest
from llbuild.platforms import Platform, host_platform, normalize_platform, parse_platform, parse_written_platform


def make(system: str, arch: str, variant: str = "", version: str = "", *features: str) -> Platform:
    return Platform(os=system, architecture=arch, variant=variant, os_version=version, os_features=features)


WRITTEN = [
    # text, as written, normalised
    ("linux/amd64", make("linux", "amd64"), make("linux", "amd64")),
    ("linux/amd64/v1", make("linux", "amd64"), make("linux", "amd64")),
    ("linux/amd64/v3", make("linux", "amd64", "v3"), make("linux", "amd64", "v3")),
    ("linux/x86_64", make("linux", "amd64"), make("linux", "amd64")),
    ("linux/i386/x", make("linux", "386"), make("linux", "386")),
    ("LINUX/AArch64", make("linux", "arm64"), make("linux", "arm64")),
    ("linux/arm64/v8", make("linux", "arm64", "v8"), make("linux", "arm64")),
    ("linux/arm64/9", make("linux", "arm64", "v9"), make("linux", "arm64", "v9")),
    ("linux/arm", make("linux", "arm"), make("linux", "arm", "v7")),
    ("linux/arm/7", make("linux", "arm", "v7"), make("linux", "arm", "v7")),
    ("linux/armhf", make("linux", "arm"), make("linux", "arm", "v7")),
    ("linux/armel", make("linux", "arm", "v6"), make("linux", "arm", "v6")),
    ("macos/arm64", make("darwin", "arm64"), make("darwin", "arm64")),
    ("foo/bar", make("foo", "bar"), make("foo", "bar")),
    ("windows(10.0.17763)/amd64", *[make("windows", "amd64", "", "10.0.17763")] * 2),
    (
        "windows(10.0+win32k+a+a)/amd64",
        make("windows", "amd64", "", "10.0", "win32k", "a", "a"),
        make("windows", "amd64", "", "10.0", "a", "win32k"),
    ),
    ("windows(a%2fb)/amd64", *[make("windows", "amd64", "", "a/b")] * 2),
]


@pytest.mark.parametrize(("text", "written", "normal"), WRITTEN)
def test_a_platform_is_read_as_it_is_written_and_then_normalised(
    text: str, written: Platform, normal: Platform
) -> None:
    assert parse_written_platform(text) == written
    assert parse_platform(text) == normalize_platform(written) == normal
    assert parse_platform(normal.with_version) == normal


def test_one_word_is_a_system_or_an_architecture_of_this_machine() -> None:
    host = host_platform()
    assert parse_platform("linux") == Platform(os="linux", architecture=host.architecture, variant=host.variant)
    assert parse_platform("s390x") == Platform(os=host.os, architecture="s390x")
    assert parse_platform("local") == host


@pytest.mark.parametrize(
    "text",
    ["", "x", "armv7l", "linux/", "/amd64", "linux/a/b/c", "linux/*", "linux amd64", "windows(1/amd64", "w(%z)/a"],
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"platform|system|hex digits"):
        parse_platform(text)


def test_a_build_file_cannot_name_the_local_platform() -> None:
    with pytest.raises(ValueError, match="neither a known operating system"):
        parse_written_platform("local")
