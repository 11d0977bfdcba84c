"""Instructions that only edit the configuration: no process, no layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild


def test_run_expose_and_cmd_start_one_process_and_store_one_layer(llbuild: Llbuild, tmp_path: Path) -> None:
    archive = tmp_path / "metadata.tar"
    outcome = llbuild.build("--debug", "-t", "metadata", ROOT / "examples/metadata")
    assert outcome.stderr.count("process_started") == 1
    assert len(outcome.ran()) == 1
    assert len(outcome.named("RUN")) == 1
    assert not outcome.named("EXPOSE")
    assert not outcome.named("CMD")
    llbuild.build("-o", f"type=oci,dest={archive}", ROOT / "examples/metadata")
    image = read_image(archive)
    assert len(image.layers) == 2  # the base image's and the RUN's
    own = image.history[-3:]
    assert [entry.get("empty_layer", False) for entry in own] == [False, True, True]
    assert image.config["config"]["ExposedPorts"] == {"6379/tcp": {}}
    assert image.config["config"]["Cmd"] == ["redis-server"]
    assert llbuild("run", "metadata").stdout == "ready to accept connections on port 6379\n"


EVERYTHING = r"""
FROM busybox
ARG WHO=world
ENV GREETING="hello ${WHO}" EMPTY="${NOTHING:-x}"
LABEL one=1 two="2 3"
EXPOSE 80 53/udp
VOLUME /data
USER root
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/sh", "-e", "-c"]
ONBUILD RUN echo triggered
MAINTAINER somebody@example.org
ENTRYPOINT ["echo"]
CMD ["from the image"]
"""


def test_metadata_alone_starts_nothing_and_adds_no_layer(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    outcome = llbuild.build(
        *("--debug", "-t", "meta", "-o", f"type=oci,dest={archive}", "-o", "type=image", "--build-arg", "WHO=you"),
        context(EVERYTHING),
    )
    assert outcome.ran() == []
    assert "process_started" not in outcome.stderr
    image = read_image(archive)
    assert len(image.layers) == 1
    config = image.config["config"]
    assert "GREETING=hello you" in config["Env"]
    assert "EMPTY=x" in config["Env"]
    assert config["Labels"] == {"one": "1", "two": "2 3"}
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert config["Volumes"] == {"/data": {}}
    assert config["User"] == "root"
    assert config["StopSignal"] == "SIGINT"
    assert config["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
    assert config["Shell"] == ["/bin/sh", "-e", "-c"]
    assert config["OnBuild"] == ["RUN echo triggered"]
    assert image.config["author"] == "somebody@example.org"
    assert llbuild("run", "meta").stdout == "from the image\n"
    assert llbuild("run", "meta", "from", "me").stdout == "from me\n"
