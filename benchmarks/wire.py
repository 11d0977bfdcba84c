"""How fast graphs become BuildKit's bytes and come back, against protobuf's own serializer in the same run.

    python benchmarks/wire.py [VERTICES]

The graph is a chain of RUNs and COPYs, half and half, with names and places. Protobuf is timed with its messages
ready made: it is the part that no encoder in Python can save. Processor time, medians of five rounds in turns.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

from llbuild.llb import Definition, Metadata, SourceFile, decode_definition, encode_definition, image, local
from llbuild.platforms import Platform
from llbuild.proto import decode_buildkit, encode_buildkit, op_digests
from llbuild.proto import ops_pb2 as pb
from llbuild.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
LINUX = Platform(os="linux", architecture="amd64")


def chain(size: int) -> Definition:
    state = image("docker.io/library/debian:12", platform=LINUX)
    for name in ("PATH", "LANG", "HOME", "DEBIAN_FRONTEND"):
        state = state.add_env(name, f"/usr/local/{name.lower()}:/usr/{name.lower()}")
    context = local("context")
    for number in range(size // 2):
        place = Metadata(name=f"[stage {number}] RUN", spans=(Span("Dockerfile", number + 1, 1, number + 1),))
        command = f"apt-get update && apt-get install -y package-{number} && rm -rf /var/lib/apt/lists/*"
        state = state.run(command, metadata=place).root.copy(context, f"/src/{number}", "/app/", metadata=place)
    return state.marshal([SourceFile(path="Dockerfile", data=b"FROM debian:12\n" * 100)])


def measured(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each piece of work, all of them once a round."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.process_time()
            work()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    definition = chain(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
    wire = encode_buildkit(definition)
    native = encode_definition(definition)
    message = pb.Definition.FromString(wire)
    ops = [pb.Op.FromString(data) for data in getattr(message, "def")]

    def serialize() -> None:
        for op in ops:
            op.SerializeToString(deterministic=True)
        message.SerializeToString(deterministic=True)

    took = measured(
        {
            "protobuf, messages ready made": serialize,
            "op_digests": lambda: op_digests(definition),
            "encode_buildkit": lambda: encode_buildkit(definition),
            "decode_buildkit": lambda: decode_buildkit(wire),
            "encode_definition (msgpack)": lambda: encode_definition(definition),
            "decode_definition (msgpack)": lambda: decode_definition(native),
        }
    )
    base = took["protobuf, messages ready made"]
    print(f"{len(definition.vertices)} vertices, {len(wire):,} bytes as protobuf, {len(native):,} as msgpack")
    print(f"{'':32}{'ops/s':>12}{'times protobuf':>18}")
    for name, seconds in took.items():
        print(f"{name:32}{len(definition.vertices) / seconds:12,.0f}{seconds / base:18.1f}")


if __name__ == "__main__":
    main()
