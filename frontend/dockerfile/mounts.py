"""RUN --mount: bind, cache, tmpfs, secret and ssh, and their keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...llb import (
    CacheOptions,
    CacheSharing,
    ChownOptions,
    FileMkdir,
    Metadata,
    Mount,
    MountType,
    SecretEnv,
    SecretOptions,
    SshOptions,
    TmpfsOptions,
)
from .csvfields import split_csv
from .drafts import FileDraft
from .integer import read_bool
from .paths import clean, join
from .suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .build import Build
    from .drafts import Draft
    from .instructions import Run
    from .source import Word
    from .stage import Planned, StageState

__all__ = ["RunMounts", "mount_origin", "read_mounts"]

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = {"shared": CacheSharing.SHARED, "private": CacheSharing.PRIVATE, "locked": CacheSharing.LOCKED}
_KEYS = (
    *("type", "from", "source", "target", "readonly", "readwrite", "id", "sharing", "required"),
    *("size", "mode", "uid", "gid", "env"),
)
_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18}) ?(?:b|([kmgtp])(?:i?b)?)?", re.IGNORECASE)


class _MountSpec:
    """One `--mount`, variables filled in."""

    def __init__(self, word: Word) -> None:
        self.word = word
        self.kind = "bind"
        self.origin = ""  # from=
        self.source = ""
        self.target = ""
        self.readonly: bool | None = None
        self.size = 0
        self.id = ""
        self.sharing = ""
        self.required = False
        self.env: str | None = None
        self.mode: int | None = None
        self.uid: int | None = None
        self.gid: int | None = None

    def fail(self, message: str, hint: str = "") -> DockerfileError:
        return DockerfileError(f"--mount: {message}", at=self.word.at, hint=hint)

    @property
    def owned(self) -> bool:
        return self.mode is not None or self.uid is not None or self.gid is not None


class RunMounts:
    """What the mounts of a RUN come to."""

    def __init__(self) -> None:
        self.mounts: list[tuple[Mount, Draft | None]] = []
        self.secrets: list[Mount] = []
        self.sockets: list[Mount] = []
        self.secret_env: list[SecretEnv] = []

    @property
    def tail(self) -> list[Mount]:
        return [*self.secrets, *self.sockets]

    @property
    def ssh_socket(self) -> str:
        return self.sockets[0].dest if self.sockets else ""

    @property
    def masked(self) -> dict[str, str]:
        """Variables that come from secrets, as they may be shown."""
        return {item.name: "****" for item in self.secret_env}


def mount_origin(word: Word) -> str:
    """`from=` of a mount, before anything else of it is read: it decides which stages are needed."""
    origin = ""
    for item in _fields(word):
        key, equals, value = item.partition("=")
        if equals and key.lower() == "from":
            if "$" in value[:-1]:
                raise DockerfileError(
                    "--mount: 'from' takes no variables",
                    at=word.at,
                    hint="give the image a stage of its own: FROM $IMAGE AS name",
                )
            origin = value
    return origin


def read_mounts(build: Build, state: StageState, planned: Planned, command: Run) -> RunMounts:
    """Raises DockerfileError at the flag that is wrong."""
    found = RunMounts()
    specs = [_read(build, word, state.env) for word in command.mounts]
    for spec, origin in zip(specs, planned.sources, strict=True):
        if spec.kind == "secret":
            _secret(found, spec)
        elif spec.kind == "ssh":
            _ssh(found, spec)
        else:
            found.mounts.append(_filesystem(build, state, spec, origin))
    return found


def _fields(word: Word) -> list[str]:
    try:
        return split_csv(word.text)
    except ValueError as error:
        raise DockerfileError(f"--mount: {error}", at=word.at, hint="write --mount=type=cache,target=/path") from None


def _read(build: Build, word: Word, env: Mapping[str, str]) -> _MountSpec:
    spec = _MountSpec(word)
    for item in _fields(word):
        key, equals, value = item.partition("=")
        key = key.lower()
        if not equals:
            _read_switch(spec, item, key)
            continue
        _read_value(spec, item, _ALIASES.get(key, key), build.expander.word(word.saying(value), env))
    _check(spec)
    return spec


def _read_switch(spec: _MountSpec, item: str, key: str) -> None:
    if key in ("readonly", "ro"):
        spec.readonly = True
    elif key in ("readwrite", "rw"):
        spec.readonly = False
    elif key == "required":
        _only_for(spec, key, ("secret", "ssh"))
        spec.required = True
    else:
        raise spec.fail(f"{item!r} has no value", f"write {item}=…")


def _read_value(spec: _MountSpec, item: str, key: str, value: str) -> None:
    match key:
        case "type":
            spec.kind = _choice(spec, "a type of mount", value, _TYPES)
        case "sharing":
            spec.sharing = _choice(spec, "a way of sharing", value, _SHARING)
        case "from" | "source" | "target" | "id" | "env":
            setattr(spec, "origin" if key == "from" else key, value)
        case "readonly":
            spec.readonly = _truth(spec, key, value)
        case "readwrite":
            spec.readonly = not _truth(spec, key, value)
        case "required":
            _only_for(spec, key, ("secret", "ssh"))
            spec.required = _truth(spec, key, value)
        case "size":
            _only_for(spec, key, ("tmpfs",))
            spec.size = _size(spec, value)
        case "mode" | "uid" | "gid":
            setattr(spec, key, _number(spec, key, value, 8 if key == "mode" else 10))
        case _:
            raise spec.fail(f"unknown key {key!r} in {item!r}", did_you_mean(key, (*_KEYS, *_ALIASES)))


def _choice(spec: _MountSpec, what: str, value: str, known: Iterable[str]) -> str:
    if value.lower() in known:
        return value.lower()
    hint = did_you_mean(value.lower(), known) or "there are " + ", ".join(known)
    raise spec.fail(f"{value!r} is not {what}", hint)


def _only_for(spec: _MountSpec, key: str, kinds: tuple[str, ...]) -> None:
    if spec.kind not in kinds:
        raise spec.fail(
            f"{key!r} does not belong to a mount of type {spec.kind}",
            f"it is for {' and '.join(kinds)}; type= goes first",
        )


def _truth(spec: _MountSpec, key: str, value: str) -> bool:
    truth = read_bool(value)
    if truth is None:
        raise spec.fail(f"{key} is true or false, not {value!r}")
    return truth


def _number(spec: _MountSpec, key: str, value: str, base: int) -> int:
    digits = "01234567" if base == 8 else "0123456789"
    if not value or len(value) > 12 or not all(char in digits for char in value) or int(value, base) >= 1 << 32:
        raise spec.fail(f"{key} is {'an octal' if base == 8 else 'a'} number, not {value!r}")
    return int(value, base)


def _size(spec: _MountSpec, value: str) -> int:
    match = _SIZE.fullmatch(value)
    if match is None:
        raise spec.fail(f"size is a number of bytes or like 64m, not {value!r}")
    return int(float(match[1]) * _UNITS.get((match[2] or "").lower(), 1))


def _check(spec: _MountSpec) -> None:
    """What does not go together."""
    if spec.owned and spec.kind in ("bind", "tmpfs"):
        raise spec.fail(f"mode, uid and gid do not belong to a mount of type {spec.kind}")
    if spec.kind == "secret":
        if spec.origin:
            raise spec.fail("a secret has no 'from'")
        if not (spec.source or spec.target or spec.id):
            raise spec.fail("a secret needs id=, source= or target=")
        if spec.source and spec.id:
            raise spec.fail("id and source of a secret are the same thing; give one")
    if spec.sharing and spec.kind != "cache":
        raise spec.fail(f"sharing does not belong to a mount of type {spec.kind}")


def _filesystem(
    build: Build, state: StageState, spec: _MountSpec, origin: StageState | None
) -> tuple[Mount, Draft | None]:
    """A bind, cache or tmpfs mount."""
    cache, tmpfs = spec.kind == "cache", spec.kind == "tmpfs"
    draft: Draft | None = None
    if spec.origin:
        assert origin is not None
        if not origin.dispatched:
            raise spec.fail(
                f"stage {spec.origin!r} stands after this one", "move it up: a stage can only read earlier ones"
            )
        draft = origin.draft
    elif not cache:
        draft = build.context
    if tmpfs:
        draft = None
    readonly = spec.readonly if spec.readonly is not None else not (cache or tmpfs)
    target = spec.target if clean(spec.target).startswith("/") else join("/", state.cwd, spec.target)
    if target == "/":
        raise spec.fail("the root cannot be a mount's target", "give target=/some/path")
    selector = join("/", spec.source)
    if selector == "/":
        selector = ""
        if spec.owned:
            draft, selector = _owned_folder(spec, draft), "/cache"
    if cache or spec.origin:
        if origin is not None:
            origin.paths.add(join("/", spec.source))
    else:
        state.context_paths.add(join("/", spec.source))
    kind = MountType.CACHE if cache else MountType.TMPFS if tmpfs else MountType.BIND
    mount = Mount(
        dest=target,
        selector=selector,
        readonly=readonly,
        mount_type=kind,
        tmpfs=TmpfsOptions(size_bytes=spec.size) if tmpfs else None,
        cache=_cache(build, spec) if cache else None,
    )
    return mount, draft


def _cache(build: Build, spec: _MountSpec) -> CacheOptions:
    name = spec.id or clean(spec.target)
    return CacheOptions(id=f"{build.options.cache_namespace}/{name}", sharing=_SHARING[spec.sharing or "shared"])


def _owned_folder(spec: _MountSpec, draft: Draft | None) -> FileDraft:
    mode = 0o755 if spec.mode is None else spec.mode
    action = FileMkdir(path="/cache", mode=mode & 0o777, owner=ChownOptions(user=spec.uid or 0, group=spec.gid or 0))
    metadata = Metadata(name="[internal] setting cache mount permissions")
    return FileDraft(base=draft, steps=[(action, None)], metadata=metadata)


def _secret(found: RunMounts, spec: _MountSpec) -> None:
    name = spec.source or spec.id or _base(spec.target)
    target = spec.target
    if spec.env is not None:
        found.secret_env.append(SecretEnv(id=name, name=spec.env, optional=not spec.required))
    elif not target:
        target = "/run/secrets/" + _base(name)
    if target:
        options = SecretOptions(
            id=name,
            uid=spec.uid or 0,
            gid=spec.gid or 0,
            mode=0o400 if spec.mode is None else spec.mode,
            optional=not spec.required,
        )
        found.secrets.append(Mount(dest=target, output=0, mount_type=MountType.SECRET, secret=options))


def _ssh(found: RunMounts, spec: _MountSpec) -> None:
    if spec.source:
        raise spec.fail("ssh has no source")
    options = SshOptions(
        id=spec.id,
        uid=spec.uid or 0,
        gid=spec.gid or 0,
        mode=0o600 if spec.mode is None else spec.mode,
        optional=not spec.required,
    )
    target = spec.target or f"/run/buildkit/ssh_agent.{len(found.sockets)}"
    found.sockets.append(Mount(dest=target, output=0, mount_type=MountType.SSH, ssh=options))


def _base(path: str) -> str:
    """Go's path.Base."""
    return path.rstrip("/").rpartition("/")[2] or ("/" if path else ".")
