"""`--secret` and `--ssh`: what the client lends a build, without ever becoming part of it. Forms are docker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..values import frozen
from .csv_specs import split_csv
from .parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_SECRET_BYTES", "AgentSource", "SecretSource", "parse_agent", "parse_secret", "unique_agents"]

MAX_SECRET_BYTES = 500 * 1024  # BuildKit's limit
_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")


@frozen
class SecretSource:
    """Where a secret is: in a file or in an environment variable. Neither said: a variable called `id`, else a file."""

    id: str
    path: str = ""
    variable: str = ""


@frozen
class AgentSource:
    """An ssh agent: its socket, or the private keys of one to be made. No path: `$SSH_AUTH_SOCK`."""

    id: str
    paths: tuple[str, ...] = ()
    raw: bool = False  # the socket is passed on as it is, whatever speaks there


def parse_secret(text: str) -> SecretSource:
    """`id=NAME[,src=FILE|,env=NAME][,type=file|env]`. Raises UsageError."""
    fields: dict[str, str] = {}
    for field in split_csv(text, flag="--secret"):
        key, equals, value = field.partition("=")
        key = {"source": "src"}.get(key.strip().lower(), key.strip().lower())
        if not equals:
            raise UsageError(f"--secret {text!r}: expected key=value, found {field!r}")
        if key not in ("env", "id", "src", "type"):
            raise UsageError(
                f"--secret {text!r}: unknown key {key!r}{suggestion(key, ('env', 'id', 'src', 'type'))}",
                hint="it takes id=, src= or env=, and type=",
            )
        fields[key] = value
    kind, path, variable = fields.get("type", ""), fields.get("src", ""), fields.get("env", "")
    if kind not in ("", "env", "file"):
        raise UsageError(f"--secret {text!r}: type= is file or env, not {kind!r}")
    if not fields.get("id"):
        raise UsageError(f"--secret {text!r}: id= is missing")
    if kind == "env" and not variable:
        path, variable = "", path or fields["id"]
    elif kind == "file" and not path:
        path = fields["id"]
    if path and variable:
        raise UsageError(f"--secret {text!r}: src= and env= contradict each other")
    return SecretSource(id=fields["id"], path=path, variable=variable)


def parse_agent(text: str) -> AgentSource:
    """`default`, `ID` or `ID=SOCKET`, `ID=KEY[,KEY…]`, `ID=SOCKET,raw=true`. Raises UsageError."""
    name, _, rest = text.partition("=")
    if not name:
        raise UsageError(f"--ssh {text!r}: expected default, ID=SOCKET or ID=KEY[,KEY…]")
    paths, raw = [], False
    for word in rest.split(",") if rest else ():
        if word.startswith("raw="):
            value = word.removeprefix("raw=").lower()
            if value not in (*_TRUE, *_FALSE):
                raise UsageError(f"--ssh {text!r}: raw= is true or false, not {word.removeprefix('raw=')!r}")
            raw = value in _TRUE
        elif word:
            paths.append(word)
    if raw and len(paths) != 1:
        raise UsageError(f"--ssh {text!r}: raw=true goes with one socket")
    return AgentSource(id=name, paths=tuple(paths), raw=raw)


def unique_agents(texts: Sequence[str]) -> tuple[AgentSource, ...]:
    """All `--ssh` of a command line. Raises UsageError for an id that is given twice."""
    agents: dict[str, AgentSource] = {}
    for agent in map(parse_agent, texts):
        if agent.id in agents:
            raise UsageError(f"--ssh {agent.id} is given twice", hint="list several keys in one: --ssh ID=KEY,KEY")
        agents[agent.id] = agent
    return tuple(agents.values())
