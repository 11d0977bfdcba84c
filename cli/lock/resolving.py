"""Asking what all sources of a build are, without building it. With an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ...errors import LlbuildError
from ...solver import resolve_sources, unresolved_sources
from ..client import CommandLineClient
from ..compiling_async import complete, open_answers, unseen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from ..compiling import Compiling
    from ..config.values import Config
    from ..given import AgentSource, SecretSource
    from ..state import State

    Lent: TypeAlias = tuple[Sequence[SecretSource], Sequence[AgentSource]]

__all__ = ["resolve_online"]


def resolve_online(compiling: Compiling, state: State, config: Config, lent: Lent) -> None:
    """Compile, and resolve every source of what comes out; the prober's pins have them afterwards. Raises LlbuildError.

    lent: secrets and ssh agents, for repositories and files behind a login.
    """
    failure = anyio.run(_resolve, compiling, state, config, lent)
    if failure is not None:
        raise failure


async def _resolve(compiling: Compiling, state: State, config: Config, lent: Lent) -> LlbuildError | None:
    prober = compiling.prober
    assert prober is not None, "a lock is of a real state folder"
    async with CommandLineClient(*lent) as client, open_answers(prober, state, config, client) as answers:
        try:
            compiled = compiling.attempt()
            if compiled is None:
                compiled = await complete(compiling, answers, unseen)
            definitions = [result.definition for result in compiled.results]
            _, _, unknown = unresolved_sources(definitions, answers.worker)
            await resolve_sources(unknown, answers.worker)
        except LlbuildError as error:  # kept out of the groups, which would wrap it
            return error
    return None
