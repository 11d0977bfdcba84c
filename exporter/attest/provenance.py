"""SLSA provenance: how a result came about, from which sources, by which steps.

Fields and their meaning are BuildKit's (moby/buildkit, docs/attestations/slsa-definitions.md), so that what reads
BuildKit's provenance reads this. Spec: https://slsa.dev/provenance/v1. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ... import __version__
from ...image import encode_moment, parse_reference
from ...llb import ExecOp, MountType, NetMode, SourceOp, redacted
from ...values import frozen
from .purl import image_purl
from .statement import PROVENANCE_PREFIX, Predicate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...image import Descriptor
    from ...llb import Definition, Edge
    from ...platforms import Platform
    from ...worker.source import Material

__all__ = ["VERSIONS", "BuildFacts", "Mode", "ProvenanceForm", "local_names", "make_provenance"]

BUILD_TYPE: Final = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
V1, V02 = "v1", "v0.2"
VERSIONS = (V1, V02)
_FRONTENDS = {"dockerfile": "dockerfile.v0", "definition": ""}  # as BuildKit calls ours; "" is none
_OF_THE_MACHINE = frozenset({"cgroup-parent", "image-resolve-mode", "platform", "cache-imports"})
_VALUES = ("build-arg:", "label:")  # options whose values mode=min leaves out


class Mode(Enum):
    """How much is told. MIN tells nothing of arguments, secrets and steps."""

    MIN = "min"
    MAX = "max"


@frozen
class ProvenanceForm:
    """What provenance was asked for. reproducible: what the user says of the build."""

    mode: Mode = Mode.MAX
    version: str = V1
    builder_id: str = ""
    reproducible: bool = False
    inline_only: bool = False
    filename: str = "provenance.json"


@frozen
class BuildFacts:
    """One platform's build.

    options: the frontend's, as asked. build_file: its path in its context, "" for none. folders: names of the client's
    that were read. started, finished: seconds since 1970. invocation: the same for all platforms of a build.
    layers: blobs of the results that are known, bottom first. vcs: what version control says of the context.
    """

    frontend: str
    options: Mapping[str, str]
    build_file: str
    materials: Sequence[Material]
    folders: Sequence[str]
    definition: Definition
    builder: Platform
    started: float
    finished: float
    invocation: str
    layers: Mapping[Edge, Sequence[Descriptor]]
    vcs: Mapping[str, str] = {}


def make_provenance(facts: BuildFacts, form: ProvenanceForm) -> Predicate:
    """What the facts say, in the form that was asked for."""
    request, complete = _request(facts, form.mode)
    folders = bool(facts.folders)
    metadata: dict[str, Any] = {
        "invocationId": facts.invocation,
        "startedOn": _moment(facts.started),
        "finishedOn": _moment(facts.finished),
        "buildkit_metadata": _vcs(facts),
        "buildkit_hermetic": not folders and not _uses_network(facts.definition),
        "buildkit_completeness": {"request": complete, "resolvedDependencies": not folders},
        "buildkit_reproducible": form.reproducible,
    }
    internal: dict[str, Any] = {"builderPlatform": str(facts.builder)}
    if form.mode is Mode.MAX:
        internal["buildConfig"], told = _steps(facts)
        metadata["buildkit_metadata"] |= told
    document = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"configSource": _config_source(facts), "request": request},
            "internalParameters": internal,
            "resolvedDependencies": [_dependency(material) for material in facts.materials],
        },
        "runDetails": {
            "builder": {"id": form.builder_id, "version": {"llbuild": __version__}},
            "metadata": metadata,
        },
    }
    if form.version == V02:
        from .slsa02 import as_slsa02

        document = as_slsa02(document)
    return Predicate(
        type=PROVENANCE_PREFIX + form.version, document=document, filename=form.filename, inline_only=form.inline_only
    )


def _request(facts: BuildFacts, mode: Mode) -> tuple[dict[str, Any], bool]:
    """What the frontend was asked, and whether that is all of it."""
    frontend = _FRONTENDS.get(facts.frontend, facts.frontend)
    complete = bool(frontend)
    context = facts.options.get("contextkey") or "context"
    args = {}
    for key, value in sorted(facts.options.items()):
        if key in _OF_THE_MACHINE or key in {context, "filename"} or key.startswith("vcs:"):
            continue
        if mode is Mode.MIN and key.startswith(_VALUES):
            complete = False
            continue
        args[key] = redacted(value) if key.startswith("context:") else value
    request: dict[str, Any] = {"frontend": frontend, "args": args}
    if mode is Mode.MAX:
        request |= _lent(facts.definition)
    request["locals"] = [{"name": name} for name in sorted(set(facts.folders))]
    return {key: value for key, value in request.items() if value}, complete


def _lent(definition: Definition) -> dict[str, Any]:
    """Secrets and ssh agents that steps are given, by id, never a value. Optional is what no step insists on."""
    secrets: dict[str, bool] = {}
    agents: dict[str, bool] = {}
    for op in _execs(definition):
        for mount in op.mounts:
            if mount.mount_type is MountType.SECRET and mount.secret is not None:
                _lend(secrets, mount.secret.id, mount.secret.optional)
            elif mount.mount_type is MountType.SSH and mount.ssh is not None:
                _lend(agents, mount.ssh.id or "default", mount.ssh.optional)
        for variable in op.secret_env:
            _lend(secrets, variable.id, variable.optional)
    return {"secrets": _ids(secrets), "ssh": _ids(agents)}


def _lend(known: dict[str, bool], name: str, optional: bool) -> None:
    known[name] = known.get(name, True) and optional


def _ids(known: Mapping[str, bool]) -> list[dict[str, Any]]:
    return [{"id": name} | ({"optional": True} if optional else {}) for name, optional in sorted(known.items())]


def _config_source(facts: BuildFacts) -> dict[str, Any]:
    """Where the build began: a repository or URL with its digest, and the build file in it."""
    source: dict[str, Any] = {}
    context = facts.options.get(facts.options.get("contextkey") or "context", "")
    if context:
        source["uri"] = redacted(context)
        found = next((one for one in facts.materials if _is_context(one, source["uri"])), None)
        if found is not None:
            source["digest"] = _digest_set(found)
    if facts.build_file:
        source["path"] = facts.build_file
    return source


def _is_context(material: Material, uri: str) -> bool:
    """A context may name a folder behind the ref of a repository, or spell the ref as a query; a material does not."""
    if material.scheme == "http":
        return material.name == uri
    place, _, fragment = uri.partition("#")
    place, _, query = place.partition("?")
    pairs = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
    spelt = (pairs.get(key, "") for key in ("ref", "branch", "tag", "checksum", "commit"))
    ref = fragment.partition(":")[0] or next(filter(None, spelt), "")
    known, _, known_ref = material.name.partition("#")
    same = _bare(known) == _bare(place)
    return same and material.scheme == "git" and known_ref.rpartition("/")[2] in {"", ref.rpartition("/")[2]}


def _bare(url: str) -> str:
    return url.rpartition("://")[2].removesuffix("/").removesuffix(".git")


def _dependency(material: Material) -> dict[str, Any]:
    uri = material.name
    if material.scheme in {"docker-image", "oci-layout"}:
        kind = "docker" if material.scheme == "docker-image" else "oci"
        pinned = "" if kind == "oci" or parse_reference(material.name).tag else material.digest
        uri = image_purl(material.name, material.platform, kind=kind, digest=pinned)
    return {"uri": uri, "digest": _digest_set(material)}


def _digest_set(material: Material) -> dict[str, str]:
    algorithm, _, digits = material.digest.partition(":")
    return {algorithm: digits}


def _steps(facts: BuildFacts) -> tuple[dict[str, Any], dict[str, Any]]:
    """The build's steps; and beside them where they come from and what layers they made."""
    from ...proto import build_steps  # with protobuf: only for who asks for all

    found = build_steps(facts.definition)
    layers = {
        f"{found.names[edge.vertex]}:{edge.output}": [[_layer(descriptor) for descriptor in chain]]
        for edge, chain in facts.layers.items()
        if edge.vertex in found.names
    }
    config = {"llbDefinition": found.steps, "digestMapping": found.mapping}
    told = {"source": {"locations": found.locations, "infos": found.infos}, "layers": dict(sorted(layers.items()))}
    return config, {key: value for key, value in told.items() if value}


def _layer(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size_bytes}


def _vcs(facts: BuildFacts) -> dict[str, Any]:
    """What is said of the context's version control, the caller's word first; nobody has checked it."""
    given = {key.removeprefix("vcs:"): value for key, value in facts.options.items() if key.startswith("vcs:")}
    said = {key: redacted(value) for key, value in sorted({**facts.vcs, **given}.items()) if value}
    return {"vcs": said} if said else {}


def _uses_network(definition: Definition) -> bool:
    return any(op.network is not NetMode.NONE for op in _execs(definition))


def _execs(definition: Definition) -> Iterable[ExecOp]:
    return (vertex.op for vertex in definition.vertices if isinstance(vertex.op, ExecOp))


def local_names(definition: Definition) -> tuple[str, ...]:
    """The client's folders that a definition reads."""
    ops = (vertex.op for vertex in definition.vertices)
    return tuple(dict.fromkeys(op.ref for op in ops if isinstance(op, SourceOp) and op.scheme == "local"))


def _moment(seconds: float) -> str:
    return encode_moment(datetime.fromtimestamp(seconds, UTC))
