"""Images on the move: pulling, unpacking and pushing, next to skopeo and umoci: `python benchmarks/images.py [NAME…]`.

unpack: an image of 500 MB in 30,000 files and one layer, from an OCI layout; umoci unpack does the same.
pull: an image of 1 GB in ten layers from a registry on loopback, and unpacked; skopeo copy into a layout, then umoci.
push: the same image into a registry that has nothing; skopeo copy from a layout. The registry keeps its data in memory
where there is room (/dev/shm), since its disk is the same for all; its own work counts in the times, not in the CPU.
"the registry alone" is that work: the same blobs from threads that only call sendfile(2), with no program started.

The layers are packed by zlib at level 6, as most tools leave them. The programs take turns; medians are told. Needs
root, docker-registry, skopeo and umoci.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".typing"))  # so that any interpreter with the dependencies will do

from llbuild.benchmarks.builders import Llbuild, call  # noqa: E402  after the line above
from llbuild.benchmarks.measure import Sample, time_command  # noqa: E402
from llbuild.benchmarks.registries import send_blobs, serve_registry  # noqa: E402
from llbuild.benchmarks.report import machine_facts  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKS = ("unpack", "pull", "push")
_SKOPEO = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
_READS_ALL_LAYERS = "FROM base AS base\nFROM scratch\nCOPY --from=base /marker* /\n"


@dataclass(frozen=True, slots=True)
class Image:
    """An image in an OCI layout. `reader`: a context whose build reads a file, and so has every layer unpacked."""

    layout: Path
    reader: Path


class Bench:
    """Everything below one folder, which is removed at the end."""

    def __init__(self, work: Path, llbuild: Llbuild) -> None:
        self._work = work
        self._llbuild = llbuild
        self._environment = llbuild.environment_at(work / "state")

    def image(self, name: str, layers: int, files: int, size_bytes: int) -> Image:
        """Make an image of so many files and bytes, in equal layers."""
        context = self._work / name
        for number in range(layers):
            fill(context / f"layer{number}", files // layers, size_bytes // layers, seed=number)
        lines = "".join(f"COPY layer{number} /\n" for number in range(layers))
        (context / "Dockerfile").write_text(f"FROM scratch\n{lines}")
        layout = self._work / f"{name}.oci"
        output = f"type=oci,tar=false,dest={layout},compression-level=6,force-compression=true"
        call([*self._llbuild.program, "build", "-q", "-t", "image:x", "-o", output, context], self._environment)
        shutil.rmtree(context)
        reader = self._work / f"{name}-reader"
        reader.mkdir()
        (reader / "Dockerfile").write_text(_READS_ALL_LAYERS)
        return Image(layout, reader)

    def unpack(self, image: Image, rounds: int) -> dict[str, list[Sample]]:
        def ours() -> Sample:
            return self._build(f"oci-layout://{image.layout}", image)

        def theirs() -> Sample:
            return self._timed(["umoci", "unpack", "--image", f"{image.layout}:x", str(self._work / "bundle")])

        return self._in_turns(rounds, {"llbuild": ours, "umoci": theirs})

    def pull(self, image: Image, rounds: int) -> dict[str, list[Sample]]:
        with serve_registry(self._work / "registry") as address:
            name = f"{address}/image:x"
            call([*_SKOPEO, f"oci:{image.layout}:x", f"docker://{name}"])

            def ours() -> Sample:
                return self._build(f"docker-image://{name}", image)

            def theirs() -> Sample:
                copy = " ".join([*_SKOPEO, f"docker://{name}", f"oci:{self._work}/copy:x"])
                unpack = f"umoci unpack --image {self._work}/copy:x {self._work}/bundle"
                return self._timed(["sh", "-c", f"{copy} && {unpack}"])

            return self._in_turns(rounds, {"llbuild": ours, "skopeo, umoci": theirs})

    def push(self, image: Image, rounds: int) -> dict[str, list[Sample]]:
        self._clear()
        with tempfile.TemporaryDirectory(dir=_roomy_memory(), prefix="llbuild-benchmark-") as memory:

            def pushed(push: Callable[[str], Sample]) -> Callable[[], Sample]:
                def to_an_empty_registry() -> Sample:
                    folder = Path(tempfile.mkdtemp(dir=memory))
                    with serve_registry(folder) as address:
                        sample = push(address)
                    shutil.rmtree(folder)
                    return sample

                return to_an_empty_registry

            def ours(address: str) -> Sample:
                name = f"{address}/image:x"
                call([*self._llbuild.program, "tag", "image:x", name], self._environment)
                return self._timed([*self._llbuild.program, "push", "-q", name], quiet=False)

            def theirs(address: str) -> Sample:
                copy = [*_SKOPEO, f"oci:{image.layout}:x", f"docker://{address}/image:x"]
                return self._timed(copy, quiet=False)

            def nobody(address: str) -> Sample:
                start, cpu_start = time.perf_counter(), time.process_time()
                send_blobs(address, (image.layout / "blobs/sha256").iterdir())
                return Sample(time.perf_counter() - start, time.process_time() - cpu_start, 0)

            call([*self._llbuild.program, "load", "-i", image.layout, "-t", "image:x"], self._environment)
            programs = {"llbuild": pushed(ours), "skopeo": pushed(theirs), "the registry alone": pushed(nobody)}
            return self._in_turns(rounds, programs, keep_state=True)

    def _build(self, base: str, image: Image) -> Sample:
        options = ["-q", "-o", "type=cacheonly", "--build-context", f"base={base}", str(image.reader)]
        return self._timed([*self._llbuild.program, "build", *options])

    def _timed(self, command: list[str], *, quiet: bool = True) -> Sample:
        if quiet:
            os.sync()  # writing back what went before is not this one's cost
        return time_command(command, self._environment)

    def _in_turns(
        self, rounds: int, programs: dict[str, Callable[[], Sample]], *, keep_state: bool = False
    ) -> dict[str, list[Sample]]:
        samples: dict[str, list[Sample]] = {name: [] for name in programs}
        for _ in range(rounds):
            for name, run in programs.items():
                if not keep_state:
                    self._clear()
                samples[name].append(run())
        return samples

    def _clear(self) -> None:
        for name in ("state", "copy", "bundle"):
            shutil.rmtree(self._work / name, ignore_errors=True)


def fill(folder: Path, files: int, size_bytes: int, *, seed: int) -> None:
    """Files of very different sizes, like those of a system: three quarters words, one quarter noise."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randint(1, 4)).hex().encode() for _ in range(3000)]
    text = b" ".join(chance.choices(words, k=400_000))
    noise = chance.randbytes(len(text))
    weights = [chance.lognormvariate(0, 1.6) for _ in range(files)]
    share = size_bytes / sum(weights)
    for number, weight in enumerate(weights):
        if number % 40 == 0:
            place = folder / f"lib{seed}" / f"package{number // 40:04}"
            place.mkdir(parents=True)
        left = int(weight * share)
        with (place / f"module{number:05}").open("wb") as file:
            while left > 0:
                pool, count = (noise if chance.random() < 0.25 else text), min(left, 1 << 14)
                at = chance.randrange(len(pool) - count)
                file.write(pool[at : at + count])
                left -= count
    (folder / f"marker{seed}").write_text("the file that is read\n")


def _roomy_memory() -> str | None:
    """A folder in memory with room for a registry; None where there is none."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return None
    return "/dev/shm" if found.f_bavail * found.f_frsize > 4 << 30 else None


def render(work: str, samples: dict[str, list[Sample]]) -> list[str]:
    """A line for each program: medians, and llbuild's as a part of the other's."""

    def times(name: str) -> tuple[float, float]:
        return median(one.seconds for one in samples[name]), median(one.cpu_seconds for one in samples[name])

    (own_wall, own_cpu), lines = times("llbuild"), []
    for name, taken in samples.items():
        wall, cpu = times(name)
        ratio = "" if name == "llbuild" else f"  {own_wall / wall:5.2f} of the time, {own_cpu / cpu:.2f} of the CPU"
        peak = max(one.peak_bytes for one in taken) / 1e6
        lines.append(f"{work:7} {name:18} {wall:7.2f} s  {cpu:6.2f} s CPU  {peak:5.0f} MB at the peak{ratio}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Pull, unpack and push images, next to skopeo and umoci.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(_WORKS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measure each N times (default 3)")
    parser.add_argument("--llbuild", metavar="PROGRAM", help="the llbuild to measure")
    parser.add_argument("--folder", metavar="DIR", help="work below this folder (default: the temporary folder)")
    options = parser.parse_args()
    wanted = options.names or list(_WORKS)
    if unknown := set(wanted) - set(_WORKS):
        raise SystemExit(f"no {min(unknown)!r}; there are: {', '.join(_WORKS)}")
    missing = [name for name in ("docker-registry", "skopeo", "umoci") if shutil.which(name) is None]
    if missing or os.geteuid():
        raise SystemExit(f"needs {', '.join(missing) or 'root'}")
    with tempfile.TemporaryDirectory(prefix="llbuild-benchmark-", dir=options.folder) as folder:
        work = Path(folder)
        for name, fact in machine_facts(work).items():
            print(f"{name:11} {fact}")
        for program in ("skopeo", "umoci"):
            print(subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip())
        bench = Bench(work, Llbuild(options.llbuild))
        if "unpack" in wanted:
            image = bench.image("many-files", 1, 30_000, 500_000_000)
            print("\n".join(render("unpack", bench.unpack(image, options.rounds))), flush=True)
        if {"pull", "push"} & set(wanted):
            image = bench.image("many-layers", 10, 25_000, 1_000_000_000)
        if "pull" in wanted:
            print("\n".join(render("pull", bench.pull(image, options.rounds))), flush=True)
        if "push" in wanted:
            print("\n".join(render("push", bench.push(image, options.rounds))), flush=True)


if __name__ == "__main__":
    main()
