"""`llbuild build`'s arguments as one value. Pure: text and environment in, `BuildOptions` out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SourceError, UsageError
from ..platforms import Platform, parse_platform
from ..values import frozen
from .outputs import STDOUT, Output, parse_outputs
from .parser import CommandParser, GlobalOptions, read_globals, suggestion
from .progress import FORMS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

__all__ = ["STDIN", "BuildOptions", "Pairs", "environment_pairs", "image_name", "parse_build", "platform_of"]

STDIN = "-"
Pairs: TypeAlias = "tuple[tuple[str, str], ...]"


@frozen
class BuildOptions:
    """What one build was asked to do. Names without a value in the environment are left out already."""

    globals: GlobalOptions
    context: str = "."  # a folder, a URL, or "-": stdin
    file: str = ""  # the build file, as the shell sees it; "" is the frontend's default in the context, "-" stdin
    tags: tuple[str, ...] = ()  # full names: docker.io/library/hello:latest
    target: str = ""
    build_args: Pairs = ()
    labels: Pairs = ()
    build_contexts: Pairs = ()
    outputs: tuple[Output, ...] = ()  # none: the local store
    platform: Platform | None = None  # None: this machine's
    no_cache: bool = False
    pull: bool = False
    progress: str = "auto"  # one of progress.FORMS
    iidfile: str = ""
    metadata_file: str = ""
    frontend: str = ""  # "": as the build file says, else Dockerfile
    frontend_options: Pairs = ()
    max_parallelism: int = 0  # 0: as the machine allows
    keep_going: bool = False  # after a failure, with what does not need it
    no_cache_filter: tuple[str, ...] = ()  # stages to run again

    @property
    def quiet(self) -> bool:
        """Nothing but the image's digest is wanted on the terminal."""
        return self.progress == "quiet"

    @property
    def writes_to_stdout(self) -> bool:
        return any(output.dest == STDOUT for output in self.outputs)


def parse_build(argv: Sequence[str], environ: Mapping[str, str]) -> BuildOptions:
    """Read `llbuild build`'s arguments.

    Raises UsageError saying which one is wrong and what was expected; SystemExit after --help.
    """
    found = build_parser().parse(argv)
    options_of_all = read_globals(found, environ)
    build_config, defaults = options_of_all.config.build, options_of_all.config.defaults
    options = BuildOptions(
        globals=options_of_all,
        context=found.context,
        file=found.file or "",
        tags=tuple(dict.fromkeys(image_name("--tag", text) for text in found.tag or ())),
        target=found.target or "",
        build_args=environment_pairs("--build-arg", found.build_arg or (), environ),
        labels=_pairs("--label", found.label, "KEY=VALUE", value_needed=False),
        build_contexts=_pairs("--build-context", found.build_context, "NAME=SOURCE"),
        outputs=parse_outputs(found.output or ()),
        platform=platform_of(found.platform or ([defaults.platform] if defaults.platform else ())),
        no_cache=found.no_cache,
        pull=defaults.pull if found.pull is None else found.pull,
        progress=_progress(found, environ, build_config.progress),
        iidfile=found.iidfile or "",
        metadata_file=found.metadata_file or "",
        frontend=found.frontend or defaults.frontend,
        frontend_options=_pairs("--opt", found.opt, "KEY=VALUE"),
        max_parallelism=_parallelism(found.max_parallelism) or build_config.max_parallelism,
        keep_going=build_config.keep_going if found.keep_going is None else found.keep_going,
        no_cache_filter=_stages(found.no_cache_filter or ()),
    )
    _check_agreement(options)
    return options


# of `docker build` and `docker buildx build`
_NOT_YET = frozenset(
    f"--{name}"
    for name in (
        *("add-host", "allow", "annotation", "attest", "build-arg-file", "builder", "cache-from", "cache-to"),
        *("call", "cgroup-parent", "check", "compress", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus"),
        *("cpuset-mems", "device", "force-rm", "isolation", "load", "memory", "memory-swap", "network"),
        *("policy", "provenance", "push", "resource", "rm", "sbom", "secret", "security-opt"),
        *("shm-size", "squash", "ssh", "ulimit"),
    )
)


def build_parser() -> CommandParser:
    """The flags of `llbuild build`."""
    parser = CommandParser("build", "Build an image from a Dockerfile.", usage="llbuild build [flags] [CONTEXT]")
    parser.not_yet = _NOT_YET
    parser.add_argument("context", metavar="CONTEXT", nargs="?", default=".", help="folder to build from (default: .)")
    parser.add_value("-f", "--file", metavar="FILE", help="build file (default: CONTEXT/Dockerfile; - is stdin)")
    parser.add_value("-t", "--tag", metavar="NAME[:TAG]", many=True, help="name of the image; may be repeated")
    parser.add_value("--target", metavar="STAGE", help="stage to build (default: the last)")
    parser.add_value("--build-arg", metavar="KEY[=VALUE]", many=True, help="value of an ARG; without =, from $KEY")
    parser.add_value("--label", metavar="KEY=VALUE", many=True, help="label of the image")
    parser.add_value(
        *("-o", "--output"), metavar="SPEC", many=True, help="type=image|oci[,tar=false]|local|tar,dest=PATH; DIR; -"
    )
    parser.add_value("--build-context", metavar="NAME=SOURCE", many=True, help="what FROM/COPY --from NAME means")
    parser.add_value("--platform", metavar="OS/ARCH", many=True, help="platform of the image (default: this one)")
    parser.add_flag("--no-cache", help="run everything again")
    parser.add_value("--no-cache-filter", metavar="STAGE", many=True, help="run these stages again; A,B or repeated")
    parser.add_flag("--pull", help="ask registries for newer base images")
    parser.add_value("--progress", metavar="FORM", help=f"{', '.join(FORMS)} ($LLBUILD_PROGRESS, $BUILDKIT_PROGRESS)")
    parser.add_flag("-q", "--quiet", help="print the image's digest, nothing else")
    parser.add_value("--iidfile", metavar="FILE", help="write the image's digest to FILE")
    parser.add_value("--metadata-file", metavar="FILE", help="write the result's metadata to FILE (JSON)")
    parser.add_value("--frontend", metavar="NAME", help="build language (default: what the file's syntax line says)")
    parser.add_value("--opt", metavar="KEY=VALUE", many=True, help="option of the frontend")
    parser.add_value("--max-parallelism", metavar="N", help="steps that may run at the same time")
    parser.add_flag("--keep-going", help="after a failure, go on with what does not need it")
    parser.set_defaults(pull=None, keep_going=None)  # as the config file says
    return parser


def image_name(what: str, text: str) -> str:
    """The full name that `text` means, for an image to be made. Raises UsageError; `what` is the argument's name."""
    from ..image import parse_reference

    try:
        reference = parse_reference(text)
    except SourceError as exc:
        raise UsageError(f"{what}: {exc.message}", hint=exc.hint) from exc
    if reference.digest is not None:
        raise UsageError(f"{what} {text!r}: a digest cannot be chosen; expected NAME[:TAG]")
    return str(reference)


def environment_pairs(flag: str, texts: Sequence[str], environ: Mapping[str, str]) -> Pairs:
    """`K=V` as it is, `K` from the environment or not at all. A later one replaces an earlier one, in its place."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"{flag} {text!r}: expected KEY or KEY=VALUE")
        if equals:
            found[name] = value
        elif name in environ:
            found[name] = environ[name]
    return tuple(found.items())


def _pairs(flag: str, texts: Sequence[str] | None, form: str, *, value_needed: bool = True) -> Pairs:
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not name or (value_needed and not equals):
            raise UsageError(f"{flag} {text!r}: expected {form}")
        found[name] = value
    return tuple(found.items())


def platform_of(texts: Sequence[str]) -> Platform | None:
    """The one platform of all `--platform` values; None when there are none. Raises UsageError."""
    words = [word for text in texts for word in text.split(",")]
    if not words:
        return None
    if len(words) > 1:
        raise UsageError(
            f"--platform {','.join(words)}: several platforms in one build are not supported yet",
            hint="build them one after the other",
        )
    try:
        return parse_platform(words[0])
    except ValueError as exc:
        raise UsageError(f"--platform: {exc}") from exc


def _progress(found: Namespace, environ: Mapping[str, str], default: str) -> str:
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
    return _form(default, "progress")


def _form(text: str, origin: str) -> str:
    form = "quiet" if text == "none" else text
    if form not in FORMS:
        known = ", ".join(FORMS)
        raise UsageError(f"{origin}: unknown form {text!r}{suggestion(text, FORMS)}", hint=f"the forms are {known}")
    return form


def _stages(texts: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for text in texts for name in text.split(",")]
    if not all(names):
        raise UsageError(f"--no-cache-filter {','.join(texts)!r}: expected STAGE[,STAGE…]")
    return tuple(names)


def _parallelism(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 1_000_000:
        raise UsageError(f"--max-parallelism: expected a number from 1 up, found {text!r}")
    return int(text)


def _check_agreement(options: BuildOptions) -> None:
    """Raises UsageError for what cannot all be had at once."""
    if not options.context:
        raise UsageError("the context is empty; expected a folder", hint="use . for this folder")
    if options.file == STDIN and options.context == STDIN:
        raise UsageError("the build file and the context cannot both come from stdin")
    if options.quiet and options.writes_to_stdout:
        raise UsageError(
            "an output goes to stdout, where the digest is printed as well",
            hint="without --quiet, progress goes to stderr only; or give the output a dest=FILE",
        )
    files = [path for path in (options.iidfile, options.metadata_file) if path]
    written = [output.dest for output in options.outputs if output.dest not in {"", STDOUT}] + files
    twice = next((path for path in written if written.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"two results would be written to {twice!r}")
