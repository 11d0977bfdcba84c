"""Every manifest, index and config, by every exporter with every option, is what the specification says."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.schemas_of import check_document, check_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.fixtures_registry import Registry

# All that a config can have.
EVERYTHING = """
FROM busybox
MAINTAINER somebody
ARG A=1
ENV B=2 C=
LABEL d=e "f g"="h"
RUN echo > /i
COPY Dockerfile /j/
WORKDIR /k
EXPOSE 80 53/udp 1000-1002
VOLUME /l ["/m"]
USER 1:2
STOPSIGNAL SIGUSR1
SHELL ["/bin/sh", "-e", "-c"]
HEALTHCHECK --interval=1s --timeout=2s --start-period=3s --start-interval=4s --retries=5 CMD true
ONBUILD RUN ls
ENTRYPOINT ["n"]
CMD ["o", "p"]
"""
FROM_NOTHING = "FROM scratch\nENV a=b\n"
BOTH = "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\nCMD x\n"
ANNOTATIONS = "annotation.a=b,annotation-manifest-descriptor.c=d"
FORMS = {
    "plain": (EVERYTHING, "", []),
    "zstd": (EVERYTHING, "compression=zstd,force-compression=true", []),
    "uncompressed": (EVERYTHING, "compression=uncompressed,force-compression=true", []),
    "docker": (EVERYTHING, "oci-mediatypes=false", []),
    "annotated": (EVERYTHING, ANNOTATIONS, []),
    "squashed": (EVERYTHING, "", ["--squash"]),
    "dated": (EVERYTHING, "rewrite-timestamp=true", ["--build-arg", "SOURCE_DATE_EPOCH=1"]),
    "nothing": (FROM_NOTHING, "", []),
    "inline cache": (EVERYTHING, "", ["--cache-to", "type=inline"]),
    "attested": (EVERYTHING, "", ["--provenance", "mode=max"]),
    "platforms": (BOTH, f"{ANNOTATIONS},annotation-index.e=f", ["--platform", "linux/amd64,linux/arm/v7"]),
    "docker platforms": (BOTH, "oci-mediatypes=false", ["--platform", "linux/amd64,linux/arm64"]),
}
SEVERAL = ["index", "manifest", "config", "manifest", "config"]


def expected(form: str) -> list[str]:
    if form == "attested":
        return ["index", "manifest", "config", "artifact"]
    return SEVERAL if "platforms" in form else ["manifest", "config"]


def from_folder(folder: Path, name: str = "") -> list[str]:
    """Of the images of a layout; of the one with that name."""
    check_document((folder / "oci-layout").read_bytes(), "layout")
    index = check_document((folder / "index.json").read_bytes(), "index")
    entries = [entry for entry in index["manifests"] if not name or name in entry["annotations"].values()]
    (entry,) = entries

    def read(digest: str) -> bytes:
        return (folder / "blobs" / digest.replace(":", "/")).read_bytes()

    return check_image(read, entry)


@pytest.mark.parametrize("form", FORMS)
def test_layouts_and_the_store(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, form: str) -> None:
    text, options, flags = FORMS[form]
    folder, archive, dest = context(text), tmp_path / "image.tar", tmp_path / "layout"
    options = f",{options}" if options else ""
    outputs = [f"type=oci,dest={archive}{options}", f"type=oci,tar=false,dest={dest}{options}", f"type=image{options}"]
    llbuild("build", "-t", "example.org/x:1", *flags, *(word for spec in outputs for word in ("-o", spec)), folder)
    assert from_folder(dest) == expected(form)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    assert from_folder(tmp_path / "unpacked") == expected(form)
    assert from_folder(llbuild.root / "content", "example.org/x:1") == expected(form)


@pytest.mark.parametrize("form", FORMS)
def test_registries(llbuild: Llbuild, context: Callable[..., Path], registry: Registry, form: str) -> None:
    text, options, flags = FORMS[form]
    name = f"documents/{form.replace(' ', '-')}"
    spec = f"type=registry,name={registry.address}/{name}:1" + (f",{options}" if options else "")
    llbuild("build", *flags, "-o", spec, context(text))
    link = registry.folder / f"docker/registry/v2/repositories/{name}/_manifests/tags/1/current/link"
    digest = link.read_text()
    data = registry.blob_file(digest).read_bytes()
    top: dict[str, Any] = {"digest": digest, "size": len(data), "mediaType": json.loads(data)["mediaType"]}
    assert check_image(lambda wanted: registry.blob_file(wanted).read_bytes(), top) == expected(form)


def test_archives_for_docker(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    archive, folder = tmp_path / "docker.tar", tmp_path / "unpacked"
    llbuild("build", "-t", "x:1", "-o", f"type=docker,dest={archive}", context(EVERYTHING))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    assert from_folder(folder) == ["manifest", "config"]
    (listed,) = json.loads((folder / "manifest.json").read_bytes())
    config = check_document((folder / listed["Config"]).read_bytes(), "config")
    assert len(listed["Layers"]) == len(config["rootfs"]["diff_ids"])
    assert all((folder / layer).is_file() for layer in listed["Layers"])
