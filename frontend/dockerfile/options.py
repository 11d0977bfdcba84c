"""The request's options (BuildKit's frontend attributes), read and checked once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...llb import HostIp, LinuxResources, NetMode, ProxyEnv, Ulimit
from ...platforms import parse_platform
from ...values import frozen
from .csvfields import split_csv
from .integer import read_bool, read_int
from .suggest import did_you_mean

if TYPE_CHECKING:
    from ...platforms import Platform
    from ..contract import Request

__all__ = ["Options", "read_options"]

_NETWORKS = {"": NetMode.SANDBOX, "sandbox": NetMode.SANDBOX, "host": NetMode.HOST, "none": NetMode.NONE}
_RESOLVE_MODES = ("", "default", "pull", "local")
_ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"),
    *("rttime", "sigpending", "stack"),
)
_CPUSET = r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*"


@frozen
class Options:
    """What a build was asked for, beside its Dockerfile."""

    filename: str = "Dockerfile"
    target: str = ""
    build_args: dict[str, str]
    labels: dict[str, str]
    contexts: dict[str, str]  # NAME or NAME::PLATFORM to source
    sessions: dict[str, str]  # local source to client session, where it is not `session_id`
    session_id: str = ""
    shared_keys: dict[str, str]
    context: str = ""  # a remote main context; "" is the client's folder
    context_subdir: str | None = None  # of a remote one
    keep_git_dir: bool = False  # of a git one
    dockerfile_local: str = "dockerfile"
    dockerfile_is_local: bool = False  # also where the context is a remote one
    platforms: tuple[Platform, ...] = ()  # asked for; () is "that of the build"
    multi_platform: bool = False
    no_cache: tuple[str, ...] | None = None  # stages; () is all of them, None is none
    resolve_mode: str = ""
    network: NetMode = NetMode.SANDBOX
    hostname: str = ""
    extra_hosts: tuple[HostIp, ...] = ()
    shm_size: int = 0
    ulimits: tuple[Ulimit, ...] = ()
    cgroup_parent: str = ""
    resources: LinuxResources | None = None
    proxy: ProxyEnv | None = None
    cache_namespace: str = ""

    def ignores_cache(self, stage: str) -> bool:
        if self.no_cache is None:
            return False
        return not self.no_cache or any(name.lower() == stage.lower() for name in self.no_cache)


def read_options(request: Request) -> Options:
    """Raises UsageError naming the option and what it takes."""
    get = request.option
    _refuse_dead(request)
    build_args = request.options_under("build-arg")
    platforms = tuple(_platform(text) for text in (get("platform") or "").split(",") if text)
    no_cache = get("no-cache")
    return Options(
        filename=get("filename") or "Dockerfile",
        target=get("target") or "",
        build_args=build_args,
        labels=request.options_under("label"),
        contexts=request.options_under("context"),
        sessions=request.options_under("local-sessionid"),
        session_id=request.session_id,
        shared_keys=request.options_under("sharedkey:localdir"),
        context=get(get("contextkey") or "context") or "",
        context_subdir=get("contextsubdir"),
        keep_git_dir=read_bool(build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "")) or False,
        dockerfile_local=get("dockerfilekey") or "dockerfile",
        dockerfile_is_local=get("dockerfilekey") is not None,
        platforms=platforms,
        multi_platform=_multi_platform(request, len(platforms)),
        no_cache=None if no_cache is None else tuple(no_cache.split(",")) if no_cache else (),
        resolve_mode=_one_of("image-resolve-mode", get("image-resolve-mode") or "", _RESOLVE_MODES),
        network=_NETWORKS[_one_of("force-network-mode", get("force-network-mode") or "", _NETWORKS)],
        hostname=build_args.get("BUILDKIT_SANDBOX_HOSTNAME") or get("hostname") or "",
        extra_hosts=_extra_hosts(get("add-hosts") or ""),
        shm_size=_number("shm-size", get("shm-size") or "0", least=0),
        ulimits=_ulimits(get("ulimit") or ""),
        cgroup_parent=get("cgroup-parent") or "",
        resources=_resources(request),
        proxy=_proxy(build_args),
        cache_namespace=build_args.get("BUILDKIT_CACHE_MOUNT_NS", ""),
    )


def _refuse_dead(request: Request) -> None:
    """What once switched file operations off; a client that still says so would get another image than it expects."""
    dead = "build-arg:BUILDKIT_DISABLE_FILEOP"
    if request.option("override-copy-image") or read_bool(request.option(dead) or ""):
        raise UsageError(f"override-copy-image and {dead} are gone: COPY and ADD need no image")


def _platform(text: str) -> Platform:
    try:
        return parse_platform(text.strip())
    except ValueError as error:
        raise UsageError(f"option platform: {error}") from None


def _multi_platform(request: Request, count: int) -> bool:
    text = request.option("build-arg:BUILDKIT_MULTI_PLATFORM") or request.option("multi-platform") or ""
    if not text:
        return count > 1
    wanted = _truth("multi-platform", text)
    if count > 1 and not wanted:
        raise UsageError(f"option multi-platform is {text}, but {count} platforms are asked for")
    return wanted


def _truth(name: str, text: str) -> bool:
    truth = read_bool(text)
    if truth is None:
        raise UsageError(f"option {name} is true or false, not {text!r}")
    return truth


def _one_of(name: str, text: str, known: object) -> str:
    assert isinstance(known, (tuple, dict))
    if text not in known:
        raise UsageError(f"option {name} is one of {', '.join(filter(None, known))}; not {text!r}")
    return text


def _number(name: str, text: str, *, least: int) -> int:
    number = read_int(text)
    if number is None or number < least:
        raise UsageError(f"option {name} is a number, at least {least}; not {text!r}")
    return number


def _fields(name: str, text: str) -> list[str]:
    try:
        return split_csv(text) if text else []
    except ValueError as error:
        raise UsageError(f"option {name}: {error}") from None


def _extra_hosts(text: str) -> tuple[HostIp, ...]:
    hosts = []
    for item in _fields("add-hosts", text):
        host, equals, address = item.lower().partition("=")
        if not equals:
            raise UsageError(f"option add-hosts: {item!r} is not HOST=IP")
        hosts.append(HostIp(host=host, ip=_address(address)))
    return tuple(hosts)


def _address(text: str) -> str:
    from ipaddress import IPv6Address, ip_address  # rare, and not cheap to import

    try:
        address = ip_address("" if "%" in text else text)  # a zone means nothing in another machine
    except ValueError:
        raise UsageError(f"option add-hosts: {text!r} is not an IP address") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _ulimits(text: str) -> tuple[Ulimit, ...]:
    limits = []
    for item in _fields("ulimit", text):
        name, equals, values = item.partition("=")
        soft, colon, hard = values.partition(":")
        if not equals:
            raise UsageError(f"option ulimit: {item!r} is not NAME=SOFT[:HARD]")
        if name not in _ULIMITS:
            hint = did_you_mean(name, _ULIMITS) or "there are " + ", ".join(_ULIMITS)
            raise UsageError(f"option ulimit: {name!r} is no limit", hint=hint)
        low = _number(f"ulimit {name}", soft, least=-1)
        high = _number(f"ulimit {name}", hard, least=-1) if colon else low
        if high != -1 and (low > high or low == -1):
            raise UsageError(f"option ulimit {name}: the soft limit {low} is above the hard limit {high}")
        limits.append(Ulimit(name=name, soft=low, hard=high))
    return tuple(limits)


def _resources(request: Request) -> LinuxResources | None:
    def number(name: str, least: int = 1) -> int:
        text = request.option(name) or ""
        value = _number(name, text, least=least) if text else 0
        if text and value == 0:
            raise UsageError(f"option {name} cannot be 0")
        return value

    def cpus(name: str) -> str:
        text = request.option(name) or ""
        if text and not (re.fullmatch(_CPUSET, text) and all(map(_ascends, text.split(",")))):
            raise UsageError(f"option {name} is a list like 0-3,7; not {text!r}")
        return text

    resources = LinuxResources(
        memory=number("memory"),
        memory_swap=number("memswap", -1),
        cpu_shares=number("cpushares"),
        cpu_period=number("cpuperiod"),
        cpu_quota=number("cpuquota"),
        cpuset_cpus=cpus("cpusetcpus"),
        cpuset_mems=cpus("cpusetmems"),
    )
    return None if resources == LinuxResources() else resources


def _ascends(part: str) -> bool:
    first, dash, last = part.partition("-")
    return not dash or int(first) <= int(last)


def _proxy(build_args: dict[str, str]) -> ProxyEnv | None:
    """Proxy settings are taken from build arguments without being declared, in either case."""
    found = {}
    for name in sorted(build_args):
        if name.lower() in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"):
            found[name.lower()] = build_args[name]
    return ProxyEnv(**found) if found else None
