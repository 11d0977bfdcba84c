"""Images about images: pushed with a subject, and listed."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.fixtures_registry import Registry


def put_subject(layout: Path, subject: dict[str, Any]) -> str:
    """Give the one image of a layout a subject; its new digest."""
    index = json.loads((layout / "index.json").read_text())
    (entry,) = index["manifests"]
    manifest = json.loads((layout / "blobs/sha256" / entry["digest"][7:]).read_text())
    data = json.dumps({**manifest, "subject": subject, "artifactType": "application/x.report"}).encode()
    digits = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digits).write_bytes(data)
    entry.update(digest=f"sha256:{digits}", size=len(data))
    (layout / "index.json").write_text(json.dumps(index))
    return f"sha256:{digits}"


def test_an_image_with_a_subject_is_listed_where_it_is_pushed(
    bare_llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    image = f"{registry.address}/referrers/{os.urandom(4).hex()}"
    folder = context("FROM scratch\nCOPY report /\n", report=os.urandom(8).hex())
    bare_llbuild("build", "--push", "-t", f"{image}:1", folder)
    assert bare_llbuild("referrers", f"{image}:1").stdout.splitlines()[1:] == []
    manifest = run_tool([require_tool("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{image}:1"])
    digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    subject = {"mediaType": json.loads(manifest)["mediaType"], "digest": digest, "size": len(manifest)}

    layout = tmp_path / "layout"
    bare_llbuild("build", "-o", f"type=oci,tar=false,dest={layout}", folder)
    about = put_subject(layout, subject)
    bare_llbuild("load", "-i", layout, "-t", f"{image}:report")
    for _ in range(2):
        bare_llbuild("push", f"{image}:report")

    (line,) = bare_llbuild("referrers", f"{image}@{digest}").stdout.splitlines()[1:]
    assert line.split()[:2] == ["application/x.report", about]
    (found,) = bare_llbuild.json("referrers", "--format=json", "--artifact-type=application/x.report", f"{image}:1")
    assert (found["digest"], found["artifactType"]) == (about, "application/x.report")
    assert bare_llbuild.json("referrers", "--format=json", "--artifact-type=other", f"{image}:1") == []
