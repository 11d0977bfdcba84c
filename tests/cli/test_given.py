"""`--secret`, `--ssh`, `--resource` and the flags about steps, as values."""

from __future__ import annotations

import pytest
from llbuild.cli.given import AgentSource, SecretSource, parse_agent, parse_secret, unique_agents
from llbuild.cli.options import parse_build
from llbuild.cli.resources import StepResources, parse_resources
from llbuild.errors import UsageError
from llbuild.llb import LinuxResources
from llbuild.worker.executor import machine_address

ENVIRONMENT = {"LLBUILD_ROOT": "/state"}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("id=a", SecretSource(id="a")),
        ("id=a,src=/x", SecretSource(id="a", path="/x")),
        ("type=file,id=a,source=/x", SecretSource(id="a", path="/x")),
        ('id=a,"src=/x,y"', SecretSource(id="a", path="/x,y")),
        ("id=a,env=A", SecretSource(id="a", variable="A")),
        ("ID=a,Type=env,SRC=A", SecretSource(id="a", variable="A")),
        ("id=a,type=env", SecretSource(id="a", variable="a")),
        ("id=a,type=file", SecretSource(id="a", path="a")),
    ],
)
def test_a_secret_is_a_file_or_a_variable(text: str, want: SecretSource) -> None:
    assert parse_secret(text) == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "--secret 'a': expected key=value, found 'a'"),
        ("src=/x", "--secret 'src=/x': id= is missing"),
        ("id=a,file=/x", "--secret 'id=a,file=/x': unknown key 'file'"),
        ("id=a,sr=/x", "--secret 'id=a,sr=/x': unknown key 'sr' (did you mean 'src'?)"),
        ("id=a,type=x", "--secret 'id=a,type=x': type= is file or env, not 'x'"),
        ("id=a,src=/x,env=A", "--secret 'id=a,src=/x,env=A': src= and env= contradict each other"),
    ],
)
def test_a_wrong_secret_is_explained(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_secret(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("default", AgentSource(id="default")),
        ("default=", AgentSource(id="default")),
        ("x=/a", AgentSource(id="x", paths=("/a",))),
        ("x=/a,/b", AgentSource(id="x", paths=("/a", "/b"))),
        ("x=/a,raw=true", AgentSource(id="x", paths=("/a",), raw=True)),
        ("x=/a,raw=0", AgentSource(id="x", paths=("/a",))),
    ],
)
def test_an_agent_has_a_socket_or_keys(text: str, want: AgentSource) -> None:
    assert parse_agent(text) == want


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["=x"], "--ssh '=x': expected default, ID=SOCKET or ID=KEY[,KEY…]"),
        (["x=/a,raw=perhaps"], "--ssh 'x=/a,raw=perhaps': raw= is true or false, not 'perhaps'"),
        (["x=/a,/b,raw=1"], "--ssh 'x=/a,/b,raw=1': raw=true goes with one socket"),
        (["x=/a", "x=/b"], "--ssh x is given twice"),
    ],
)
def test_a_wrong_agent_is_explained(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        unique_agents(texts)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("texts", "want"),
    [
        ([], StepResources()),
        (["memory=64m"], StepResources(linux=LinuxResources(memory=64 << 20))),
        (
            ["memory=1g,memory-swap=-1", "pids=7"],
            StepResources(linux=LinuxResources(memory=1 << 30, memory_swap=-1), pids=7),
        ),
        (["cpus=1.5"], StepResources(linux=LinuxResources(cpu_period=100_000, cpu_quota=150_000))),
        (
            ['cpu-shares=2,cpu-quota=5,cpu-period=9,"cpuset-cpus=0,2",cpuset-mems=0'],
            StepResources(
                linux=LinuxResources(cpu_shares=2, cpu_quota=5, cpu_period=9, cpuset_cpus="0,2", cpuset_mems="0")
            ),
        ),
    ],
)
def test_limits_of_steps_are_numbers(texts: list[str], want: StepResources) -> None:
    assert parse_resources(texts) == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory", "--resource 'memory': expected KEY=VALUE"),
        ("memry=1", "--resource 'memry=1' (did you mean 'memory'?): expected KEY=VALUE"),
        ("memory=0", "--resource memory: expected more than 0 bytes"),
        ("memory=x", "--resource memory 'x': expected a number of bytes, like 67108864 or 64m"),
        ("memory-swap=1g", "--resource: memory-swap= counts memory too, so memory= is needed beside it"),
        ("memory=2,memory-swap=1", "--resource: memory-swap= is memory and swap together, and less than memory= alone"),
        ("pids=0", "--resource pids: expected a number from 1 up, found '0'"),
        ("cpus=0", "--resource cpus: expected a number like 1.5, at least 0.01; found '0'"),
        ("cpus=nan", "--resource cpus: expected a number like 1.5, at least 0.01; found 'nan'"),
        (
            "cpus=1,cpu-quota=5",
            "--resource: cpus= stands for cpu-quota= and cpu-period=; give one or the others",
        ),
    ],
)
def test_a_wrong_limit_is_explained(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_resources([text])
    assert caught.value.message == message


def test_flags_about_steps_become_the_frontends_options() -> None:
    line = (
        "--network none --add-host a:1.2.3.4 --add-host b=::1 --add-host c:[::2] --add-host d:host-gateway "
        "--shm-size 1.5m --ulimit nofile=1:2 --ulimit core=0 --cgroup-parent /x ."
    )
    assert parse_build(line.split(), ENVIRONMENT).compile.step_options == (
        ("force-network-mode", "none"),
        ("add-hosts", "a=1.2.3.4,b=::1,c=::2,d=" + machine_address()),
        ("shm-size", "1572864"),
        ("ulimit", "nofile=1:2,core=0"),
        ("cgroup-parent", "/x"),
    )
    assert parse_build(["--network=default"], ENVIRONMENT).compile.step_options == ()


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("", ()),
        ("--allow network.host,security.insecure", ("network.host", "security.insecure")),
        ("--allow security.insecure --network host", ("security.insecure", "network.host")),
        ("--network host --allow network.host", ("network.host",)),
    ],
)
def test_rights_are_listed_and_the_machines_network_brings_its_own(line: str, want: tuple[str, ...]) -> None:
    assert parse_build(line.split(), ENVIRONMENT).solve.allowed == want


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--allow x", "--allow 'x': expected network.host, security.insecure, fs.write=DIR"),
        (
            "--allow security.insecur",
            (
                "--allow 'security.insecur' (did you mean 'security.insecure'?): "
                "expected network.host, security.insecure, fs.write=DIR"
            ),
        ),
        ("--network bridge", "--network 'bridge': expected default, none or host"),
        ("--add-host a", "--add-host 'a': expected HOST:IP"),
        ("--shm-size big", "--shm-size 'big': expected a number of bytes, like 67108864 or 64m"),
        ("--ulimit nofile", "--ulimit 'nofile': expected NAME=SOFT[:HARD]"),
    ],
)
def test_a_wrong_flag_about_steps_is_explained(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_build(line.split(), ENVIRONMENT)
    assert caught.value.message == message
