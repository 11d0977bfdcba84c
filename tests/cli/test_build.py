from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.build import Build, conduct
from llbuild.cli.job import BuildResult, BuildView
from llbuild.cli.options import parse_build
from llbuild.digest import Digest
from llbuild.errors import DockerfileError, ExecError, ExportError, LlbuildError, UsageError
from llbuild.frontend import BuildWarning
from llbuild.image import Descriptor, MediaType
from llbuild.llb import Definition, Metadata
from llbuild.platforms import Platform
from llbuild.span import Span
from llbuild.tests.cli.recorded import completed, digest, log, queued, started

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.cli.progress import Display
    from llbuild.cli.solve_options import SolveOptions

IMAGE = Digest("sha256:" + "1" * 64)
CONFIG = Digest("sha256:" + "2" * 64)
RESULT = BuildResult(
    manifest=Descriptor(
        media_type=MediaType.OCI_MANIFEST,
        digest=IMAGE,
        size_bytes=500,
        platform=Platform(os="linux", architecture="arm64"),
    ),
    config_digest=CONFIG,
    names=("docker.io/library/a:latest", "docker.io/library/b:1"),
)


def options(tmp_path: Path, *words: str) -> SolveOptions:
    return parse_build(words, {"LLBUILD_ROOT": str(tmp_path / "state"), "LLBUILD_PROGRESS": "plain"}).solve


def succeeds(*, display: Display, view: BuildView) -> BuildResult:
    display.display(queued("make", "RUN make"))
    display.display(started("make", 0))
    display.display(completed("make", 1))
    return RESULT


def nothing(*, display: Display, view: BuildView) -> BuildResult:
    return BuildResult()


def failing(error: BaseException) -> Build:
    def fails(*, display: Display, view: BuildView) -> BuildResult:
        view.sources["Dockerfile"] = "FROM busybox\nRUN make\n"
        view.definitions = (Definition(metadata=((digest("make"), Metadata(spans=(Span("Dockerfile", 2),))),)),)
        display.display(queued("make", "[2/2] RUN make"))
        display.display(started("make", 0))
        display.display(log("make", 0.5, b"no rule\nto make"))
        display.display(completed("make", 1, str(error)))
        raise error

    return fails


def test_a_build_shows_progress_on_stderr_and_nothing_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conduct(options(tmp_path), succeeds) == 0
    assert capsys.readouterr() == ("", "#1 RUN make\n#1 DONE 1.0s\n")


def test_quietly_only_the_digest_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert conduct(options(tmp_path, "-q"), succeeds) == 0
    assert capsys.readouterr() == (f"{IMAGE}\n", "")


def test_without_an_image_there_is_no_digest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    iidfile = tmp_path / "iid"
    quiet = options(tmp_path, "-q", "--iidfile", str(iidfile), "-o", str(tmp_path / "out"))
    assert conduct(quiet, nothing) == 0
    assert capsys.readouterr() == ("", "")
    assert not iidfile.exists()


def test_result_files_are_written(tmp_path: Path) -> None:
    iidfile, metadata = tmp_path / "iid", tmp_path / "metadata.json"
    assert conduct(options(tmp_path, "--iidfile", str(iidfile), "--metadata-file", str(metadata)), succeeds) == 0
    assert iidfile.read_text() == IMAGE
    assert json.loads(metadata.read_text()) == {
        "containerimage.config.digest": CONFIG,
        "containerimage.descriptor": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": IMAGE,
            "size": 500,
            "platform": {"architecture": "arm64", "os": "linux"},
        },
        "containerimage.digest": IMAGE,
        "image.name": "docker.io/library/a:latest,docker.io/library/b:1",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["iid", "metadata.json"]


def test_a_failed_build_leaves_no_digest_of_an_earlier_one(tmp_path: Path) -> None:
    iidfile = tmp_path / "iid"
    iidfile.write_text("old")
    assert conduct(options(tmp_path, "--iidfile", str(iidfile)), failing(LlbuildError("no"))) == 1
    assert not iidfile.exists()


@pytest.mark.parametrize("flag", ["--iidfile", "--metadata-file"])
def test_a_result_file_that_cannot_be_written_stops_the_build_before_it_starts(tmp_path: Path, flag: str) -> None:
    def never(*, display: Display, view: BuildView) -> BuildResult:
        raise AssertionError

    missing = tmp_path / "missing" / "file"
    with pytest.raises(ExportError) as caught:
        conduct(options(tmp_path, flag, str(missing)), never)
    assert caught.value.message == f"cannot write {missing}: there is no folder {missing.parent}"
    with pytest.raises(ExportError, match="it is a folder"):
        conduct(options(tmp_path, flag, str(tmp_path)), never)


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert conduct(options(tmp_path, "--iidfile", str(pipe)), succeeds) == 0
    assert os.read(reader, 1000).decode() == IMAGE
    os.close(reader)


def test_a_failing_step_is_reported_with_its_output_and_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ExecError('process "make" exited with code 2', vertex=digest("make"), exit_code=2)
    assert conduct(options(tmp_path, "-q"), failing(error)) == 1
    assert (
        capsys.readouterr().err
        == """\
------
 > [2/2] RUN make:
0.500 no rule
0.500 to make
------
Dockerfile:2
--------------------
   1 |     FROM busybox
   2 | >>> RUN make
--------------------
error: [2/2] RUN make: process "make" exited with code 2
"""
    )


def test_a_mistake_in_the_build_file_is_pointed_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = DockerfileError("unknown instruction", at=Span("Dockerfile", 2, 1, 2, 4))
    assert conduct(options(tmp_path, "-q"), failing(error)) == 1
    assert "   2 | >>> RUN make\n     |     ^^^\n" in capsys.readouterr().err


def test_with_debug_the_traceback_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from llbuild.log import log as diagnostics

    try:
        assert conduct(options(tmp_path, "--debug", "-q"), failing(LlbuildError("no"))) == 1
    finally:
        diagnostics.sink = None
    stderr = capsys.readouterr().err
    assert "Traceback (most recent call last)" in stderr
    assert stderr.endswith("error: no\n")


@pytest.mark.parametrize("error", [UsageError("wrong"), KeyboardInterrupt(), OSError(28, "full")])
def test_what_is_no_failure_of_the_build_is_left_to_the_edge_after_progress_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    with pytest.raises(type(error)):
        conduct(options(tmp_path), failing(error))
    assert capsys.readouterr().err.startswith("#1 [2/2] RUN make\n#1 0.500 no rule\n")


def test_warnings_follow_the_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def warns(*, display: Display, view: BuildView) -> BuildResult:
        view.warnings = (BuildWarning(rule="StageNameCasing", message="use lower case"),)
        return RESULT

    assert conduct(options(tmp_path), warns) == 0
    assert capsys.readouterr().err == "\n1 warning found:\n - StageNameCasing: use lower case\n"
    assert conduct(options(tmp_path, "-q"), warns) == 0
    assert capsys.readouterr().err == ""
