"""Why a step ran: the record that it is held against, found and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .explain import explain_miss
from .nearest import CANDIDATES, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..digest import Digest
    from .derivations import Derivation, Derivations
    from .explain import Reason

__all__ = ["reasons_of"]


def reasons_of(
    derivation: Derivation, derivations: Derivations, began: float, listings: Iterable[tuple[Digest, bytes]] = ()
) -> list[Reason]:
    """Why it had to run. `began`: when its build did; only what was recorded before counts as earlier.

    listings: those behind its files that are not recorded yet.
    """
    before = derivations.of_vertex(derivation.vertex, began)
    if before is None and not derivation.ignored:
        before = derivations.of_name(derivation.name, began)
        if before is None or before.op.keys() != derivation.op.keys():
            before = nearest(derivation, derivations.latest(began, CANDIDATES))
    here = {str(digest): listing for digest, listing in listings if listing}
    return explain_miss(derivation, before, lambda digest: here.get(digest) or derivations.listing(digest))
