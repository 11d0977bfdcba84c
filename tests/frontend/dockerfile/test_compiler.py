"""Stages to graphs: what each instruction adds to the ops, the environment, the config and the history."""

from __future__ import annotations

import pytest
from llbuild.digest import Digest
from llbuild.errors import DockerfileError
from llbuild.frontend import MoreNeeded
from llbuild.frontend.dockerfile import FRONTEND
from llbuild.image import ContainerConfig, Healthcheck, ImageConfig
from llbuild.llb import (
    ChownOptions,
    ExecOp,
    FileCopy,
    FileMkdir,
    FileMkfile,
    Mount,
    NamedUser,
    NetMode,
    SourceOp,
    validate,
)
from llbuild.platforms import Platform
from llbuild.span import Span
from llbuild.tests.frontend.dockerfile.kit import (
    ARM64,
    BASE,
    DIGEST,
    PATH,
    MemoryLookup,
    compile_all,
    compile_one,
    execs,
    file_ops,
    history,
    names,
    ops,
    request,
    root,
    sources,
)
from llbuild.values import replace

TWO_STAGES = """\
FROM golang:1.22 AS build
WORKDIR /src
COPY go.mod *.go ./
RUN go build -o /app
FROM scratch
COPY --from=build /app /app
ENTRYPOINT ["/app"]
"""


def test_a_multi_stage_file_becomes_one_graph() -> None:
    result = compile_one(TWO_STAGES)
    validate(result.definition)
    assert names(result.definition) == [
        f"[build 1/4] FROM docker.io/library/golang:1.22@{DIGEST}",
        "[build 2/4] WORKDIR /src",
        "[internal] load build context",
        "[build 3/4] COPY go.mod *.go ./",
        "[build 4/4] RUN go build -o /app",
        "[stage-1 1/1] COPY --from=build /app /app",
    ]
    assert sources(result.definition)["local://context"] == {
        "local.followpaths": '["*.go","go.mod"]',
        "local.sharedkeyhint": "context",
    }
    assert history(result) == [("COPY /app /app # buildkit", False), ('ENTRYPOINT ["/app"]', True)]
    assert result.image.config == ContainerConfig(env=(PATH,), entrypoint=("/app",), working_dir="/")


def test_an_unused_stage_is_neither_asked_for_nor_built() -> None:
    lookup = MemoryLookup()
    result = compile_one("FROM a AS one\nRUN x\nFROM b AS two\nFROM c\nCOPY --from=two /x /x", None, lookup)
    assert names(result.definition) == [
        f"[stage-2 1/2] FROM docker.io/library/c:latest@{DIGEST}",
        f"[two 1/1] FROM docker.io/library/b:latest@{DIGEST}",
        "[stage-2 2/2] COPY --from=two /x /x",
    ]
    assert not any("library/a" in question for question in lookup.asked)


def test_everything_is_asked_for_before_anything_is_waited_for() -> None:
    lookup = MemoryLookup(slow=True)
    rounds = []
    for _ in range(9):
        before = len(lookup.asked)
        try:
            compile_one(TWO_STAGES.replace("scratch", "alpine"), None, lookup)
        except MoreNeeded:
            rounds.append(set(lookup.asked[before:]))
            continue
        break
    assert rounds == [
        {"dockerfile:Dockerfile", "dockerfile:Dockerfile.dockerignore", "context:.dockerignore"},
        {
            *("dockerfile:Dockerfile", "dockerfile:Dockerfile.dockerignore", "context:.dockerignore"),
            *("docker.io/library/golang:1.22 linux/amd64", "docker.io/library/alpine:latest linux/amd64"),
        },
    ]


def test_the_frontend_is_registered_by_its_entry_point_name() -> None:
    lookup = MemoryLookup(files={("dockerfile", "Dockerfile"): b"FROM scratch\nCMD x"})
    (result,) = FRONTEND.compile(request(), lookup).results
    assert (FRONTEND.name, result.definition.root) == ("dockerfile", None)


def test_the_target_can_be_an_earlier_stage_whatever_its_case() -> None:
    assert len(ops(compile_one(TWO_STAGES, {"target": "Build"}).definition)) == 5


def test_a_lower_case_dockerfile_serves_too() -> None:
    lookup = MemoryLookup(files={("dockerfile", "sub/dockerfile"): b"FROM a"})
    result = compile_one("", {"filename": "sub/Dockerfile"}, lookup)
    assert result.definition.sources[0].path == "sub/dockerfile"


def test_places_stay_with_the_vertices() -> None:
    definition = compile_one("FROM a\nRUN x && \\\n  y\nCOPY <<E /f\nz\nE\n").definition
    said = definition.metadata_of()
    spans = {said[vertex.digest].name: said[vertex.digest].spans for vertex in definition.vertices}
    assert spans["[2/3] RUN x &&   y"] == (Span("Dockerfile", 2, 1, 3, 0),)
    assert spans["[3/3] COPY <<E /f"] == (Span("Dockerfile", 4, 1, 6, 0),)


# Environment


def test_processes_see_variables_in_order_of_last_assignment_and_the_config_of_first() -> None:
    result = compile_one("FROM a\nENV A=1 B=2\nARG X=9\nENV A=3\nRUN x")
    (run,) = execs(result.definition)
    assert run.env == (PATH, "B=2", "X=9", "A=3")
    assert result.image.config.env == (PATH, "A=3", "B=2")


def test_a_line_sees_the_environment_before_it() -> None:
    result = compile_one("FROM a\nENV A=1\nENV A=2 B=$A\nENV C=$B$A")
    assert result.image.config.env == (PATH, "A=2", "B=1", "C=12")
    assert history(result) == [("ENV A=1", True), ("ENV A=2 B=1", True), ("ENV C=12", True)]


def test_args_have_scopes_and_precedence() -> None:
    text = (
        "ARG G=global\nARG H=$G-$TARGETARCH\nFROM a AS one\nARG G\nARG H=own\nARG N\nARG D=default\n"
        "ENV E=$G/$H/$N/$D\nFROM one\nRUN $G\nFROM a\nRUN $G"
    )
    options = {"build-arg:D": "given", "target": "stage-1"}
    result = compile_one(text.replace("FROM one", "FROM one AS stage-1"), options)
    (run,) = execs(result.definition)
    assert run.env == ("G=global", "H=own", "D=given", PATH, "E=global/own//given")
    assert result.image.history[-1].created_by == "RUN |4 G=global H=own N= D=given /bin/sh -c $G # buildkit"
    assert history(result)[:4] == [("ARG G=global", True), ("ARG H=own", True), ("ARG N", True), ("ARG D=given", True)]
    (run,) = execs(compile_one(text, options | {"target": ""}).definition)
    assert run.env == (PATH,)


def test_global_args_reach_from_lines_only() -> None:
    result = compile_one("ARG V=3\nARG BASE=alpine:$V\nFROM ${BASE}\nRUN x", {"build-arg:V": "4"})
    assert [op.identifier for op in ops(result.definition) if isinstance(op, SourceOp)] == [
        f"docker-image://docker.io/library/alpine:4@{DIGEST}"
    ]


def test_env_wins_over_arg_in_what_history_says() -> None:
    result = compile_one("FROM a\nARG A=1\nENV A=2\nRUN x")
    assert result.image.history[-1].created_by == "RUN |1 A=2 /bin/sh -c x # buildkit"


def test_proxies_are_passed_on_without_a_trace() -> None:
    options = {"build-arg:HTTP_PROXY": "http://p", "build-arg:no_proxy": "x"}
    result = compile_one("FROM a\nRUN x", options)
    (run,) = execs(result.definition)
    assert run.env == (PATH,)
    assert run.proxy_env is not None
    assert (run.proxy_env.http_proxy, run.proxy_env.no_proxy) == ("http://p", "x")
    assert result.image.history[-1].created_by == "RUN /bin/sh -c x # buildkit"


def test_a_base_without_path_gets_one() -> None:
    lookup = MemoryLookup(images={"docker.io/library/a:latest": replace(BASE, config=ContainerConfig(env=("X=1",)))})
    result = compile_one("FROM a", None, lookup)
    assert result.image.config.env == ("X=1", PATH)


# RUN


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
    definition = compile_one("FROM a\nRUN x", options).definition
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
    assert ignored == ["[y 3/3] RUN 2", "[y 2/3] COPY --from=x / /"]


# COPY and ADD

PLAIN = FileCopy(
    src="/a",
    dest="/d",
    follow_symlink=True,
    dir_copy_contents=True,
    create_dest_path=True,
    allow_wildcard=True,
    allow_empty_wildcard=True,
)


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("COPY a /d", PLAIN),
        ("COPY a d", replace(PLAIN, dest="/w/d")),
        ("COPY a .", replace(PLAIN, dest="/w/")),
        ("COPY a ./x/", replace(PLAIN, dest="/w/x/")),
        ("COPY a /d/.", replace(PLAIN, dest="/d/.")),
        ("COPY ./a/../b/ /d/", replace(PLAIN, src="/b", dest="/d/")),
        ("COPY ../../a /d", PLAIN),
        ("COPY $S /d", replace(PLAIN, src="/from env")),
        ('COPY ["a b", "/d e"]', replace(PLAIN, src="/a b", dest="/d e")),
        ("ADD a /d", replace(PLAIN, attempt_unpack=True)),
        ("COPY --chmod=0755 a /d", replace(PLAIN, mode=0o755)),
        ("COPY --chown=1000:2000 a /d", replace(PLAIN, owner=ChownOptions(user=1000, group=2000))),
        ("COPY --chown=root a /d", replace(PLAIN, owner=ChownOptions(user=0))),
        (
            "COPY --chown=app:$G a /d",
            replace(PLAIN, owner=ChownOptions(user=NamedUser(name="app", input=0), group=NamedUser(name="g", input=0))),
        ),
    ],
)
def test_a_copy_has_the_flags_of_a_dockerfile_copy(line: str, action: FileCopy) -> None:
    definition = compile_one(f"FROM a\nENV S='from env' G=g\nWORKDIR /w\n{line}").definition
    copy = file_ops(definition)[-1]
    assert [(step.action, step.input, step.secondary_input, step.output) for step in copy.steps] == [(action, 0, 1, 0)]


def test_a_copy_of_many_is_one_op_with_chained_steps() -> None:
    definition = compile_one("FROM a\nCOPY x y <<one <<'two' /d/\n1 $PATH\none\n2 $PATH\ntwo").definition
    copy = file_ops(definition)[-1]
    assert [(step.input, step.secondary_input, step.output) for step in copy.steps] == [
        *((0, 1, -1), (4, 1, -1), (5, 2, -1), (6, 3, 0))
    ]
    assert [step.action.src for step in copy.steps if isinstance(step.action, FileCopy)] == ["/x", "/y", "/one", "/two"]
    made = [op.steps[0].action for op in file_ops(definition)[:-1]]
    path = PATH.partition("=")[2]
    assert {action.path: action.data for action in made if isinstance(action, FileMkfile)} == {
        "/one": f"1 {path}\n".encode(),
        "/two": b"2 $PATH\n",
    }


def test_an_inline_file_keeps_bytes_that_are_no_text() -> None:
    definition = compile_one(b"FROM scratch\nCOPY <<E /d\n\xff\x00\nE").definition
    (make, _) = file_ops(definition)
    assert isinstance(make.steps[0].action, FileMkfile)
    assert make.steps[0].action.data == b"\xff\x00\n"


@pytest.mark.parametrize(
    ("text", "follow"),
    [
        ("FROM a\nCOPY x /\nCOPY y/* z /", '["x","y/*","z"]'),
        ("FROM a\nCOPY . /", None),
        ("FROM a\nCOPY x /\nADD / /", None),
        ("FROM a\nCOPY 'a&b' /", '["a\\u0026b"]'),
        ("FROM a AS x\nCOPY one /\nFROM a\nCOPY --from=x /one /\nCOPY two /", '["one","two"]'),
    ],
)
def test_only_needed_paths_of_the_context_are_asked_for(text: str, follow: str | None) -> None:
    assert sources(compile_one(text).definition)["local://context"].get("local.followpaths") == follow


def test_ignore_files_become_exclude_patterns() -> None:
    files = {("context", ".dockerignore"): b"\xef\xbb\xbf# c\n\n /a/../b/ \n!/keep\n**/*.o\n"}
    definition = compile_one("FROM a\nCOPY . /", None, MemoryLookup(files=dict(files))).definition
    assert sources(definition)["local://context"]["local.excludepatterns"] == '["b","!keep","**/*.o"]'
    files["dockerfile", "Dockerfile.dockerignore"] = b"own"
    definition = compile_one("FROM a\nCOPY . /", None, MemoryLookup(files=files)).definition
    assert sources(definition)["local://context"]["local.excludepatterns"] == '["own"]'


def test_a_copy_from_an_image_fetches_that_image() -> None:
    definition = compile_one("FROM scratch\nCOPY --from=busybox:1 /bin/sh /sh").definition
    assert names(definition) == [
        f"FROM docker.io/library/busybox:1@{DIGEST}",
        "[stage-0 1/1] COPY --from=busybox:1 /bin/sh /sh",
    ]


def test_stages_are_found_by_number_too() -> None:
    definition = compile_one("FROM a\nRUN 1\nFROM scratch\nCOPY --from=0 /x /").definition
    assert names(definition)[1] == "[stage-0 2/2] RUN 1"


# Metadata


@pytest.mark.parametrize(
    ("lines", "config", "created_by"),
    [
        ("CMD a b", {"cmd": ("/bin/sh", "-c", "a b"), "args_escaped": True}, 'CMD ["/bin/sh" "-c" "a b"]'),
        ('CMD ["a\\n"]', {"cmd": ("a\n",), "args_escaped": True}, 'CMD ["a\\n"]'),
        ("CMD []", {"cmd": (), "args_escaped": True}, "CMD []"),
        ('ENTRYPOINT ["a"]', {"entrypoint": ("a",), "cmd": None}, 'ENTRYPOINT ["a"]'),
        ("ENTRYPOINT []", {"entrypoint": None, "cmd": None}, "ENTRYPOINT []"),
        (
            'CMD ["c"]\nENTRYPOINT ["a"]',
            {"entrypoint": ("a",), "cmd": ("c",), "args_escaped": True},
            'ENTRYPOINT ["a"]',
        ),
        ("LABEL b=2 a='x y'", {"labels": (("a", "x y"), ("b", "2"))}, "LABEL b=2 a=x y"),
        ("EXPOSE 443 80/udp", {"exposed_ports": ("443/tcp", "80/udp")}, "EXPOSE [443/tcp 80/udp]"),
        (
            "EXPOSE 8002-8000/tcp",
            None,
            "",
        ),
        (
            "EXPOSE 8000-8002",
            {"exposed_ports": ("8000/tcp", "8001/tcp", "8002/tcp")},
            "EXPOSE [8000/tcp 8001/tcp 8002/tcp]",
        ),
        ("EXPOSE 127.0.0.1:80:8080/TCP", {"exposed_ports": ("8080/tcp",)}, "EXPOSE [8080/tcp]"),
        (
            'ENV P="1 2"\nEXPOSE $P',
            {"env": (PATH, "P=1 2"), "exposed_ports": ("1/tcp", "2/tcp")},
            "EXPOSE [1/tcp 2/tcp]",
        ),
        ("VOLUME /b /a", {"volumes": ("/a", "/b")}, "VOLUME [/b /a]"),
        ('VOLUME ["/a b"]', {"volumes": ("/a b",)}, "VOLUME [/a b]"),
        ("STOPSIGNAL SIGUSR1", {"stop_signal": "SIGUSR1"}, "STOPSIGNAL SIGUSR1"),
        ("STOPSIGNAL rtmin+3", {"stop_signal": "rtmin+3"}, "STOPSIGNAL rtmin+3"),
        ('SHELL ["/bin/bash", "-c"]', {"shell": ("/bin/bash", "-c")}, "SHELL [/bin/bash -c]"),
        ("USER a:b", {"user": "a:b"}, "USER a:b"),
        ("WORKDIR /", {"working_dir": "/"}, "WORKDIR /"),
        (
            "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2h --retries=3 CMD curl x",
            {
                "healthcheck": Healthcheck(
                    test=("CMD-SHELL", "curl x"),
                    interval_ns=90 * 10**9,
                    timeout_ns=5 * 10**8,
                    start_period_ns=7200 * 10**9,
                    retries=3,
                )
            },
            (
                "HEALTHCHECK {Test:[CMD-SHELL curl x] Interval:1m30s Timeout:500ms StartPeriod:2h0m0s"
                " StartInterval:0s Retries:3}"
            ),
        ),
        (
            "HEALTHCHECK NONE",
            {"healthcheck": Healthcheck(test=("NONE",))},
            "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
        ),
    ],
)
def test_metadata_makes_no_vertex_and_one_empty_history_entry(
    lines: str, config: dict[str, object] | None, created_by: str
) -> None:
    if config is None:
        with pytest.raises(DockerfileError):
            compile_one("FROM a\n" + lines)
        return
    result = compile_one("FROM a\n" + lines)
    assert len(ops(result.definition)) == 1
    assert result.image.config == replace(BASE.config, **config)
    assert history(result)[-1] == (created_by, True)
    assert result.image.diff_ids == BASE.diff_ids


def test_the_author_and_labels_of_the_build_are_set() -> None:
    result = compile_one("FROM a\nMAINTAINER Me <me@x>\nLABEL a=1 b=2", {"label:b": "3", "label:c": "4"})
    assert result.image.author == "Me <me@x>"
    assert result.image.config.labels == (("a", "1"), ("b", "3"), ("c", "4"))


def test_workdir_is_a_layer_owned_by_the_user() -> None:
    result = compile_one("FROM a\nUSER app\nWORKDIR sub/../dir/")
    (make,) = file_ops(result.definition)
    owner = ChownOptions(user=NamedUser(name="app", input=0))
    assert make.steps[0].action == FileMkdir(path="/dir", mode=0o755, make_parents=True, owner=owner)
    assert history(result)[-1] == ("WORKDIR /dir", False)
    assert result.image.config.working_dir == "/dir"


def test_a_child_stage_inherits_everything_but_triggers() -> None:
    text = "FROM a AS x\nARG V=1\nENV E=2\nUSER u\nWORKDIR /w\nCMD c\nFROM x\nRUN y"
    result = compile_one(text)
    (run,) = execs(result.definition)
    assert (run.env, run.cwd, run.user) == (("V=1", PATH, "E=2"), "/w", "u")
    assert result.image.config.cmd == ("/bin/sh", "-c", "c")
    assert history(result)[-1][0] == "RUN |1 V=1 /bin/sh -c y # buildkit"


# Bases


def onbuild_base(*triggers: str) -> MemoryLookup:
    config = replace(BASE, config=replace(BASE.config, on_build=triggers))
    return MemoryLookup(images={"docker.io/library/onb:latest": config})


def test_triggers_of_a_base_image_run_first_and_are_gone() -> None:
    lookup = onbuild_base("ARG A=1", "COPY . /src", "RUN <<E\nmake $A\nE")
    result = compile_one("FROM onb\nRUN after", None, lookup)
    assert names(result.definition) == [
        f"[1/2] FROM docker.io/library/onb:latest@{DIGEST}",  # named before the triggers are known
        "[internal] load build context",
        "[2/5] ONBUILD COPY . /src",
        "[3/5] ONBUILD RUN <<E (make 1)",
        "[4/5] RUN after",
    ]
    assert result.image.config.on_build == ()
    assert result.image.history[-1].created_by == "RUN |1 A=1 /bin/sh -c after # buildkit"


def test_triggers_of_a_stage_run_in_its_children_only() -> None:
    text = "FROM a AS x\nONBUILD RUN $0\nFROM x AS y\nRUN 1\nFROM y\nRUN 2"
    definition = compile_one(text).definition
    assert [run.args[-1] for run in execs(definition)] == ["$0", "1", "2"]
    assert compile_one("FROM a\nONBUILD RUN x").image.config.on_build == ("RUN x",)


def test_triggers_may_read_other_stages() -> None:
    lookup = onbuild_base("COPY --from=tools /t /t")
    definition = compile_one("FROM a AS tools\nRUN mk\nFROM onb", None, lookup).definition
    assert "[tools 2/2] RUN mk" in names(definition)


def test_a_wrong_trigger_is_reported_at_the_from_that_runs_it() -> None:
    with pytest.raises(DockerfileError) as caught:
        compile_one("ARG X\nFROM onb\nRUN y", None, onbuild_base("COYP a b"))
    assert str(caught.value) == "Dockerfile:2:1: unknown instruction 'COYP'"


def test_an_image_without_layers_needs_no_source() -> None:
    lookup = MemoryLookup(images={"docker.io/library/empty:latest": ImageConfig(platform=BASE.platform)})
    result = compile_one("FROM empty\nCOPY x /", None, lookup)
    assert [type(op).__name__ for op in ops(result.definition)] == ["SourceOp", "FileOp"]


def test_a_digest_is_kept_and_a_tag_with_it() -> None:
    digest = Digest("sha256:" + "3" * 64)
    identifiers = sources(compile_one(f"FROM a@{digest} AS x\nRUN 1\nFROM b:2@{digest}\nCOPY --from=x / /").definition)
    assert set(identifiers) == {
        f"docker-image://docker.io/library/a@{digest}",
        f"docker-image://docker.io/library/b:2@{digest}",
    }


def test_the_resolve_mode_goes_with_the_image() -> None:
    definition = compile_one("FROM a", {"image-resolve-mode": "pull"}).definition
    assert next(iter(sources(definition).values())) == {"image.resolvemode": "pull"}


# Platforms


def test_a_stage_can_have_a_platform_of_its_own() -> None:
    text = "FROM --platform=$BUILDPLATFORM a AS x\nARG TARGETARCH\nRUN $TARGETARCH\nFROM a\nCOPY --from=x / /"
    result = compile_one(text, {"platform": "linux/arm64"})
    by_name = {vertex.op: vertex.platform for vertex in result.definition.vertices}
    run = execs(result.definition)[0]
    assert by_name[run] == BASE.platform
    assert run.env == (PATH, "TARGETARCH=arm64")
    assert result.image.platform == ARM64


def test_several_platforms_make_several_results() -> None:
    compiled = compile_all("FROM a\nRUN x", {"platform": "linux/amd64,linux/arm/v7"})
    assert [str(result.platform) for result in compiled.results] == ["linux/amd64", "linux/arm/v7"]
    last = compiled.results[1]
    assert names(last.definition)[1] == "[linux/arm/v7 2/2] RUN x"
    assert last.image.platform == Platform(os="linux", architecture="arm", variant="v7")


def test_a_windows_image_has_windows_paths() -> None:
    config = ImageConfig(
        platform=Platform(os="windows", architecture="amd64", os_version="10.0.1"), diff_ids=BASE.diff_ids
    )
    lookup = MemoryLookup(images={"docker.io/library/win:latest": config})
    text = "# escape=`\nFROM win\nWORKDIR C:\\app\nCOPY a.txt C:\\b\\\nRUN dir\n"
    result = compile_one(text, {"platform": "windows/amd64"}, lookup)
    (run,) = execs(result.definition)
    assert (run.args, run.cwd, run.env) == (("cmd", "/S", "/C", "dir"), "/app", ())
    copy = file_ops(result.definition)[-1].steps[0].action
    assert isinstance(copy, FileCopy)
    assert copy.dest == "/b/"
    assert result.image.config.working_dir == "\\app"


# Named contexts


def test_a_named_context_stands_for_an_image_a_stage_or_a_source() -> None:
    text = (
        "FROM base AS x\nRUN 1\nFROM y AS replaced\nRUN never\nFROM x\nCOPY --from=replaced /a /\nCOPY --from=files b /"
    )
    options = {
        "context:base": "docker-image://docker.io/library/other:2",
        "context:replaced": "docker-image://third",
        "context:files": "local:files",
    }
    lookup = MemoryLookup(files={("files", ".dockerignore"): b"*.log"})
    definition = compile_one(text, options, lookup).definition
    assert sources(definition) == {
        "docker-image://docker.io/library/other:2": {},
        "docker-image://docker.io/library/third:latest": {},
        "local://files": {
            "local.excludepatterns": '["*.log"]',
            "local.followpaths": '["b"]',
            "local.sharedkeyhint": "context:files-",
        },
    }
    assert not any("never" in name for name in names(definition))


def test_a_context_can_be_an_oci_layout() -> None:
    definition = compile_one("FROM base", {"context:base": "oci-layout:///some/dir:tag"}).definition
    assert set(sources(definition)) == {f"oci-layout:///some/dir:tag@{DIGEST}"}


def test_a_context_may_be_for_one_platform() -> None:
    options = {"context:base::linux/arm64": "docker-image://arm", "context:base": "docker-image://any"}
    assert "docker-image://docker.io/library/any:latest" in sources(compile_one("FROM base", options).definition)
    options["platform"] = "linux/arm64"
    assert "docker-image://docker.io/library/arm:latest" in sources(compile_one("FROM base", options).definition)


def test_a_context_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DockerfileError, match="'wat' is no source of files"):
        compile_one("FROM base", {"context:base": "wat"})


# Time


def test_source_date_epoch_fixes_times() -> None:
    result = compile_one("FROM a\nWORKDIR /w\nENV A=1", {"build-arg:SOURCE_DATE_EPOCH": "86400"})
    (make,) = file_ops(result.definition)
    assert isinstance(make.steps[0].action, FileMkdir)
    assert make.steps[0].action.timestamp == 86400 * 10**9
    assert [entry.created for entry in result.image.history] == ["", "1970-01-02T00:00:00Z", "1970-01-02T00:00:00Z"]


# Size


def test_a_large_file_compiles() -> None:
    stages = "".join(
        f"FROM a AS s{number}\nENV V=$PATH:{number}\nRUN make {number}\nCOPY f{number} /d/\n" for number in range(300)
    )
    copies = "".join(f"COPY --from=s{number} /out /out/{number}\n" for number in range(300))
    result = compile_one(stages + "FROM a\n" + copies)
    assert len(ops(result.definition)) == 1 + 1 + 600 + 300


def test_a_long_chain_of_stages_needs_no_stack() -> None:
    text = "FROM a AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nRUN {n}\n" for n in range(1500))
    assert len(execs(compile_one(text).definition)) == 1500
