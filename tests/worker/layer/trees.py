"""File trees for the tests of layers: compared by walking both, made from hypothesis's ideas."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hypothesis import strategies as st
from llbuild.worker.layer import Compression, ExtractedLayer, PackedLayer, TarLimits, extract_layer, pack_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

Ideas: TypeAlias = dict[str, tuple[object, ...]]  # what is in a folder: name -> kind and facts


class Seen(NamedTuple):
    """What a walk finds at a path. `same_as` is the first path of the same inode."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_s: int
    content: str
    device: int
    xattrs: tuple[tuple[str, bytes], ...]
    same_as: str


def look(folder: Path | str, *, times: bool = True) -> dict[str, Seen]:
    """Everything below a folder, by path."""
    root = os.fspath(folder)
    first: dict[tuple[int, int], str] = {}
    found: dict[str, Seen] = {}
    for path in sorted(iter_paths(root)):
        place = f"{root}/{path}"
        info = os.lstat(place)
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFCHR and not info.st_rdev:
            found[path] = Seen("whiteout", 0, (0, 0), 0, "", 0, (), path)  # all that a layer can say of one
            continue
        content = ""
        if kind == stat.S_IFREG:
            content = hashlib.sha256(Path(place).read_bytes()).hexdigest()
        elif kind == stat.S_IFLNK:
            content = os.readlink(place)
        same_as = path
        if kind != stat.S_IFDIR:
            same_as = first.setdefault((info.st_dev, info.st_ino), path)
        found[path] = Seen(
            stat.filemode(info.st_mode)[0],
            stat.S_IMODE(info.st_mode),
            (info.st_uid, info.st_gid),
            int(info.st_mtime_ns // 10**9) if times else 0,
            content,
            info.st_rdev,
            xattrs(place),
            same_as,
        )
    return found


def xattrs(place: str) -> tuple[tuple[str, bytes], ...]:
    names = sorted(os.listxattr(place, follow_symlinks=False))
    return tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in names)


def iter_paths(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield os.path.relpath(f"{folder}/{name}", root)


def pack(folder: Path | str, compression: Compression = Compression.GZIP) -> tuple[bytes, PackedLayer]:
    blob = io.BytesIO()
    packed = pack_layer(os.fspath(folder), blob.write, compression)
    return blob.getvalue(), packed


def extract(blob: bytes, folder: Path, *, limits: TarLimits | None = None) -> ExtractedLayer:
    folder.mkdir(parents=True, exist_ok=True)
    return extract_layer(io.BytesIO(blob), os.fspath(folder), userxattr=False, limits=limits)


# --- random trees -------------------------------------------------------------------------------------------------

_NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "lib", "usr", "Makefile", "x" * 120, "y" * 255, " ", "-rf", "wh", ".hidden", "café", "日本"]
    ),
    st.binary(min_size=1, max_size=12).map(os.fsdecode),
).filter(lambda name: name not in (".", "..") and not set(name) & {"/", "\0"} and not name.startswith(".wh."))
_CONTENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, 511, 512, 513, 65_536, (1 << 20) - 1, 1 << 20]).map(lambda size: b"z" * size),
)
_TIMES = st.sampled_from([0, 1, 1_700_000_000, 4_102_444_800])
_MODES = st.sampled_from([0o644, 0o755, 0o600, 0o4755, 0o2750, 0o1777, 0o000, 0o444])
_OWNERS = st.sampled_from([(0, 0), (1000, 1000), (65_534, 0), (0o7777777, 5), (3_000_000, 4_000_000_000)])
_XATTRS = st.sampled_from([(), (("user.note", b"hi"),), (("user.a=b%3D", b"\0\xff\n"), ("user.z", b""))])
_FILE = st.tuples(st.just("file"), _CONTENTS, _MODES, _OWNERS, _TIMES, _XATTRS)
_LINK = st.tuples(st.just("link"), st.sampled_from(["a", "/etc/passwd", "../..", "é" * 60, "t" * 300]), _OWNERS, _TIMES)
_NODE = st.tuples(
    st.just("node"),
    st.sampled_from([(stat.S_IFIFO, 0, 0), (stat.S_IFCHR, 1, 3), (stat.S_IFBLK, 259, 300_000), (stat.S_IFCHR, 0, 0)]),
)
_HARD = st.tuples(st.just("hard"), st.integers(0, 5))
_FOLDER_FACTS = st.tuples(_MODES, _OWNERS, _TIMES, _XATTRS, st.booleans())
_LEAF = st.one_of(_FILE, _LINK, _NODE, _HARD)
CHILDREN = st.recursive(
    st.dictionaries(_NAMES, _LEAF, max_size=4),
    lambda inner: st.dictionaries(
        _NAMES, st.one_of(_LEAF, st.tuples(st.just("folder"), inner, _FOLDER_FACTS)), max_size=4
    ),
    max_leaves=12,
)


def grow(folder: str, children: Ideas, *, overlay: bool = True, files: list[str] | None = None) -> None:
    """Make a random tree real. overlay: with 0/0 devices as whiteouts, and opaque folders."""
    files = [] if files is None else files
    for name, idea in children.items():
        place = f"{folder}/{name}"
        match idea:
            case ("file", bytes() as content, int() as mode, owner, int() as time, attributes):
                Path(place).write_bytes(content)
                _dress(place, mode, owner, time, attributes)
                files.append(place)
            case ("link", str() as target, owner, int() as time):
                os.symlink(target, place)
                os.chown(place, *owner, follow_symlinks=False)  # type: ignore[misc]
                os.utime(place, (time, time), follow_symlinks=False)
            case ("node", (int() as kind, int() as major, int() as minor)):
                if overlay or major:
                    os.mknod(place, kind | 0o600, os.makedev(major, minor))
                    os.utime(place, (7, 7))
            case ("hard", int() as number):
                if files:
                    os.link(files[number % len(files)], place)
            case ("folder", dict() as inner, (int() as mode, owner, int() as time, attributes, opaque)):
                os.mkdir(place)
                grow(place, inner, overlay=overlay, files=files)
                if opaque and overlay:
                    os.setxattr(place, "trusted.overlay.opaque", b"y")
                _dress(place, mode, owner, time, attributes)


def _dress(place: str, mode: int, owner: object, time: int, attributes: object) -> None:
    os.chown(place, *owner)  # type: ignore[misc]
    os.chmod(place, mode)
    for name, value in attributes:  # type: ignore[attr-defined]
        os.setxattr(place, name, value)
    os.utime(place, (time, time))
