"""A lookup that knows everything beforehand, and short ways to compile a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llbuild.digest import Digest
from llbuild.frontend import Compiled, NoSuchFile, NoTime, PlatformResult, Request, ResolvedImage
from llbuild.frontend.dockerfile.compiler import compile_request
from llbuild.image import ContainerConfig, History, ImageConfig, parse_reference
from llbuild.llb import Definition, ExecOp, FileOp, Op, SourceOp, Vertex
from llbuild.platforms import Platform
from llbuild.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
DIGEST = Digest("sha256:" + "2" * 64)
LAYER = Digest("sha256:" + "1" * 64)
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

BASE = ImageConfig(
    platform=AMD64,
    config=ContainerConfig(env=(PATH,), cmd=("/bin/sh",)),
    diff_ids=(LAYER,),
    history=(History(created_by="/bin/sh -c #(nop) ADD rootfs / "),),
)


@dataclass
class MemoryLookup:
    """Every image is BASE unless `images` has it by its full name; files are in `files` by (context, path)."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    images: dict[str, ImageConfig] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)  # of git and HTTP sources
    asked: list[str] = field(default_factory=list)
    slow: bool = False  # answer None to everything that is asked for the first time

    def file(self, context: str, path: str) -> bytes | None:
        if self._first(f"{context}:{path}"):
            return None
        try:
            return self.files[context, path]
        except KeyError:
            raise NoSuchFile from None

    def result_file(self, definition: Definition, path: str, *, limit: int = 0) -> bytes | None:
        """A context from elsewhere has the files of the client's folder `dockerfile`."""
        data = self.file("dockerfile", path)
        return data[:limit] if data is not None and limit else data

    def source_time(self, identifier: str, attrs: Mapping[str, str]) -> int | None:
        if self._first(f"{identifier} {sorted(attrs.items())}"):
            return None
        if identifier not in self.times:
            raise NoTime
        return self.times[identifier]

    def image(self, ref: str, platform: Platform) -> ResolvedImage | None:
        if self._first(f"{ref} {platform}"):
            return None
        config = self.images.get(ref, BASE)
        if ref not in self.images:
            config = replace(config, platform=platform)
        digest = DIGEST
        if not ref.startswith("oci-layout:"):
            reference = parse_reference(ref)
            digest = reference.digest or DIGEST
            ref = str(replace(reference, digest=None)) if reference.tag else reference.name
        return ResolvedImage(ref=ref, digest=digest, config=config)

    def _first(self, question: str) -> bool:
        first = question not in self.asked
        self.asked.append(question)
        return first and self.slow


def request(options: Mapping[str, str] | None = None, platform: Platform = AMD64) -> Request:
    return Request(options=dict(options or {}), platform=platform, build_platform=AMD64)


def compile_all(
    dockerfile: str | bytes,
    options: Mapping[str, str] | None = None,
    lookup: MemoryLookup | None = None,
    *,
    everything: bool = False,
) -> Compiled:
    """everything: also what cannot be run yet."""
    lookup = lookup or MemoryLookup()
    data = dockerfile.encode() if isinstance(dockerfile, str) else dockerfile
    lookup.files.setdefault(("dockerfile", "Dockerfile"), data)
    if everything:
        return compile_request(request(options), lookup, not_yet=frozenset())
    return compile_request(request(options), lookup)


def compile_one(
    dockerfile: str | bytes,
    options: Mapping[str, str] | None = None,
    lookup: MemoryLookup | None = None,
    *,
    everything: bool = False,
) -> PlatformResult:
    (result,) = compile_all(dockerfile, options, lookup, everything=everything).results
    return result


def names(definition: Definition) -> list[str]:
    """What people see, in order of the vertices."""
    said = definition.metadata_of()
    return [said[vertex.digest].name for vertex in definition.vertices]


def ops(definition: Definition) -> list[Op]:
    return [vertex.op for vertex in definition.vertices]


def root(definition: Definition) -> Vertex:
    assert definition.root is not None
    return definition.by_digest()[definition.root.vertex]


def execs(definition: Definition) -> list[ExecOp]:
    return [op for op in ops(definition) if isinstance(op, ExecOp)]


def file_ops(definition: Definition) -> list[FileOp]:
    return [op for op in ops(definition) if isinstance(op, FileOp)]


def sources(definition: Definition) -> dict[str, dict[str, str]]:
    """Attributes by identifier."""
    return {op.identifier: dict(op.attrs) for op in ops(definition) if isinstance(op, SourceOp)}


def history(result: PlatformResult) -> list[tuple[str, bool]]:
    """(created_by, empty layer) of the entries that the Dockerfile added."""
    return [(item.created_by, item.empty_layer) for item in result.image.history if item.comment]
