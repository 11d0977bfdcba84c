"""What stages stand on: images, other stages, ONBUILD triggers, platforms, named contexts."""

from __future__ import annotations

import pytest
from llbuild.digest import Digest
from llbuild.errors import DockerfileError
from llbuild.image import ImageConfig
from llbuild.llb import (
    FileCopy,
)
from llbuild.platforms import Platform
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
    names,
    ops,
    sources,
)
from llbuild.values import replace


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
