"""How long compiling takes: `python benchmarks/compile.py [SHAPE…]`.

Large Dockerfiles of several shapes, some 5,000 instructions each, and a usual one of 40 lines that the others are
compared with. Nothing is executed or fetched: every base image is made up. Times are CPU time of this process, the best
of the rounds; the first round, which fills Python's own caches, does not count.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".typing"))  # so that any interpreter with the dependencies will do

from llbuild.benchmarks.shapes import SHAPES  # noqa: E402  after the line above
from llbuild.digest import Digest  # noqa: E402
from llbuild.frontend import NoSuchFile, NoTime, Request, ResolvedImage  # noqa: E402
from llbuild.frontend.dockerfile import FRONTEND  # noqa: E402
from llbuild.frontend.dockerfile.parser import parse  # noqa: E402
from llbuild.image import ContainerConfig, ImageConfig  # noqa: E402
from llbuild.llb import Definition, encode_definition  # noqa: E402
from llbuild.platforms import Platform  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    _T = TypeVar("_T")

PLATFORM = Platform(os="linux", architecture="amd64")
DIGEST = Digest("sha256:" + "2" * 64)


class OneFile:
    """A lookup with a Dockerfile in it and every image there is."""

    def __init__(self, dockerfile: bytes) -> None:
        self.dockerfile = dockerfile

    def file(self, context: str, path: str) -> bytes:
        if (context, path) != ("dockerfile", "Dockerfile"):
            raise NoSuchFile
        return self.dockerfile

    def image(self, ref: str, platform: Platform) -> ResolvedImage:
        config = ImageConfig(
            platform=platform, config=ContainerConfig(env=("PATH=/bin",), cmd=("sh",)), diff_ids=(DIGEST,)
        )
        return ResolvedImage(ref=ref, digest=DIGEST, config=config)

    def result_file(self, definition: Definition, path: str, *, limit: int = 0) -> bytes | None:  # noqa: ARG002  the contract's
        raise NoSuchFile

    def source_time(self, identifier: str, attrs: Mapping[str, str]) -> int:  # noqa: ARG002  the contract's
        raise NoTime


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long compiling Dockerfiles of several shapes takes.")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"which (default: all): {', '.join(SHAPES)}")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="measure each N times (default 5)")
    options = parser.parse_args()
    unknown = [name for name in options.shapes if name not in SHAPES]
    if unknown:
        raise SystemExit(f"no shape {unknown[0]!r}; there are: {', '.join(SHAPES)}")
    unit = 0.0
    print("shape       lines vertices      parse     compile  x usual     encode       bytes")
    for name in ["usual", *(name for name in options.shapes or SHAPES if name != "usual")]:
        data = SHAPES[name]().encode()
        parsing, _ = best(partial(parse, data, "Dockerfile"), options.rounds)
        compiling, definition = best(partial(compiled, data), options.rounds)
        encoding, packed = best(partial(encode_definition, definition), options.rounds)
        unit = unit or compiling
        lines = data.count(b"\n")
        print(
            f"{name:10} {lines:6} {len(definition.vertices):8} {parsing * 1e3:6.1f} ms"
            f" {compiling * 1e3:7.1f} ms {compiling / unit:8.1f} {encoding * 1e3:6.1f} ms {len(packed):11,}"
        )


def compiled(data: bytes) -> Definition:
    """Parse, read, resolve and marshal, as a build does with everything it needs at hand."""
    request = Request(options={}, platform=PLATFORM, build_platform=PLATFORM)
    (result,) = FRONTEND.compile(request, OneFile(data)).results
    return result.definition


def best(work: Callable[[], _T], rounds: int) -> tuple[float, _T]:
    """The shortest of several runs, in seconds of CPU, and what the work gave."""
    result = work()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        result = work()
        taken.append(time.process_time() - start)
    return min(taken), result


if __name__ == "__main__":
    main()
