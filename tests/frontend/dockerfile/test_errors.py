"""Whole error messages, with their place and what to do: the table people see when they make a mistake."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError, LlbuildError, SourceError, UsageError
from llbuild.tests.frontend.dockerfile.kit import BASE, MemoryLookup, compile_one
from llbuild.values import replace

# Everything below "FROM a" stands on line 2.
INSTRUCTIONS = [
    ("FORM x", "2:1: unknown instruction 'FORM'", "did you mean FROM?"),
    ("cpoy a b", "2:1: unknown instruction 'cpoy'", "did you mean copy?"),
    ("WHATEVER x", "2:1: unknown instruction 'WHATEVER'", ""),
    ("FROM", "2:1: FROM takes 'image' or 'image AS name'", ""),
    ("FROM a b", "2:8: FROM takes 'image' or 'image AS name'", ""),
    ("FROM a AS 1x", "2:11: '1x' cannot name a stage", "a letter first, then letters, digits, '-', '_' and '.'"),
    ("FROM --platfrom=x a", "2:6: FROM has no flag --platfrom", "did you mean platform?"),
    ("COPY a", "2:6: COPY takes at least a source and a destination", "write COPY a DESTINATION"),
    ("COPY", "2:1: COPY takes at least a source and a destination", "write COPY SOURCE DESTINATION"),
    ("ADD a", "2:5: ADD takes at least a source and a destination", "write ADD a DESTINATION"),
    ("COPY --form=b a c", "2:6: COPY has no flag --form", "did you mean from?"),
    (
        "ADD --from=b a c",
        "2:5: ADD has no flag --from",
        "it has --checksum, --chmod, --chown, --exclude, --keep-git-dir, --link, --unpack",
    ),
    ("COPY --chown a b", "2:6: --chown needs a value", "write --chown=…"),
    ("COPY --chown=a --chown=b c d", "2:16: --chown is given twice", ""),
    ("COPY --link=maybe a b", "2:6: --link is true or false, not 'maybe'", ""),
    ("COPY a <<EOF", "2:8: the heredoc <<EOF has no end", "a line must hold EOF and nothing else"),
    ("COPY a <<EOF\nEOF", "2:8: a heredoc cannot be the destination of COPY", ""),
    (
        "COPY --chmod=888 a b",
        "2:14: --chmod is an octal number up to 7777 or like u=rwX,go=rX, not '888'",
        "",
    ),
    ("CMD --x a", "2:5: CMD has no flag --x", "it has no flags"),
    ("ENV", "2:1: ENV needs name=value", ""),
    ("ENV =x", "2:6: ENV has no name before '='", ""),
    ("ENV A=1 B", "2:9: 'B' has no '='; ENV takes name=value", 'quote a value that holds blanks: A="a b"'),
    ("LABEL a", "2:7: LABEL a has no value", "write LABEL a=value"),
    ("ARG", "2:1: ARG needs a name", ""),
    ("ARG =x", "2:5: ARG has no name before '='", ""),
    ('ENV A="${B:?say which}"', "2:8: B: say which", ""),
    ('ENV A=x B="${', "2:12: '${' has no closing '}'", ""),
    ("LABEL a='b", "2:9: the single quote is never closed", ""),
    ("WORKDIR", "2:1: WORKDIR needs one argument", ""),
    ("USER", "2:1: USER needs one argument", ""),
    ("RUN []", "2:1: RUN has no program to run", 'write RUN ["program", "argument"]'),
    ("RUN [1]", "2:5: a JSON array must hold strings only", 'quote every element: ["cmd", "1"]'),
    ("SHELL bash -c", "2:7: SHELL takes a JSON array", 'write SHELL ["/bin/bash", "-c"]'),
    ("SHELL []", "2:1: SHELL needs a program", ""),
    ("EXPOSE", "2:1: EXPOSE needs a port", ""),
    ("EXPOSE 80 http", "2:11: EXPOSE: 'http' is not a port: expected 0 to 65535, or a range like 8000-8010", ""),
    ("EXPOSE 80/icmp", "2:8: EXPOSE: 'icmp' is not a protocol; there are tcp, udp and sctp", ""),
    ("EXPOSE 90-80", "2:8: EXPOSE: 90-80 is a range that goes backwards", ""),
    ("VOLUME", "2:1: VOLUME needs a path", ""),
    ('VOLUME ["a", " "]', "2:14: VOLUME has an empty path", ""),
    ("VOLUME $NOPE", "2:8: the VOLUME path $NOPE is empty", ""),
    ("STOPSIGNAL", "2:1: STOPSIGNAL needs a signal", ""),
    ("STOPSIGNAL SIGFOO", "2:12: 'SIGFOO' is not a signal", "use a name like SIGTERM or a number like 15"),
    ("HEALTHCHECK", "2:1: HEALTHCHECK needs CMD or NONE", ""),
    ("HEALTHCHECK curl x", "2:13: HEALTHCHECK takes CMD or NONE, not 'curl'", "write HEALTHCHECK CMD curl"),
    ("HEALTHCHECK CMD", "2:13: HEALTHCHECK CMD has no command", ""),
    ("HEALTHCHECK NONE x", "2:18: HEALTHCHECK NONE takes no arguments", ""),
    (
        "HEALTHCHECK --interval=5 CMD x",
        "2:24: --interval: '5' has no unit",
        "write e.g. 30s, 1m30s, 500ms",
    ),
    ("HEALTHCHECK --timeout=1us CMD x", "2:23: --timeout is 1us; it must be at least 1ms", ""),
    ("HEALTHCHECK --retries=-1 CMD x", "2:23: --retries is -1; it cannot be negative", ""),
    ("HEALTHCHECK --retries=x CMD x", "2:23: --retries is a number, not 'x'", ""),
    ("ONBUILD", "2:1: ONBUILD needs an instruction", ""),
    ("ONBUILD ONBUILD RUN x", "2:9: ONBUILD cannot hold another ONBUILD", ""),
    ("ONBUILD FROM x", "2:9: FROM cannot be an ONBUILD trigger", ""),
    ("MAINTAINER", "2:1: MAINTAINER needs one argument", ""),
    (
        "COPY --from=$x a b",
        "2:13: --from takes no variables",
        "give the image a stage of its own: FROM $IMAGE AS name",
    ),
    ("COPY --from=3 a b", "2:13: there is no stage number 3", "stages count from 0; better give them names"),
    ("RUN --network=hots x", "2:15: --network is default, none or host, not 'hots'", "did you mean host?"),
    (
        "RUN --device=a x",
        "2:1: RUN --device is an experimental feature",
        "begin the file with # syntax=docker/dockerfile:1-labs",
    ),
    (
        "RUN --device=a,requird=1 x",
        "2:14: --device: 'requird=1' is neither name nor required",
        "did you mean required?",
    ),
    ("RUN --device=a,name=b x", "2:14: --device: a second name 'b' beside 'a'", ""),
    ("RUN --device=a,required=x x", "2:14: --device: required is true or false, not 'x'", ""),
    ("RUN --security=none x", "2:16: --security is sandbox or insecure, not 'none'", ""),
    ("COPY https://example.com/x /", "2:6: COPY cannot take a URL", "ADD can"),
    ("COPY git@github.com:a/b.git /", "2:6: COPY cannot take a git repository", "ADD can"),
]

FILES = [
    ("RUN x", "1:1: RUN stands before the first FROM", "only ARG may; begin with FROM image"),
    ("ARG A", "1:1: no FROM, so there is no stage to build", "add FROM image"),
    (
        "FROM $X",
        "1:6: the base image $X is empty",
        "give its ARG a default before the first FROM, or --build-arg",
    ),
    ("FROM --platform=$X a", "1:17: the platform $X is empty", ""),
    (
        "FROM --platform=$TARGETPLATFROM a",
        "1:17: the platform $TARGETPLATFROM is empty",
        "did you mean TARGETPLATFORM?",
    ),
    (
        "FROM --platform=a/b/c/d x",
        "1:17: --platform: 'a/b/c/d' is not a platform; expected os/arch[/variant], e.g. linux/arm64",
        "",
    ),
    (
        "FROM UPPER",
        "1:6: 'UPPER' is not an image reference: a repository name must be lower case",
        "write upper",
    ),
    (
        "FROM a\nCOPY --from=B_ /x /y",
        (
            "2:1: no stage is named 'B_', and as an image: 'B_' is not an image reference: "
            "expected [HOST/]NAME[:TAG][@DIGEST] with names of a-z, 0-9 and single '.', '_', '-' between"
        ),
        "",
    ),
    (
        "FROM x AS a\nCOPY --from=b /x /y\nFROM x AS b\nRUN c\nFROM a",
        "2:13: stage 'b' stands after this one",
        "move it up: a stage can only copy from earlier ones",
    ),
    (
        "FROM x AS a\nCOPY --from=b /x /y\nFROM x AS b\nCOPY --from=a /x /y",
        "2:1: stages read each other in a circle: 'a' reads 'b' reads 'a'",
        "",
    ),
    ("FROM x AS a\nCOPY --from=a /x /y", "2:1: stages read each other in a circle: 'a' reads 'a'", ""),
    ("FROM a\nENV A=1\\\n B=${x", "3:4: '${' has no closing '}'", ""),
    ("FROM a\nCOPY <<E /\nok\n${\nE", "4:1: '${' has no closing '}'", ""),
]


def failure(text: str, options: dict[str, str] | None = None) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        compile_one(text, options)
    return caught.value


@pytest.mark.parametrize(("line", "message", "hint"), INSTRUCTIONS)
def test_a_wrong_instruction_is_explained(line: str, message: str, hint: str) -> None:
    error = failure("FROM a\n" + line)
    assert (str(error), error.hint) == ("Dockerfile:" + message, hint)


@pytest.mark.parametrize(("text", "message", "hint"), FILES)
def test_a_wrong_file_is_explained(text: str, message: str, hint: str) -> None:
    error = failure(text)
    assert (str(error), error.hint) == ("Dockerfile:" + message, hint)


def test_what_cannot_be_built_yet_says_so() -> None:
    text = "# syntax=docker/dockerfile:1-labs\nFROM a\nRUN --device=v/c x"
    assert str(failure(text)) == "Dockerfile:3:1: RUN --device is not supported yet"


def test_an_unknown_target_names_the_nearest_stage() -> None:
    error = failure("FROM a AS build\nFROM b AS run", {"target": "biuld"})
    assert (str(error), error.hint) == (
        "Dockerfile:2:1: there is no stage 'biuld' to build (--target)",
        "did you mean build?",
    )
    assert failure("FROM a AS build\nFROM b", {"target": "x"}).hint == "there are build, stage-1"


def test_an_image_that_cannot_be_had_points_at_its_from() -> None:
    class NoImages(MemoryLookup):
        def image(self, ref: str, platform: object) -> None:
            raise SourceError(f"{ref}: not found", ref=ref)

    with pytest.raises(DockerfileError) as caught:
        compile_one("FROM golang AS build\nFROM biuld", None, NoImages())
    assert str(caught.value) == "Dockerfile:2:6: docker.io/library/biuld:latest: not found"
    assert caught.value.hint == "did you mean build?"


def test_a_missing_dockerfile_is_no_crash() -> None:
    with pytest.raises(SourceError) as caught:
        compile_one("FROM a", {"filename": "other/Dockerfile.prod"})
    assert str(caught.value) == "there is no other/Dockerfile.prod to build from"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"platform": "linux/amd64/a/b"}, "option platform: 'linux/amd64/a/b' is not a platform; "),
        ({"image-resolve-mode": "x"}, "option image-resolve-mode is one of default, pull, local; not 'x'"),
        ({"force-network-mode": "x"}, "option force-network-mode is one of sandbox, host, none; not 'x'"),
        ({"shm-size": "x"}, "option shm-size is a number, at least 0; not 'x'"),
        ({"add-hosts": "a"}, "option add-hosts: 'a' is not HOST=IP"),
        ({"add-hosts": "a=b"}, "option add-hosts: 'b' is not an IP address"),
        ({"ulimit": "nofile=5:2"}, "option ulimit nofile: the soft limit 5 is above the hard limit 2"),
        ({"multi-platform": "x"}, "option multi-platform is true or false, not 'x'"),
        ({"memory": "0"}, "option memory is a number, at least 1; not '0'"),
        ({"cpusetcpus": "a"}, "option cpusetcpus is a list like 0-3,7; not 'a'"),
        ({"ulimit": "nofiles=5"}, "option ulimit: 'nofiles' is no limit"),
        ({"cpusetmems": "2-1"}, "option cpusetmems is a list like 0-3,7; not '2-1'"),
        ({"add-hosts": "a=fe80::1%eth0"}, "option add-hosts: 'fe80::1%eth0' is not an IP address"),
        ({"build-arg:BUILDKIT_DISABLE_FILEOP": "1"}, "override-copy-image and build-arg:BUILDKIT_DISABLE_FILEOP are"),
        ({"context": "nowhere"}, "option context: 'nowhere' is neither a git repository nor a URL"),
    ],
)
def test_a_wrong_option_is_explained(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_one("FROM a", options)
    assert str(caught.value).startswith(message)


def test_a_variable_that_doubles_is_stopped() -> None:
    text = "FROM a\nENV A=xxxxxxxxxxxxxxxx\n" + "ENV A=$A$A\n" * 60
    assert "longer than" in str(failure(text))
    text = "FROM a\nENV A=" + "x" * 60_000 + "\n" + "".join(f"ENV B{n}=$A\n" for n in range(2000))
    with pytest.raises(LlbuildError, match="this file expands to more than"):
        compile_one(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("FROM a\nRUN --mount= x\nRNU y\n", "2:13"),  # what is wrong with flags is found line by line
        ("FROM a\nRUN --mount=from=$X,target=/t x\nRNU y\n", "2:13"),
        ("FROM a\nRUN --security=x y\nRNU y\n", "2:16"),
        ("FROM a:\nFROM b:\n", "2:6"),  # of several wrong images the last is named
        ("FROM a AS b..c\n", "1:1"),  # a context may take the place of a stage, and so its name
        ("FROM a AS b-\n", "1:1"),
    ],
)
def test_of_several_mistakes_the_one_is_named_that_buildkit_names(text: str, place: str) -> None:
    assert str(failure(text)).startswith(f"Dockerfile:{place}: ")


def test_a_malformed_ignore_pattern_is_explained() -> None:
    for line in ("a[", "!"):
        with pytest.raises(UsageError, match=r"^\.dockerignore: "):
            compile_one("FROM a\n", None, MemoryLookup({("context", ".dockerignore"): line.encode()}))


def test_a_trigger_that_cannot_be_parsed_is_explained_at_the_from_that_runs_it() -> None:
    base = replace(BASE, config=replace(BASE.config, on_build=("ENV A",)))
    with pytest.raises(DockerfileError, match="in the ONBUILD trigger 'ENV A': ") as caught:
        compile_one("FROM a\nFROM b\n", None, MemoryLookup(images={"docker.io/library/b:latest": base}))
    assert caught.value.at.line == 2


def test_a_store_of_the_client_needs_a_digest() -> None:
    with pytest.raises(DockerfileError, match="build context b: 'n:1' names no digest"):
        compile_one("FROM b\n", {"context:b": "oci-layout://n:1"})


LONG = "a" * 60_000


@pytest.mark.parametrize(
    "text",
    [
        f"ENV A={LONG}\n" + "RUN x\n" * 20_000,
        f"ENV A={LONG}\n" + "RUN $A\n" * 2000,
        f"ENV A={LONG}\n" + ("ENV B=${A//a" + "?" * 2900 + "b/}\n") * 20,
        f'SHELL ["{LONG}"]\n' + "CMD x\n" * 2000,
        f"USER {LONG}\n" + "RUN x\n" * 20_000,
        "WORKDIR " + "a/" * 500 + "\n" + ("WORKDIR " + "a/" * 500 + "\n") * 500,
        "COPY" + " a" * 20_000 + f" \\\n/{LONG}",
        "".join(f"ARG a{number}=x\nRUN x\n" for number in range(5000)),
    ],
)
def test_what_adds_up_to_too_much_is_stopped(text: str) -> None:
    with pytest.raises(LlbuildError, match="expands to more than 64 MiB"):
        compile_one("FROM a\n" + text)
