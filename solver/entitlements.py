"""What a step may only have when whoever builds says so: rights over the machine. Names are BuildKit's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import DockerfileError, LlbuildError
from ..llb import ExecOp, Metadata, NetMode, SecurityMode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ..llb import Definition

__all__ = ["ENTITLEMENTS", "NETWORK_HOST", "check_entitlements"]

NETWORK_HOST: Final = "network.host"
SECURITY_INSECURE: Final = "security.insecure"
ENTITLEMENTS: Final = (NETWORK_HOST, SECURITY_INSECURE)
_WORDS = {
    NETWORK_HOST: "the step wants the network of the machine",
    SECURITY_INSECURE: "the step wants to run without confinement",
}
_NOTHING = Metadata()


def check_entitlements(definitions: Iterable[Definition], allowed: Collection[str]) -> None:
    """Raises an error at the first step that wants more than is allowed, whether it would run or not."""
    for definition in definitions:
        said = None
        for vertex in definition.vertices:
            for wanted in _wanted(vertex.op) if isinstance(vertex.op, ExecOp) else ():
                if wanted in allowed:
                    continue
                said = definition.metadata_of() if said is None else said
                about = said.get(vertex.digest, _NOTHING)
                hint = f"if you trust it, allow it with --allow {wanted}"
                if about.spans:
                    raise DockerfileError(_WORDS[wanted], at=about.spans[0], hint=hint)
                raise LlbuildError(f"{about.name or vertex.digest}: {_WORDS[wanted]}", hint=hint)


def _wanted(op: ExecOp) -> Iterator[str]:
    if op.network is NetMode.HOST:
        yield NETWORK_HOST
    if op.security is SecurityMode.INSECURE:
        yield SECURITY_INSECURE
