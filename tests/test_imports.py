"""Start-up budgets: what a command may import before it has real work to do.

A fully cached build is decided by the pure core and one SQLite look-up; the libraries below cost more than that build.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "anyio",
    "asyncio",
    "google.protobuf",
    "httpx",
    "networkx",
    "rich",
    "ssl",
    "structlog",
    "tarfile",
    "trio",
    "zstandard",
}
# A compile in a process of its own: all that is imported for it takes 45 ms at most.
NEVER_FOR_A_COMPILE = HEAVY | {
    *("argparse", "ast", "copy", "csv", "dataclasses", "decimal", "dis", "email", "fractions", "google", "inspect"),
    *("ipaddress", "isal", "locale", "logging", "pathlib", "pickle", "queue", "random", "selectors", "shlex", "shutil"),
    *("signal", "socket", "sqlite3", "string", "subprocess", "tempfile", "textwrap", "threading", "tokenize"),
    *("traceback", "typing_extensions", "urllib.parse", "uuid", "zlib"),
}
FACES = [
    *("llbuild", "llbuild.cli", "llbuild.cli.builds"),
    *(
        "llbuild.exporter",
        "llbuild.exporter.attest",
        "llbuild.exporter.sbom",
        "llbuild.frontend",
        "llbuild.frontend.dockerfile",
        "llbuild.image",
    ),
    *(
        "llbuild.llb",
        "llbuild.llb.layout",
        "llbuild.proto",
        "llbuild.solver",
        "llbuild.worker",
        "llbuild.worker.executor",
    ),
    *(
        "llbuild.worker.layer",
        "llbuild.worker.machine",
        "llbuild.worker.oci",
        "llbuild.worker.seccomp",
        "llbuild.worker.snapshot",
        "llbuild.worker.source",
    ),
]


def loaded_after(code: str) -> set[str]:
    """The modules a fresh interpreter holds after running `code`."""
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; sys.path += {sys.path!r}\n{code}\nprint(*sorted(sys.modules), sep='\\n')",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".typing")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("face", FACES)
def test_importing_a_folder_loads_nothing_heavy(face: str) -> None:
    heavy = loaded_after(f"import {face}") & HEAVY
    assert not heavy


@pytest.mark.parametrize(("dockerfile", "loaded"), [("FROM a\nRUN x\n", False), ("FROM a\nCMD x\n", True)])
def test_the_texts_of_lint_are_loaded_when_a_rule_fires(dockerfile: str, loaded: bool) -> None:
    modules = loaded_after(
        f"from llbuild.tests.frontend.dockerfile.kit import compile_one; compile_one({dockerfile!r})"
    )
    assert ("llbuild.frontend.dockerfile.lint.rules" in modules) == loaded
    assert not modules & {"llbuild.frontend.dockerfile.lint.config", "llbuild.frontend.subrequests"}


COMPILE = """
from llbuild.benchmarks.shapes import SHAPES
from llbuild.digest import Digest
from llbuild.frontend import NoSuchFile, Request, ResolvedImage
from llbuild.frontend.dockerfile import FRONTEND
from llbuild.image import ContainerConfig, ImageConfig
from llbuild.llb import encode_definition
from llbuild.platforms import Platform

class Known:
    def file(self, context, path):
        if (context, path) != ("dockerfile", "Dockerfile"):
            raise NoSuchFile
        return SHAPES["usual"]().encode()

    def image(self, ref, platform):
        config = ImageConfig(platform=platform, config=ContainerConfig(), diff_ids=(Digest("sha256:" + "1" * 64),))
        return ResolvedImage(ref=ref, digest=Digest("sha256:" + "2" * 64), config=config)

here = Platform(os="linux", architecture="amd64")
(result,) = FRONTEND.compile(Request(options={}, platform=here, build_platform=here), Known()).results
assert encode_definition(result.definition)
"""


def test_compiling_a_dockerfile_loads_little() -> None:
    loaded = loaded_after(COMPILE)
    assert not loaded & NEVER_FOR_A_COMPILE
    assert "llbuild.frontend.dockerfile.compiler" in loaded
