"""`--resource`: how much each step may take. Keys are those of `docker buildx build`, and `cpus` and `pids`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..llb import LinuxResources
from ..values import frozen
from .csv_specs import split_csv
from .parser import suggestion
from .step_options import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["StepResources", "parse_resources"]

_PERIOD_US = 100_000  # in which a quota of CPU time counts; the kernel's own
_KEYS = (
    *("memory", "memory-swap", "cpu-shares", "cpu-period", "cpu-quota", "cpuset-cpus", "cpuset-mems"),
    *("cpus", "pids"),
)


@frozen
class StepResources:
    """What no step may exceed."""

    linux: LinuxResources = LinuxResources()
    pids: int = 0  # processes and threads at once; 0: any number


def parse_resources(texts: Sequence[str]) -> StepResources:
    """`memory=512m,cpus=1.5,pids=200`, all that were given. Raises UsageError."""
    found: dict[str, str] = {}
    for field in (field for text in texts for field in split_csv(text, flag="--resource")):
        key, equals, value = field.partition("=")
        if key not in _KEYS or not equals or not value:
            meant = "" if key in _KEYS else suggestion(key, _KEYS)
            raise UsageError(
                f"--resource {field!r}{meant}: expected KEY=VALUE", hint=f"the keys are {', '.join(_KEYS)}"
            )
        found[key] = value
    period = _number(found, "cpu-period", least=1)
    quota = _number(found, "cpu-quota", least=1)
    if "cpus" in found:
        if quota or period:
            raise UsageError("--resource: cpus= stands for cpu-quota= and cpu-period=; give one or the others")
        period, quota = _PERIOD_US, int(_PERIOD_US * _cpus(found["cpus"]))
    linux = LinuxResources(
        memory=_bytes(found, "memory"),
        memory_swap=-1 if found.get("memory-swap") == "-1" else _bytes(found, "memory-swap"),
        cpu_shares=_number(found, "cpu-shares", least=2),
        cpu_period=period,
        cpu_quota=quota,
        cpuset_cpus=found.get("cpuset-cpus", ""),
        cpuset_mems=found.get("cpuset-mems", ""),
    )
    if linux.memory_swap and not linux.memory:
        raise UsageError("--resource: memory-swap= counts memory too, so memory= is needed beside it")
    if 0 < linux.memory_swap < linux.memory:
        raise UsageError("--resource: memory-swap= is memory and swap together, and less than memory= alone")
    return StepResources(linux=linux, pids=_number(found, "pids", least=1))


def _bytes(found: dict[str, str], key: str) -> int:
    if key not in found:
        return 0
    size = parse_bytes(f"--resource {key}", found[key])
    if size == 0:
        raise UsageError(f"--resource {key}: expected more than 0 bytes")
    return size


def _number(found: dict[str, str], key: str, *, least: int) -> int:
    text = found.get(key)
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 18 or int(text) < least:
        raise UsageError(f"--resource {key}: expected a number from {least} up, found {text!r}")
    return int(text)


def _cpus(text: str) -> float:
    try:
        cpus = float(text)
    except ValueError:
        cpus = 0.0
    if not 0.01 <= cpus < 1e6:
        raise UsageError(f"--resource cpus: expected a number like 1.5, at least 0.01; found {text!r}")
    return cpus
