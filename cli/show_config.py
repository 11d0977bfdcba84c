"""`llbuild config`: the configuration that counts, and where each value comes from."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .listing import add_format, render_json, wants_json
from .parser import CommandParser
from .tables import render_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .config.values import Config
    from .parser import GlobalOptions

__all__ = ["effective_values", "run"]


def run(argv: Sequence[str]) -> int:
    """Print it."""
    parser = CommandParser(
        "config", "Show the configuration that counts, and where it comes from.", usage="llbuild config [flags]"
    )
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    rows = list(effective_values(options, os.environ, root_given=bool(found.root)))
    if as_json:
        sys.stdout.write(render_json([{"key": key, "value": value, "origin": origin} for key, value, origin in rows]))
        return 0
    sys.stdout.write(f"config file: {options.config.path or 'none'}\n\n")
    sys.stdout.write(render_table(("KEY", "VALUE", "FROM"), rows))
    return 0


def effective_values(
    options: GlobalOptions, environ: Mapping[str, str], *, root_given: bool = False
) -> Iterator[tuple[str, str, str]]:
    """Key, value and origin of all that can be configured: a flag, a variable, a line of the file, the default."""
    config = options.config
    lines = {key: f"{config.path}:{line}" for key, line in config.origins}
    root_from = lines.get("defaults.root", "default")
    if root_given or environ.get("LLBUILD_ROOT"):
        root_from = "--root" if root_given else "$LLBUILD_ROOT"
    progress, progress_from = config.build.progress, lines.get("build.progress", "default")
    for variable in ("BUILDKIT_PROGRESS", "LLBUILD_PROGRESS"):
        if environ.get(variable):
            progress, progress_from = environ[variable], f"${variable}"
    yield "defaults.root", options.root, root_from
    yield "build.progress", progress, progress_from
    for key, value in _plain_values(config):
        yield key, value, lines.get(key, "default")


def _plain_values(config: Config) -> Iterator[tuple[str, str]]:
    build, defaults, gc = config.build, config.defaults, config.gc
    yield "build.max-parallelism", str(build.max_parallelism or "as the machine allows")
    yield "build.shared-parallelism", _limit(build.shared_parallelism)
    yield "build.max-copies", str(build.max_copies or "as the machine allows")
    yield "build.max-transfers", str(build.max_transfers or "as the machine allows")
    yield "build.keep-going", _said(build.keep_going)
    yield "build.snapshotter", build.snapshotter or "auto"
    yield "build.isolation", build.isolation
    yield "build.oci-runtime", build.oci_runtime or "the first there is"
    yield "build.seccomp", build.seccomp or "Docker's default profile"
    yield "build.engine", build.engine or "the first there is"
    yield "defaults.platform", defaults.platform or "this machine's"
    yield "defaults.frontend", defaults.frontend or "what the build file says"
    yield "defaults.pull", _said(defaults.pull)
    yield "gc.enabled", _said(gc.enabled)
    yield "gc.interval", f"{gc.interval_s:g}s"
    yield "gc.reservedSpace", str(gc.reserved_space or "10% of the disk, at most 10GB")
    yield "gc.maxUsedSpace", str(gc.max_used_space or "80% of the disk, at most 100GB")
    yield "gc.minFreeSpace", str(gc.min_free_space or "20%")
    if not gc.policy:
        yield "gc.policy", "BuildKit's four rules"
    for number, rule in enumerate(gc.policy):
        alternatives = [",".join(f"{one.key}{one.operator}{one.value}" for one in group) for group in rule.filters]
        at = f"gc.policy.{number}"
        yield f"{at}.all", _said(rule.all_types)
        yield f"{at}.filters", " or ".join(alternatives) or "everything"
        yield f"{at}.keepDuration", f"{rule.keep_duration_s:g}s"
        for name, space in (
            ("reservedSpace", rule.reserved_space),
            ("maxUsedSpace", rule.max_used_space),
            ("minFreeSpace", rule.min_free_space),
        ):
            yield f"{at}.{name}", str(space) if space else "no limit"
    for registry in config.registries:
        at = f"registry.{registry.host}"
        yield f"{at}.http", "on this machine only" if registry.http is None else _said(registry.http)
        yield f"{at}.http2", _said(registry.http2)
        yield f"{at}.insecure", _said(registry.insecure)
        yield f"{at}.mirrors", ", ".join(registry.mirrors) or "none"
        yield f"{at}.ca", ", ".join(registry.ca) or "the system's"
        for number, (key, cert) in enumerate(registry.keypair):
            yield f"{at}.keypair.{number}.key", key
            yield f"{at}.keypair.{number}.cert", cert


def _limit(number: int | None) -> str:
    return "as the machine allows" if number is None else str(number or "no limit")


def _said(flag: bool) -> str:
    return "true" if flag else "false"
