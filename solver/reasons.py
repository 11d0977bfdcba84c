"""Why a step ran: the record that it is held against, found and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .explain import explain_miss
from .nearest import EarlierSteps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..digest import Digest
    from .derivations import Derivation, Derivations
    from .explain import Reason

__all__ = ["Past"]


class Past:
    """What was recorded before a build began: the steps that ran in it are held against that. Synchronous."""

    def __init__(self, derivations: Derivations, began: float) -> None:
        """began: in seconds since 1970."""
        self._derivations = derivations
        self._began = began
        self._steps: EarlierSteps | None = None  # the past stays as it is: read once, if at all

    def reasons_of(self, derivation: Derivation, listings: Iterable[tuple[Digest, bytes]] = ()) -> list[Reason]:
        """Why a step of the build had to run; at least one reason.

        listings: those behind its files that are not recorded yet.
        """
        before = self._derivations.of_vertex(derivation.vertex, self._began)
        if before is None and not derivation.ignored:
            before = self._derivations.of_name(derivation.name, self._began)
            if before is None or before.op.keys() != derivation.op.keys():
                before = self._nearest(derivation)
        here = {str(digest): listing for digest, listing in listings if listing}
        return explain_miss(derivation, before, lambda digest: here.get(digest) or self._derivations.listing(digest))

    def recorded_reasons(self, vertex: Digest, completed: float) -> list[Reason]:
        """As `reasons_of`, for a step of the build that is over since `completed`; none when its record is gone."""
        derivation = self._derivations.of_build(vertex, self._began, completed)
        return [] if derivation is None else self.reasons_of(derivation)

    def _nearest(self, derivation: Derivation) -> Derivation | None:
        if self._steps is None:
            self._steps = EarlierSteps(self._derivations.names(self._began))
        for number in self._steps.like(derivation.name):
            found = self._derivations.get(number)
            if found is not None and found.op.keys() == derivation.op.keys():  # a process is no copy
                return found
        return None
