"""How a definition is built and where the result goes: the flags that `build` and `solve` share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..solver import ENTITLEMENTS
from ..values import frozen
from .attest.options import Attestations, add_attest_flags, read_attestations
from .given import AgentSource, SecretSource, parse_secret, unique_agents
from .image_names import image_name
from .image_options import parse_annotations
from .outputs import STDOUT, Output, add_to_outputs, parse_outputs
from .parser import GlobalOptions, read_globals, suggestion
from .progress import FORMS
from .resources import StepResources, parse_resources
from .security import (
    Confinement,
    add_isolation_flags,
    add_security_flag,
    add_snapshotter_flag,
    configured,
    read_confinement,
    read_snapshotter,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cache.specs import CacheSource, CacheTarget
    from .parser import CommandParser, Found

__all__ = ["SolveOptions", "add_solve_flags", "read_solve_options"]


@frozen
class SolveOptions:
    """Everything about a build but what is built."""

    globals: GlobalOptions
    tags: tuple[str, ...] = ()  # full names: docker.io/library/hello:latest
    outputs: tuple[Output, ...] = ()  # none: the local store
    cache_to: tuple[CacheTarget, ...] = ()
    cache_from: tuple[CacheSource, ...] = ()
    progress: str = "auto"  # one of progress.FORMS
    iidfile: str = ""
    metadata_file: str = ""
    max_parallelism: int = 0  # 0: as the machine allows
    shared_parallelism: int | None = None  # of all builds of the state folder; None: as the machine allows; 0: no limit
    lock: str = ""  # a file; "" with `locked`: the one of the context
    locked: bool = False  # nothing may be used that is not in the lock file
    snapshotter: str = ""  # "": the first that works
    confinement: Confinement = Confinement()
    keep_going: bool = False  # after a failure, with what does not need it
    secrets: tuple[SecretSource, ...] = ()
    agents: tuple[AgentSource, ...] = ()
    allowed: tuple[str, ...] = ()  # entitlements
    resources: StepResources = StepResources()
    attestations: Attestations = Attestations()

    @property
    def quiet(self) -> bool:
        """Nothing but the image's digest is wanted on the terminal."""
        return self.progress == "quiet"

    @property
    def writes_to_stdout(self) -> bool:
        return any(output.dest == STDOUT for output in self.outputs)


def add_solve_flags(parser: CommandParser) -> None:
    parser.add_value("-t", "--tag", metavar="NAME[:TAG]", many=True, help="name of the image; may be repeated")
    kinds = "image|registry|oci[,tar=false]|docker|local|tar|cacheonly"
    parser.add_value(
        "-o", "--output", metavar="SPEC", many=True, help=f"type={kinds},dest=PATH; DIR; -; may be repeated"
    )
    parser.add_flag("--push", help="push the image to the registry of each of its names")
    parser.add_flag("--load", help="load the image into docker or podman")
    parser.add_flag("--squash", help="make one layer of all that the build adds to its base image")
    parser.add_value("--annotation", metavar="[LEVEL:]KEY=VALUE", many=True, help="annotation of the image's manifest")
    add_attest_flags(parser)
    cache_to = "type=registry,ref=REF[,mode=max] | type=local,dest=DIR | type=inline"
    parser.add_value("--cache-to", metavar="SPEC", many=True, help=cache_to)
    parser.add_value("--cache-from", metavar="SPEC", many=True, help="REF | type=local,src=DIR; read before the build")
    parser.add_value("--progress", metavar="FORM", help=f"{', '.join(FORMS)} ($LLBUILD_PROGRESS, $BUILDKIT_PROGRESS)")
    parser.add_flag("-q", "--quiet", help="print the image's digest, nothing else")
    parser.add_value("--iidfile", metavar="FILE", help="write the image's digest to FILE")
    parser.add_value("--metadata-file", metavar="FILE", help="write the result's metadata to FILE (JSON)")
    parser.add_value("--lock", metavar="FILE", help="hold sources to what FILE says, and add to it what is new")
    parser.add_flag("--locked", help="refuse sources that are not in the lock file (default: CONTEXT/llbuild.lock)")
    rights = f"what steps may ask for: {', '.join(ENTITLEMENTS)}; or fs.write=DIR, for mode=delete of an output"
    parser.add_value("--allow", metavar="RIGHT", many=True, help=rights)
    parser.add_value(
        "--resource", metavar="SPEC", many=True, help="what a step may take: memory=512m,cpus=1.5,pids=200"
    )
    parser.add_value("--max-parallelism", metavar="N", help="steps of this build that may run at the same time")
    parser.add_value(
        "--shared-parallelism", metavar="N", help="steps of all builds of the state folder that may; 0 for no limit"
    )
    add_security_flag(parser)
    add_isolation_flags(parser)
    add_snapshotter_flag(parser)
    parser.add_flag("--keep-going", help="after a failure, go on with what does not need it")
    parser.set_defaults(keep_going=None)  # as the config file says
    parser.add_value(
        "--secret", metavar="SPEC", many=True, help="id=ID[,src=FILE|,env=NAME]: secret for steps that ask"
    )
    parser.add_value(
        "--ssh", metavar="SPEC", many=True, help="default|ID[=SOCKET|=KEY[,KEY]]: ssh agent for such steps"
    )


def read_solve_options(found: Found, environ: Mapping[str, str]) -> SolveOptions:
    """Raises UsageError saying which flag is wrong, or which two cannot be had at once."""
    options_of_all = read_globals(found, environ)
    config = options_of_all.config.build
    attestations = read_attestations(found)
    allowed, writable = _rights(found)
    options = SolveOptions(
        globals=options_of_all,
        tags=tuple(dict.fromkeys(image_name("--tag", text) for text in found.tag or ())),
        outputs=add_to_outputs(
            parse_outputs(found.output or ()),
            push=found.push,
            load=found.load,
            squash=found.squash,
            annotations=parse_annotations(found.annotation) if found.annotation else (),
            attested=bool(attestations),
        ),
        cache_to=_cache_targets(found.cache_to),
        cache_from=_cache_sources(found.cache_from),
        progress=_progress(found, environ, config.progress),
        iidfile=found.iidfile or "",
        metadata_file=found.metadata_file or "",
        max_parallelism=_parallelism("--max-parallelism", found.max_parallelism, 1) or config.max_parallelism,
        shared_parallelism=_first(
            _parallelism("--shared-parallelism", found.shared_parallelism, 0), config.shared_parallelism
        ),
        keep_going=config.keep_going if found.keep_going is None else found.keep_going,
        lock=_lock(found.lock),
        locked=found.locked,
        snapshotter=read_snapshotter(found.snapshotter, config.snapshotter),
        secrets=tuple(map(parse_secret, found.secret or ())),
        agents=unique_agents(found.ssh or ()),
        allowed=allowed,
        resources=parse_resources(found.resource or ()),
        confinement=read_confinement(found, configured(config)),
        attestations=attestations,
    )
    if any(output.deletes for output in options.outputs):
        from .rights import check_deletions

        check_deletions(options.outputs, writable)
    _check_agreement(options)
    return options


def _progress(found: Found, environ: Mapping[str, str], default: str) -> str:
    asked: str | None = found.progress
    if asked is not None:
        form = _form(asked, "--progress")
        if found.quiet and form not in {"auto", "quiet"}:
            raise UsageError(f"--quiet and --progress {form} contradict each other")
    if found.quiet:
        return "quiet"
    if asked is not None:
        return form
    for variable in ("LLBUILD_PROGRESS", "BUILDKIT_PROGRESS"):
        if environ.get(variable):
            return _form(environ[variable], f"${variable}")
    return default


def _form(text: str, origin: str) -> str:
    form = "quiet" if text == "none" else text
    if form not in FORMS:
        known = ", ".join(FORMS)
        raise UsageError(f"{origin}: unknown form {text!r}{suggestion(text, FORMS)}", hint=f"the forms are {known}")
    return form


def _cache_targets(texts: Sequence[str] | None) -> tuple[CacheTarget, ...]:
    if not texts:
        return ()
    from .cache.specs import parse_cache_targets  # most builds have neither

    return parse_cache_targets(texts)


def _cache_sources(texts: Sequence[str] | None) -> tuple[CacheSource, ...]:
    if not texts:
        return ()
    from .cache.specs import parse_cache_sources

    return parse_cache_sources(texts)


def _lock(path: str | None) -> str:
    if path == "" or (path and os.path.isdir(path)):
        raise UsageError(f"--lock {path!r}: expected a file, e.g. llbuild.lock")
    return path or ""


def _parallelism(flag: str, text: str | None, least: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) < 1_000_000:
        raise UsageError(f"{flag}: expected a number from {least} up, found {text!r}")
    return int(text)


def _first(given: int | None, configured: int | None) -> int | None:
    return configured if given is None else given


def _rights(found: Found) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entitlements, and folders that may be cleared: most builds have neither."""
    if not found.allow:
        return (), ()
    from .rights import read_rights

    return read_rights(found.allow)


def _check_agreement(options: SolveOptions) -> None:
    if any(output.image.squash for output in options.outputs) and any(target.inline for target in options.cache_to):
        raise UsageError("a squashed image has no layers for --cache-to type=inline to tell about")
    if options.quiet and options.writes_to_stdout:
        raise UsageError(
            "an output goes to stdout, where the digest is printed as well",
            hint="without --quiet, progress goes to stderr only; or give the output a dest=FILE",
        )
    files = [path for path in (options.iidfile, options.metadata_file, options.lock) if path]
    written = [output.dest for output in options.outputs if output.dest not in {"", STDOUT}] + files
    twice = next((path for path in written if written.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"two results would be written to {twice!r}")
