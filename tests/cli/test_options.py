from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.cli.compile_options import CompileOptions
from llbuild.cli.image.import_ import parse_import
from llbuild.cli.options import BuildOptions, parse_build
from llbuild.cli.outputs import Output, OutputKind
from llbuild.cli.parser import GlobalOptions, default_root
from llbuild.cli.run import parse_run
from llbuild.cli.security import Confinement
from llbuild.cli.solve_options import SolveOptions
from llbuild.errors import UsageError
from llbuild.platforms import host_platform
from llbuild.values import value_fields

GLOBALS = GlobalOptions(root="/state")
ENVIRONMENT = {"LLBUILD_ROOT": "/state", "TOKEN": "from env", "EMPTY": ""}


def build(line: str | list[str], environ: dict[str, str] | None = None) -> BuildOptions:
    words = line.split() if isinstance(line, str) else line
    return parse_build(words, {**ENVIRONMENT, **(environ or {})})


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("", {}),
        (".", {}),
        ("sub/folder", {"context": "sub/folder"}),
        ("-", {"context": "-"}),
        ("-f Dockerfile.dev .", {"file": "Dockerfile.dev"}),
        ("--file=Dockerfile.dev", {"file": "Dockerfile.dev"}),
        ("-f - .", {"file": "-"}),
        ("-fdocker/file", {"file": "docker/file"}),
        ("-t hello", {"tags": ("docker.io/library/hello:latest",)}),
        (
            "-t hello -t hello:latest --tag localhost:5000/x:1",
            {"tags": ("docker.io/library/hello:latest", "localhost:5000/x:1")},
        ),
        ("--target build", {"target": "build"}),
        ("--build-arg A=1 --build-arg B=x=y --build-arg C=", {"build_args": (("A", "1"), ("B", "x=y"), ("C", ""))}),
        (
            "--build-arg TOKEN --build-arg UNSET --build-arg EMPTY",
            {"build_args": (("TOKEN", "from env"), ("EMPTY", ""))},
        ),
        ("--build-arg A=1 --build-arg B=2 --build-arg A=3", {"build_args": (("A", "3"), ("B", "2"))}),
        ("--label a=b --label empty", {"labels": (("a", "b"), ("empty", ""))}),
        ("--build-context x=../x", {"build_contexts": (("x", "../x"),)}),
        (
            "--build-context alpine=docker-image://alpine:3@sha256:0=",
            {"build_contexts": (("alpine", "docker-image://alpine:3@sha256:0="),)},
        ),
        ("-o out", {"outputs": (Output(kind=OutputKind.FOLDER, dest="out"),)}),
        ("-o -", {"outputs": (Output(kind=OutputKind.TAR, dest="-"),)}),
        ("--platform linux/arm64", {"platforms": ("linux/arm64",)}),
        ("--no-cache --pull", {"no_cache": True, "pull": True}),
        ("--no-cache=true --pull=false", {"no_cache": True}),
        ("--pull --pull=0", {}),
        ("--progress plain", {"progress": "plain"}),
        ("--progress none", {"progress": "quiet"}),
        ("-q", {"progress": "quiet"}),
        ("-q --progress auto", {"progress": "quiet"}),
        ("--iidfile id --metadata-file meta", {"iidfile": "id", "metadata_file": "meta"}),
        ("--frontend mine --opt a=b --opt c=", {"frontend": "mine", "frontend_options": (("a", "b"), ("c", ""))}),
        ("--max-parallelism 4", {"max_parallelism": 4}),
        ("--shared-parallelism 4", {"shared_parallelism": 4}),
        ("--shared-parallelism 0", {"shared_parallelism": 0}),
        ("", {"shared_parallelism": None}),
        ("--security-opt seccomp=unconfined", {"confinement": Confinement(seccomp="unconfined")}),
        ("--oci-runtime runc", {"confinement": Confinement(isolation="oci", runtime="runc")}),
        ("--isolation=oci", {"confinement": Confinement(isolation="oci")}),
        ("--isolation sandbox", {}),
        ("--security-opt seccomp=unconfined --security-opt seccomp=builtin", {}),
        (". -t a --no-cache", {"tags": ("docker.io/library/a:latest",), "no_cache": True}),
        ("-qt a folder", {"tags": ("docker.io/library/a:latest",), "progress": "quiet", "context": "folder"}),
        ("--root /other", {"globals": GlobalOptions(root="/other")}),
        ("--debug --log-format json", {"globals": GlobalOptions(root="/state", debug=True, log_form="json")}),
    ],
)
def test_arguments_become_options(line: str, want: dict[str, object]) -> None:
    compiled = {field.name for field in value_fields(CompileOptions)}
    of_compile = {name: value for name, value in want.items() if name in compiled}
    of_solve = {"globals": GLOBALS} | {name: value for name, value in want.items() if name not in compiled}
    assert build(line) == BuildOptions(
        compile=CompileOptions(**of_compile),  # type: ignore[arg-type]  # a table of fields
        solve=SolveOptions(**of_solve),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("environ", "line", "want"),
    [
        ({"BUILDKIT_PROGRESS": "plain"}, "", "plain"),
        ({"BUILDKIT_PROGRESS": "plain", "LLBUILD_PROGRESS": "rawjson"}, "", "rawjson"),
        ({"BUILDKIT_PROGRESS": "plain"}, "--progress tty", "tty"),
        ({"BUILDKIT_PROGRESS": "plain"}, "-q", "quiet"),
        ({"BUILDKIT_PROGRESS": ""}, "", "auto"),
    ],
)
def test_progress_comes_from_the_flag_or_the_environment(environ: dict[str, str], line: str, want: str) -> None:
    assert build(line, environ).solve.progress == want


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--taget x", "unknown flag '--taget' (did you mean '--target'?)"),
        ("--no-cahce=true", "unknown flag '--no-cahce' (did you mean '--no-cache'?)"),
        ("--zzz", "unknown flag '--zzz'"),
        ("--tar x", "unknown flag '--tar' (did you mean '--tag'?)"),
        ("a b", "unexpected argument 'b'"),
        ("a b --zzz", "unknown flag '--zzz'"),
        (". --policy x", "--policy is not supported yet"),
        ("--build-arg-file x", "--build-arg-file is not supported yet"),
        ("--annotation x", "--annotation 'x': expected [LEVEL:]KEY=VALUE"),
        ("-o type=tar --annotation x=y", "--annotation is for images, and none is written"),
        ("-t", "flag -t/--tag needs a value"),
        ("--no-cache=perhaps", "flag --no-cache takes no value other than true or false"),
        ("-t Hello", "--tag: 'Hello' is not an image reference: a repository name must be lower case"),
        ("--build-arg =x", "--build-arg '=x': expected KEY or KEY=VALUE"),
        ("--label =x", "--label '=x': expected KEY=VALUE"),
        ("--build-context x", "--build-context 'x': expected NAME=SOURCE"),
        ("--opt x", "--opt 'x': expected KEY=VALUE"),
        ("--progress fancy", "--progress: unknown form 'fancy'"),
        ("--progress plan", "--progress: unknown form 'plan' (did you mean 'plain'?)"),
        ("-q --progress plain", "--quiet and --progress plain contradict each other"),
        (
            "--platform a/b/c/d",
            "--platform: 'a/b/c/d' is not a platform; expected os/arch[/variant], e.g. linux/arm64",
        ),
        ("--security-opt apparmor=x", "--security-opt 'apparmor=x': expected seccomp=FILE or seccomp=unconfined"),
        ("--security-opt seccomp=own.json", "--security-opt 'seccomp=own.json': there is no such file"),
        ("--max-parallelism 0", "--max-parallelism: expected a number from 1 up, found '0'"),
        ("--shared-parallelism -1", "--shared-parallelism: expected a number from 0 up, found '-1'"),
        ("--max-parallelism two", "--max-parallelism: expected a number from 1 up, found 'two'"),
        ("-f - -", "the build file and the context cannot both come from stdin"),
        ("-q -o -", "an output goes to stdout, where the digest is printed as well"),
        ("-o x --iidfile x", "two results would be written to 'x'"),
        ("--iidfile x --metadata-file x", "two results would be written to 'x'"),
        ("-o - -o type=oci", "two outputs go to stdout"),
        ("--log-format xml", "--log-format 'xml'; expected one of console, json"),
        ("--root=", "--root is empty; expected a folder"),
    ],
)
def test_wrong_usage_is_one_clear_message(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(line)
    assert caught.value.message == message


def test_an_empty_context_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="the context is empty"):
        build([""])


def test_a_wrong_environment_variable_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        build("", {"LLBUILD_PROGRESS": "fancy"})
    assert caught.value.message == "$LLBUILD_PROGRESS: unknown form 'fancy'"
    assert caught.value.hint == "the forms are auto, tty, plain, rawjson, quiet"


@pytest.mark.parametrize(
    ("environ", "euid", "want"),
    [
        ({"HOME": "/root"}, 0, "/var/lib/llbuild"),
        ({"HOME": "/home/me"}, 1000, "/home/me/.local/share/llbuild"),
        ({"HOME": "/home/me", "XDG_DATA_HOME": "/data"}, 1000, "/data/llbuild"),
        ({"HOME": "/home/me", "XDG_DATA_HOME": "relative"}, 1000, "/home/me/.local/share/llbuild"),
    ],
)
def test_the_state_folder_depends_on_who_asks(environ: dict[str, str], euid: int, want: str) -> None:
    assert default_root(environ, euid) == want


def test_without_a_home_the_state_folder_must_be_given() -> None:
    with pytest.raises(UsageError, match="no home folder"):
        default_root({}, 1000)


def test_run_leaves_everything_after_the_image_to_the_command() -> None:
    flags = "-it --rm -e A=1 -e TOKEN -e UNSET -w /src -u me --entrypoint="
    options = parse_run([*flags.split(), "busybox", *["ls", "-l", "--debug", "--", "-e", "x"]], ENVIRONMENT)
    assert options.image == "busybox"
    assert options.command == ("ls", "-l", "--debug", "--", "-e", "x")
    assert options.env == (("A", "1"), ("TOKEN", "from env"))
    assert (options.workdir, options.user, options.entrypoint) == ("/src", "me", "")
    assert options.interactive
    assert options.terminal
    assert options.globals == GLOBALS


def test_run_needs_an_image() -> None:
    with pytest.raises(UsageError, match="IMAGE is missing"):
        parse_run(["-i"], ENVIRONMENT)


def test_import_reads_a_source_and_a_name() -> None:
    options = parse_import(["rootfs.tar", "busybox"], ENVIRONMENT)
    assert (options.source, options.name) == ("rootfs.tar", "docker.io/library/busybox:latest")
    assert options.platform == host_platform()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rootfs.tar"], "NAME[:TAG] is missing"),
        ([], "TAR|DIR, NAME[:TAG] is missing"),
        (["a", "b@sha256:" + "0" * 64], f"NAME 'b@sha256:{'0' * 64}': a digest cannot be chosen; expected NAME[:TAG]"),
    ],
)
def test_import_says_what_is_missing(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_import(words, ENVIRONMENT)
    assert caught.value.message == message


_FLAGS = "-t --tag -o --output --build-arg --label --platform --no-cache --pull=false --progress -q -f --opt -- - . x=y"


@given(st.lists(st.sampled_from(_FLAGS.split()) | st.text(max_size=12), max_size=6))
def test_no_arguments_end_in_anything_but_options_or_wrong_usage(words: list[str]) -> None:
    if "-h" in words or "--help" in words:
        return
    with suppress(UsageError):
        assert isinstance(build(words), BuildOptions)
