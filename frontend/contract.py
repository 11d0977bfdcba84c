"""What a frontend is: a build language, compiled to LLB.

A **compiling** frontend is a plain function, `compile(request, lookup) -> Compiled`. What it must
know from outside (a base image's config, a file of the context) it asks of `lookup`, which answers
from what is already known. An answer of None is "not known yet, and noted": the function asks for
everything it can think of and then raises `MoreNeeded`; what was noted is fetched, all at once,
and the function is called again from the start. It must therefore be pure.

Example, complete:

    def compile(request: Request, lookup: Lookup) -> Compiled:
        recipe = lookup.file("dockerfile", request.option("filename") or "recipe.txt")
        base = lookup.image("docker.io/library/busybox:latest", request.platform)
        if recipe is None or base is None:
            raise MoreNeeded
        state = image(base.pinned, platform=request.platform).run(recipe.decode()).root
        result = PlatformResult(platform=request.platform, definition=state.marshal(), image=base.config)
        return Compiled(results=(result,))

    FRONTEND = CompilingFrontend(name="recipe", compile=compile)

registered in the plugin's pyproject.toml: `[project.entry-points."llbuild.frontends"] recipe = "pkg:FRONTEND"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import BuildWarning
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..digest import Digest
    from ..image import ImageConfig
    from ..llb import Definition
    from ..platforms import Platform
    from .subrequests import LintResult, Outline, Target

__all__ = [
    "BuildWarning",
    "Compiled",
    "CompilingFrontend",
    "Lookup",
    "MoreNeeded",
    "NoSuchFile",
    "NoTime",
    "PlatformResult",
    "Request",
    "ResolvedImage",
]


@frozen
class Request:
    """One build, as asked for.

    `options` are BuildKit's frontend attributes: `filename`, `target`, `build-arg:NAME`, `label:NAME`, `context:NAME`,
    `platform` (several with commas between), `no-cache`, `image-resolve-mode`, … (FEATURES of `docker build`).
    The client's folders are the local sources `context` and `dockerfile`.

    `for_build`: somebody will build the result, so what the worker cannot do yet is refused, at its place. False: only
    the graph is wanted, whole.
    """

    options: Mapping[str, str]
    platform: Platform  # wanted of the image; the first one where the option `platform` names several
    build_platform: Platform  # of this machine
    for_build: bool = True
    session_id: str = ""  # of the client whose folders `local://` sources mean; "" where it goes without saying

    def option(self, name: str) -> str | None:
        return self.options.get(name)

    def options_under(self, prefix: str) -> dict[str, str]:
        """The options `prefix:NAME`, by NAME, in the order given."""
        head = prefix + ":"
        return {key[len(head) :]: value for key, value in self.options.items() if key.startswith(head)}


@frozen
class ResolvedImage:
    """What an image reference means right now."""

    ref: str  # canonical, without digest: docker.io/library/busybox:latest
    digest: Digest  # of the manifest or index the name points at
    config: ImageConfig

    @property
    def pinned(self) -> str:
        """The reference with its digest, as a `docker-image://` source wants it."""
        return f"{self.ref}@{self.digest}"


class NoSuchFile(Exception):  # noqa: N818  an answer, not a failure
    """`lookup.file`'s answer when it is known that there is no such file."""


class NoTime(Exception):  # noqa: N818  an answer, not a failure
    """`lookup.source_time`'s answer when it is known that the source has none."""


class MoreNeeded(Exception):  # noqa: N818  a request, not a failure
    """Raised by `compile` after a lookup answered None: fetch what was noted, and call again."""


class Lookup(Protocol):
    """Answers from what is known. Every answer of None is noted and fetched before the next call."""

    def image(self, ref: str, platform: Platform) -> ResolvedImage | None:
        """The image and its config. `ref`: any reference, or `oci-layout://…`.

        Raises SourceError when it is known that it cannot be had.
        """
        ...

    def file(self, context: str, path: str) -> bytes | None:
        """A file of a client folder (`dockerfile`, `context` or a named one).

        Raises NoSuchFile when there is none, SourceError when it cannot be read.
        """
        ...

    def result_file(self, definition: Definition, path: str, *, limit: int = 0) -> bytes | None:
        """A file of what a graph makes: of a repository, say. Links in it are followed, and never lead out of it.

        limit: no more than so many bytes from its beginning; 0: all of it. Raises NoSuchFile when there is none,
        LlbuildError when the graph cannot be built or the file cannot be read.
        """
        ...

    def source_time(self, identifier: str, attrs: Mapping[str, str]) -> int | None:
        """When a git or HTTP source is from, in seconds since 1970.

        A commit's time, a file's last modification or, where the server does not tell, the newest file of the archive
        that it is. Raises NoTime when it has none, SourceError when it cannot be had.
        """
        ...


@frozen
class PlatformResult:
    """One platform's filesystem, and the config of the image made of it.

    `image.diff_ids` are the base image's; the exporter replaces them. `image.history` is complete:
    the base's entries and one per instruction, in order.
    `epoch_s`: SOURCE_DATE_EPOCH, in seconds since 1970, which nothing that the exporter dates is to be younger than.
    """

    platform: Platform
    definition: Definition
    image: ImageConfig
    epoch_s: int | None = None


@frozen
class Compiled:
    """What a frontend made of a request."""

    results: tuple[PlatformResult, ...]
    warnings: tuple[BuildWarning, ...] = ()


@frozen
class CompilingFrontend:
    """A frontend that is a pure function.

    What else it can be asked about a build file, without building: BuildKit's subrequests. All work as `compile`
    does, with MoreNeeded for what they miss.
    """

    name: str
    compile: Callable[[Request, Lookup], Compiled]
    lint: Callable[[Request, Lookup], LintResult] | None = None
    outline: Callable[[Request, Lookup], Outline] | None = None
    targets: Callable[[Request, Lookup], tuple[Target, ...]] | None = None
