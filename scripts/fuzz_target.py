"""Feed a target inputs for a while, with atheris or else with hypothesis: `fuzz_target.py TARGET SECONDS FOUND`.

FOUND is a folder: what reaches new code is kept in it from run to run, and so is what breaks something, as `crash-…`.
A run starts from that and from the kept cases of `tests/fuzz/corpus/TARGET`. Exit code 1: something broke.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".typing"))


def main() -> None:
    name, seconds, found = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    found.mkdir(parents=True, exist_ok=True)
    try:
        import atheris
    except ImportError:
        print("atheris is not installed; hypothesis makes the inputs, blindly", flush=True)
        with_hypothesis(name, seconds, found)
        return
    with atheris.instrument_imports(include=["llbuild"], exclude=["llbuild.tests"]):
        from llbuild.tests.fuzz.targets import TARGETS
    corpora = [str(found), *(str(folder) for folder in [ROOT / "tests/fuzz/corpus" / name] if folder.is_dir())]
    limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=1024", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={found}/", *corpora], TARGETS[name])
    atheris.Fuzz()


def with_hypothesis(name: str, seconds: int, found: Path) -> None:
    """Generate inputs until the time is over; the smallest that breaks the target is kept."""
    from hypothesis import HealthCheck, given, settings
    from llbuild.tests.fuzz.strategies import INPUTS
    from llbuild.tests.fuzz.targets import TARGETS

    until = time.monotonic() + seconds
    last = b""

    @settings(max_examples=2000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(INPUTS[name])
    def feed(data: bytes) -> None:
        nonlocal last
        last = data
        TARGETS[name](data)

    while time.monotonic() < until:
        try:
            feed()
        except BaseException:
            path = found / f"crash-{hashlib.sha256(last).hexdigest()[:16]}"
            path.write_bytes(last)
            print(f"{name} breaks on what {path} holds", flush=True)
            raise


if __name__ == "__main__":
    main()
