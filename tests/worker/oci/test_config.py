"""config.json as the runtime gets it, and which runtime that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from llbuild.errors import SandboxError
from llbuild.llb import NetMode, Ulimit
from llbuild.values import replace
from llbuild.worker.executor import ExecSpec, RootMount
from llbuild.worker.oci import find_runtime, runtime_config
from llbuild.worker.oci.config import Surroundings, default_config

if TYPE_CHECKING:
    from pathlib import Path

ROOT = Surroundings(
    permitted=(1 << 41) - 1,
    maps_tty_group=True,
    in_userns=False,
    may_set_groups=True,
    seccomp=default_config("x86_64"),
)
USER = replace(ROOT, maps_tty_group=False, in_userns=True, may_set_groups=False)
SPEC = ExecSpec(
    args=("/bin/sh", "-c", "make"),
    root=RootMount(lowers=("/l",), upper="/u", work="/w"),
    env=("PATH=/bin", "A=ü"),
    cwd="/src",
    uid=3,
    gid=4,
    groups=(4, 5),
    ulimits=(Ulimit(name="nofile", soft=1, hard=2),),
)


def mount(config: dict[str, Any], destination: str) -> dict[str, Any]:
    (found,) = [entry for entry in config["mounts"] if entry["destination"] == destination]
    assert isinstance(found, dict)
    return found


def test_the_process_is_the_steps() -> None:
    config = runtime_config(SPEC, "/root", ROOT)
    process = config["process"]
    assert (process["args"], process["env"], process["cwd"]) == (list(SPEC.args), list(SPEC.env), "/src")
    assert process["user"] == {"uid": 3, "gid": 4, "umask": 0o022, "additionalGids": [4, 5]}
    assert process["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]
    assert config["root"] == {"path": "/root", "readonly": False}
    assert runtime_config(replace(SPEC, root=RootMount(lowers=("/l",))), "/root", ROOT)["root"]["readonly"]


def test_it_has_dockers_capabilities_but_one_and_an_insecure_step_has_all() -> None:
    config = runtime_config(SPEC, "/root", ROOT)
    capabilities = config["process"]["capabilities"]
    assert len(capabilities["bounding"]) == 13
    assert not {"CAP_MKNOD", "CAP_SYS_ADMIN"} & set(capabilities["bounding"])
    assert capabilities["inheritable"] == capabilities["ambient"] == []
    insecure = runtime_config(replace(SPEC, insecure=True), "/root", ROOT)
    assert {len(names) for names in insecure["process"]["capabilities"].values()} == {41}
    assert insecure["linux"].keys() == {"namespaces"}
    assert "ro" not in mount(insecure, "/sys")["options"]


def test_what_tells_or_changes_too_much_is_hidden_or_read_only() -> None:
    linux = runtime_config(SPEC, "/root", ROOT)["linux"]
    assert "/proc/kcore" in linux["maskedPaths"]
    assert "/proc/sysrq-trigger" in linux["readonlyPaths"]
    assert {entry["type"] for entry in linux["namespaces"]} == {"pid", "mount", "ipc", "uts"}


def test_a_user_namespace_gets_what_it_may_have() -> None:
    config = runtime_config(SPEC, "/root", USER)
    assert "additionalGids" not in config["process"]["user"]
    assert mount(config, "/sys")["options"][0] == "rbind"
    assert not any(option.startswith("gid=") for option in mount(config, "/dev/pts")["options"])
    alone = runtime_config(replace(SPEC, network=NetMode.NONE), "/root", USER)
    assert mount(alone, "/sys")["type"] == "sysfs"


def test_the_filter_is_the_same_profile_in_the_runtimes_words() -> None:
    found = default_config("x86_64")
    assert found["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    first, *ruled = found["syscalls"]
    assert {"read", "execve", "chroot"} <= set(first["names"])
    assert not {"mount", "keyctl", "clone", "clone3", "socket"} & set(first["names"])
    by_name: dict[str, list[Any]] = {}
    for rule in ruled:
        by_name.setdefault(rule["names"][0], []).append(rule)
    assert by_name["clone3"] == [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]
    families = {rule["args"][0]["valueTwo"] for rule in by_name["socket"]}
    assert {1, 2, 10, 16} <= families
    assert not {38, 40} & families
    (clone,) = by_name["clone"]
    assert clone["args"] == [{"index": 0, "value": 0x7E02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    assert runtime_config(SPEC, "/root", replace(ROOT, seccomp=None))["linux"].keys() & {"seccomp"} == set()


def test_a_runtime_is_found_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("crun", "my-runc"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_runtime("crun").flags == ("--cgroup-manager=disabled",)
    own = find_runtime(str(tmp_path / "my-runc"))
    assert (own.path, own.flags) == (str(tmp_path / "my-runc"), ("--rootless=true",))
    with pytest.raises(SandboxError, match="no OCI runtime nosuch was found"):
        find_runtime("nosuch")
