"""Instructions that only edit the image config, and WORKDIR."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError
from llbuild.image import Healthcheck
from llbuild.llb import (
    ChownOptions,
    FileMkdir,
    NamedUser,
)
from llbuild.tests.frontend.dockerfile.kit import (
    BASE,
    PATH,
    compile_one,
    execs,
    file_ops,
    history,
    ops,
)
from llbuild.values import replace


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
