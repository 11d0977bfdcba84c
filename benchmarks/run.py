"""Compare llbuild with other builders, side by side in one run: `python benchmarks/run.py [NAME…]`.

Names are workloads (see `--list`); without names the usual ones run. Every builder gets fresh state for each cold
build, the builders take turns, and the table shows medians. buildah takes part when it is installed, BuildKit when
buildkitd and buildctl are on PATH (with docker-registry and skopeo); both need root here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".typing"))  # so that any interpreter with the dependencies will do

from llbuild.benchmarks.builders import Builder, find_builders  # noqa: E402  after the line above
from llbuild.benchmarks.measure import Series, collect  # noqa: E402
from llbuild.benchmarks.report import as_json, machine_facts, render  # noqa: E402
from llbuild.benchmarks.workloads import WORKLOADS, Workload  # noqa: E402


def main() -> None:
    options = arguments()
    if options.list:
        for workload in WORKLOADS:
            print(f"{workload.name:10} {workload.summary}{'' if workload.default else ' (only when named)'}")
        return
    workloads = chosen(options.names)
    builders, absent = find_builders(options.llbuild, only_llbuild=options.alone)
    work = Path(tempfile.mkdtemp(prefix="llbuild-benchmark-", dir=options.folder))
    opened: list[Builder] = []
    series: list[Series] = []
    facts = machine_facts(work)
    try:
        rootfs = work / "rootfs"
        subprocess.run([str(ROOT / "scripts/busybox-rootfs"), str(rootfs)], check=True)
        for builder in builders:
            (work / builder.name).mkdir()
            opened.append(builder)
            builder.open(work / builder.name, rootfs)
        for workload in workloads:
            print(f"measuring {workload.name}: {workload.summary} …", file=sys.stderr)
            series += collect(workload, builders, options.rounds, work / "contexts")
            shutil.rmtree(work / "contexts")
    finally:
        with contextlib.ExitStack() as stack:  # one that fails to close keeps no other open
            for builder in opened:
                stack.callback(builder.close)
        shutil.rmtree(work, ignore_errors=True)
    if options.json:
        print(json.dumps(as_json(facts, builders, series), indent=2))
        return
    for name, fact in facts.items():
        print(f"{name:11} {fact}")
    for builder in builders:
        print(f"{builder.name:11} {builder.version} ({builder.remark})")
    for line in absent:
        print(line)
    print(f"\nMedians of {options.rounds}. A ratio below 1: llbuild took less time than the builder before it.\n")
    print(render(workloads, builders, series))


def chosen(names: list[str]) -> list[Workload]:
    known = {workload.name: workload for workload in WORKLOADS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no workload {unknown[0]!r}; there are: {', '.join(known)}")
    return [known[name] for name in names] or [workload for workload in WORKLOADS if workload.default]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare llbuild with other builders, side by side in one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads to measure (default: the usual ones)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measure each N times (default 3)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--alone", action="store_true", help="measure llbuild only")
    parser.add_argument(
        "--llbuild", metavar="PROGRAM", help="the llbuild to measure (default: the one beside this Python)"
    )
    parser.add_argument("--folder", metavar="DIR", help="work below this folder (default: the temporary folder)")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
