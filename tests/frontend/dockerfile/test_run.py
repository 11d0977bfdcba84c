"""RUN: forms, heredocs, what a process is given."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError
from llbuild.llb import (
    CdiDevice,
    ExecOp,
    FileMkfile,
    Mount,
    NetMode,
)
from llbuild.tests.frontend.dockerfile.kit import (
    PATH,
    compile_one,
    execs,
    file_ops,
    names,
    root,
)


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("RUN make all", ("/bin/sh", "-c", "make all")),
        ('RUN ["make", "a b"]', ("make", "a b")),
        ('SHELL ["/bin/bash", "-ec"]\nRUN make', ("/bin/bash", "-ec", "make")),
        ("RUN echo $HOME 'a'", ("/bin/sh", "-c", "echo $HOME 'a'")),
        ("RUN <<EOF\nset -e\nmake\nEOF", ("/bin/sh", "-c", "set -e\nmake\n")),
        ("RUN <<-EOF\n\tmake\n\tEOF", ("/bin/sh", "-c", "make\n")),
        ("RUN cat <<A <<B\na\nA\nb\nB", ("/bin/sh", "-c", "cat <<A <<B\na\nA\nb\nB")),
    ],
)
def test_run_knows_its_forms(line: str, args: tuple[str, ...]) -> None:
    assert execs(compile_one("FROM a\n" + line).definition)[0].args == args


def test_a_heredoc_with_a_shebang_becomes_a_mounted_script() -> None:
    definition = compile_one("FROM a\nRUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF").definition
    (run,) = execs(definition)
    assert run.args == ("/bin/sh", "-c", "/dev/pipes/EOF")
    assert run.mounts == (
        Mount(dest="/", input=0, output=0),
        Mount(dest="/dev/pipes/", input=1, selector="/", readonly=True),
    )
    (script,) = file_ops(definition)
    assert script.steps[0].action == FileMkfile(path="/EOF", mode=0o755, data=b"#!/usr/bin/env python3\nprint(1)\n")
    assert names(definition)[-1] == "[2/2] RUN <<EOF (#!/usr/bin/env python3...)"


def test_a_process_runs_as_user_in_folder_on_the_root() -> None:
    (run,) = execs(compile_one("FROM a\nUSER 7:staff\nWORKDIR /w\nWORKDIR x\nRUN y").definition)
    assert run == ExecOp(
        args=("/bin/sh", "-c", "y"),
        env=(PATH,),
        cwd="/w/x",
        user="7:staff",
        mounts=(Mount(dest="/", input=0, output=0),),
        remove_mount_stubs_recursive=True,
    )


def test_options_of_the_build_reach_every_process() -> None:
    options = {"hostname": "h", "add-hosts": "Db=10.0.0.1,six=::1", "ulimit": "nofile=1:2", "shm-size": "64"}
    options |= {"force-network-mode": "none", "cgroup-parent": "/x", "memory": "1024", "no-cache": ""}
    definition = compile_one("FROM a\nRUN x", options, everything=True).definition
    (run,) = execs(definition)
    assert (run.hostname, run.network, run.cgroup_parent) == ("h", NetMode.NONE, "/x")
    assert [(host.host, host.ip) for host in run.extra_hosts] == [("db", "10.0.0.1"), ("six", "::1")]
    assert [(limit.name, limit.soft, limit.hard) for limit in run.ulimits] == [("nofile", 1, 2)]
    assert [mount.dest for mount in run.mounts] == ["/", "/dev/shm"]
    said = definition.metadata_of()[root(definition).digest]
    assert said.ignore_cache
    assert said.resources is not None
    assert said.resources.memory == 1024


def test_the_cache_can_be_ignored_for_some_stages() -> None:
    definition = compile_one("FROM a AS x\nRUN 1\nFROM a AS y\nCOPY --from=x / /\nRUN 2", {"no-cache": "y"}).definition
    ignored = [meta.name for meta in definition.metadata_of().values() if meta.ignore_cache]
    assert ignored == ["[y 2/3] COPY --from=x / /", "[y 3/3] RUN 2"]


def test_devices_are_given_by_name_in_the_experimental_channel() -> None:
    text = "# syntax=docker/dockerfile:1-labs\nFROM a\nRUN --device=v/c=one,required --device=name=v/c --device=v/d=* x"
    (run,) = execs(compile_one(text, everything=True).definition)
    assert run.cdi_devices == (
        CdiDevice(name="v/c=one"),
        CdiDevice(name="v/c", optional=True),
        CdiDevice(name="v/d=*", optional=True),
    )
    options = {"build-arg:BUILDKIT_SYNTAX": "docker/dockerfile:labs"}
    (run,) = execs(compile_one("FROM a\nRUN --device=v/c x", options, everything=True).definition)
    assert run.cdi_devices == (CdiDevice(name="v/c", optional=True),)


@pytest.mark.parametrize("text", [b"RUN caf\xe9", b"RUN <<E\ncaf\xe9\nE", b"RUN <<E sh\n\xe9\nE"])
def test_a_command_must_be_text(text: bytes) -> None:
    with pytest.raises(DockerfileError, match="bytes that are no UTF-8"):
        compile_one(b"FROM a\n" + text)


@pytest.mark.parametrize("text", [b"FROM a\nRUN <<E\n#!/x\ncaf\xe9\nE", b"# \xe9\nFROM a\nRUN x \\\n# \xe9\ny"])
def test_a_script_and_a_comment_may_hold_any_bytes(text: bytes) -> None:
    assert execs(compile_one(text).definition)
